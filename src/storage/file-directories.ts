// Directories of a local repository: made durably when something is put into them, removed again once they are empty.
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createDirectories, syncDirectory } from "../bytes/files.ts";
import { hasCode, ifExists } from "./file-errors.ts";

const DIRECTORY_MODE = 0o700;
/** A put writes all the time; an unfinished file that nobody wrote to for this long belongs to a process that is gone. */
const LEFTOVER_MS = 24 * 60 * 60_000;
/** A directory may be removed, being empty, between its creation and the file's arrival; more often than this it is something else. */
const MOVE_TRIES_MAX = 10;

/** Creates a directory and its parents, durably. */
export async function createDirectory(directory: string): Promise<void> {
  await createDirectories(directory, DIRECTORY_MODE);
}

/** Creates `directory` and does `move` of `path` into it; again where another process removed the directory, being empty, in between. */
export async function intoDirectory(directory: string, path: string, move: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await createDirectory(directory);
      return await move();
    } catch (error) {
      if (!hasCode(error, "ENOENT") || tries === MOVE_TRIES_MAX || (await ifExists(stat(path))) === undefined) throw error;
    }
  }
}

/** Removes what killed processes left; ages are counted by the file system's own clock, against `own`, just made. */
export async function removeLeftovers(unfinished: string, own: string): Promise<void> {
  const { mtimeMs: nowMs } = await stat(own);
  for (const name of await readdir(unfinished)) {
    const directory = join(unfinished, name);
    const stats = (await ifExists(stat(join(directory, name)))) ?? (await ifExists(stat(directory)));
    if (stats !== undefined && nowMs - stats.mtimeMs > LEFTOVER_MS) await rm(directory, { recursive: true, force: true });
  }
}

/** Removes `directory` and its parents as far as they are empty, below `root`, so that what is pruned leaves nothing behind. */
export async function removeEmptyDirectories(root: string, directory: string): Promise<void> {
  let each = directory;
  while (each !== root && (await removed(each))) each = dirname(each);
  await ifExists(syncDirectory(each));
}

/** Whether the directory is gone now. Not being empty is one reason of many to leave it. */
async function removed(directory: string): Promise<boolean> {
  return rmdir(directory).then(
    () => true,
    (error: unknown) => hasCode(error, "ENOENT"),
  );
}
