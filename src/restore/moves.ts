// The renames that put restored members in place of what was there, one by one, forwards and backwards; journal.ts says why this order.
import { chown, lstat, mkdir, rename, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import type { ReplacedMember } from "./replace.ts";
import type { StagedMember } from "./stage.ts";
import { FIRST_WAL_NAME, walDirEntry } from "./target-entries.ts";

export interface Move {
  readonly part: "old-member" | "old-wal" | "new-wal" | "new-member";
  /** The data directory of the member whose part it is. */
  readonly dataDir: string;
  readonly from: string;
  readonly to: string;
  /** Of what moves: it stays the same under any name. */
  readonly inode: string;
}

export interface FoundMove extends Move {
  /** `lost`: what moves is at neither end. */
  readonly state: "to do" | "done" | "lost";
  /** Whether anything is there. */
  readonly isAtFrom: boolean;
  readonly isAtTo: boolean;
}

/** In order, for one member. `walNames` are the entries of its own WAL directory. */
export function movesOf(stage: StagedMember, replaces: ReplacedMember | null, walNames: readonly string[]): Omit<Move, "inode">[] {
  const { dataDir, walDir } = stage;
  const moves: Omit<Move, "inode">[] = [];
  if (replaces?.memberDir && replaces.keptAs) moves.push({ part: "old-member", dataDir, from: replaces.memberDir, to: replaces.keptAs });
  if (walDir !== undefined) {
    const old = walNames.filter((name) => walDirEntry(name) === "replaced");
    if (replaces?.walKeptAs) for (const name of old) moves.push({ part: "old-wal", dataDir, from: join(walDir, name), to: join(replaces.walKeptAs, name) });
    moves.push({ part: "new-wal", dataDir, from: stage.walPath, to: join(walDir, FIRST_WAL_NAME) });
  }
  moves.push({ part: "new-member", dataDir, from: stage.stageDir, to: join(dataDir, "member") });
  return moves;
}

/** With the inodes of what is to move. Throws the file system's errors. */
export async function withInodes(moves: readonly Omit<Move, "inode">[]): Promise<Move[]> {
  return Promise.all(moves.map(async (move) => ({ ...move, inode: (await lstat(move.from, { bigint: true })).ino.toString() })));
}

export async function findMove(move: Move): Promise<FoundMove> {
  const [from, to] = [await inodeOf(move.from), await inodeOf(move.to)];
  const state = from === move.inode ? "to do" : to === move.inode ? "done" : "lost";
  return { ...move, state, isAtFrom: from !== undefined, isAtTo: to !== undefined };
}

/** Does the move, durably. Throws the file system's errors, EEXIST among them where something is at `to`. */
export async function doMove({ from, to, part }: Pick<Move, "from" | "to" | "part">): Promise<void> {
  if (part === "old-wal") await createKept(dirname(to));
  await renameDurably(from, to);
}

/** The same backwards. */
export async function undoMove({ from, to }: Pick<Move, "from" | "to">): Promise<void> {
  await renameDurably(to, from);
}

/** Removes the directory that was made for old WAL files, unless one is in it. */
export async function removeKept({ to, part }: Pick<Move, "to" | "part">): Promise<void> {
  if (part === "old-wal") await rmdir(dirname(to)).catch(() => undefined);
}

async function renameDurably(from: string, to: string): Promise<void> {
  // rename(2) would replace a file, and an empty directory.
  if ((await inodeOf(to)) !== undefined) throw Object.assign(new Error(`${to} exists already`), { code: "EEXIST" });
  await rename(from, to);
  for (const directory of new Set([dirname(to), dirname(from)])) await syncDirectory(directory);
}

/** Whoever may look at the log may look at the kept one. */
async function createKept(directory: string): Promise<void> {
  const { uid, gid, mode } = await stat(dirname(directory));
  try {
    await mkdir(directory, { mode: mode & 0o777 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const made = await stat(directory);
  if (made.uid !== uid || made.gid !== gid) {
    await chown(directory, uid, gid);
    await syncDirectory(directory);
  }
  await syncDirectory(dirname(directory));
}

/** Undefined where nothing is. */
export async function inodeOf(path: string): Promise<string | undefined> {
  return lstat(path, { bigint: true }).then(
    ({ ino }) => ino.toString(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw error;
    },
  );
}
