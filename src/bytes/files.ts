// Files and directories made durable.
import { mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Each level of a path takes one or two; more is a file system that never says what it means. */
const CREATE_TRIES_MAX = 200;

/** For EFBIG, which is no matter of permissions. */
export const FILE_TOO_LARGE_HINT = "Raise the limit on the size of files (`ulimit -f`), or name a directory on a file system that takes files of this size.";

/** Waits until the entries of a directory are on the disk: a file that was created, renamed or removed there stays so. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Creates `directory` and the parents it lacks, durably; `onCreated` hears of each, outermost first. Not `recursive`, with which node:fs
 * (24.21) takes a read-only file system for a missing directory.
 */
export async function createDirectories(directory: string, mode: number, onCreated?: (path: string) => void): Promise<void> {
  const missing = [directory];
  for (let tries = 1; missing.length > 0; tries++) {
    const path = missing.at(-1)!;
    try {
      await mkdir(path, { mode });
      onCreated?.(path);
      await syncDirectory(dirname(path));
      missing.pop();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const found = code === "EEXIST" ? await stat(path).catch(() => undefined) : undefined;
      // Others may create and remove the same directories meanwhile.
      const mayChange = code === "ENOENT" || (code === "EEXIST" && (found === undefined || found.isDirectory()));
      if (!mayChange || tries === CREATE_TRIES_MAX) throw error;
      if (code === "ENOENT") missing.push(dirname(path));
      else if (found !== undefined) missing.pop();
    }
  }
}
