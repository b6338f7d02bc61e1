// Where a restored member's files are written before anything counts; unfinished.ts puts them in place.
// Staged inside the data directory, so that it works where that is a mount; fsync order as etcd-formats §8.12.
import { existsSync } from "node:fs";
import { lstat, mkdir, open, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createDirectories, syncDirectory } from "../bytes/files.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../etcd-files/wal/constants.ts";
import { FIRST_WAL_NAME, STAGE_PREFIX, stagedWalName } from "./target-entries.ts";

/** etcdserver/api/snap and wal create their directories and files for the owner alone; etcd warns about anything wider. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export interface StagedMember {
  readonly name: string;
  readonly dataDir: string;
  readonly stageDir: string;
  /** Of `stageDir`: under its name may be another run's by now. */
  readonly inode: string;
  readonly databasePath: string;
  readonly snapDir: string;
  /** Where the WAL file is staged: inside the stage, or beside its final name in a separate WAL directory. */
  readonly walPath: string;
  readonly walDir: string | undefined;
  /** Directories this run created outside the stage, deepest last; removed again when it fails. */
  readonly created: readonly string[];
}

/**
 * Creates the staging directories, empty; leaves nothing when it fails. A stage of the same id is of a run by the same saved plan that died: it is removed,
 * once the new one is there, so that a run which lives all the same finds another inode.
 */
export async function createStage(
  target: { readonly name: string; readonly dataDir: string; readonly walDir?: string | undefined },
  stageId: string,
): Promise<StagedMember> {
  const dataDir = resolve(target.dataDir);
  const walDir = target.walDir === undefined ? undefined : resolve(target.walDir);
  const stageDir = join(dataDir, `${STAGE_PREFIX}${stageId}`);
  const snapDir = join(stageDir, "snap");
  const walPath = walDir === undefined ? join(stageDir, "wal", FIRST_WAL_NAME) : join(walDir, stagedWalName(stageId));
  const created: string[] = [];
  const stage = { name: target.name, dataDir, stageDir, databasePath: join(snapDir, "db"), snapDir, walPath, walDir, created };
  const former = join(dataDir, `${STAGE_PREFIX}former-${stageId}`);
  try {
    for (const directory of walDir === undefined ? [dataDir] : [dataDir, walDir])
      await createDirectories(directory, DIRECTORY_MODE, (path) => created.push(path));
    if (existsSync(stageDir)) {
      await rm(former, { recursive: true, force: true });
      await rename(stageDir, former);
    }
    for (const directory of [stageDir, snapDir, ...(walDir === undefined ? [dirname(walPath)] : [])]) await mkdir(directory, { mode: DIRECTORY_MODE });
    const { ino } = await lstat(stageDir, { bigint: true });
    await rm(former, { recursive: true, force: true });
    if (walDir !== undefined) await rm(walPath, { force: true });
    return { ...stage, inode: ino.toString() };
  } catch (error) {
    await discardStage(stage);
    throw error;
  }
}

/** Writes the WAL, preallocated as etcd does (the rest reads as zeros), and the raft snapshot file; both durable. */
export async function writeRaftFiles(
  stage: StagedMember,
  files: { readonly wal: Uint8Array; readonly snapName: string; readonly snap: Uint8Array },
): Promise<void> {
  await writeDurably(stage.walPath, files.wal, WAL_PREALLOCATED_SIZE_BYTES);
  await writeDurably(join(stage.snapDir, files.snapName), files.snap, files.snap.length);
  await syncDirectory(dirname(stage.walPath));
  await syncDirectory(stage.snapDir);
  await syncDirectory(stage.stageDir);
  await syncDirectory(stage.dataDir);
}

/** Removes what a failed run wrote: its own stage and the directories it created, as far as they are empty. Never hides why the run failed. */
export async function discardStage(stage: Omit<StagedMember, "inode"> & { readonly inode?: string }): Promise<void> {
  const found = await lstat(stage.stageDir, { bigint: true }).catch(() => undefined);
  if (stage.inode !== undefined && found !== undefined && found.ino.toString() !== stage.inode) return; // Another run's, and so is the log.
  await rm(stage.stageDir, { recursive: true, force: true }).catch(() => undefined);
  if (stage.walDir !== undefined) await rm(stage.walPath, { force: true }).catch(() => undefined);
  for (const directory of stage.created.toReversed()) await rmdir(directory).catch(() => undefined);
}

async function writeDurably(path: string, bytes: Uint8Array, sizeBytes: number): Promise<void> {
  const file = await open(path, "wx", FILE_MODE);
  try {
    await file.writeFile(bytes);
    await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
