// Where a restored member's files are written before anything counts, and how they come into place.
// Staged inside the data directory, so that it works where that is a mount; fsync order as etcd-formats §8.12.
import { mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createDirectories, syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../etcd-files/wal/constants.ts";

const STAGE_PREFIX = "member.etcdsafe-";
/** ext4 puts one at the root of every file system: a data directory that is a fresh mount holds it. */
const MOUNT_ROOT_ENTRIES = new Set(["lost+found"]);
/** etcdserver/api/snap and wal create their directories and files for the owner alone; etcd warns about anything wider. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const FIRST_WAL_NAME = "0000000000000000-0000000000000000.wal";

export interface StagedMember {
  readonly name: string;
  readonly dataDir: string;
  readonly stageDir: string;
  readonly databasePath: string;
  readonly snapDir: string;
  /** Where the WAL file is staged: inside the stage, or beside its final name in a separate WAL directory. */
  readonly walPath: string;
  readonly walDir: string | undefined;
  /** Directories this run created outside the stage, deepest last; removed again when it fails. */
  readonly created: readonly string[];
  /** The file system of the data directory. */
  readonly device: bigint;
}

/** Refuses a data or WAL directory that holds anything. Leftovers of an interrupted restore do not count; they are returned. */
export async function requireEmptyTarget(target: { readonly dataDir: string; readonly walDir?: string | undefined }): Promise<string[]> {
  const leftovers: string[] = [];
  for (const name of await entriesOf(target.dataDir)) {
    if (name.startsWith(STAGE_PREFIX)) leftovers.push(join(target.dataDir, name));
    else if (!MOUNT_ROOT_ENTRIES.has(name)) throw notEmpty("data", target.dataDir, name);
  }
  if (target.walDir !== undefined) {
    for (const name of await entriesOf(target.walDir)) {
      if (name.startsWith(`${FIRST_WAL_NAME}.etcdsafe-`)) leftovers.push(join(target.walDir, name));
      else if (!MOUNT_ROOT_ENTRIES.has(name)) throw notEmpty("WAL", target.walDir, name);
    }
  }
  return leftovers;
}

/** Creates the staging directories, empty; leaves nothing when it fails. */
export async function createStage(
  target: { readonly name: string; readonly dataDir: string; readonly walDir?: string | undefined },
  stageId: string,
): Promise<StagedMember> {
  const dataDir = resolve(target.dataDir);
  const walDir = target.walDir === undefined ? undefined : resolve(target.walDir);
  const stageDir = join(dataDir, `${STAGE_PREFIX}${stageId}`);
  const snapDir = join(stageDir, "snap");
  const walPath = walDir === undefined ? join(stageDir, "wal", FIRST_WAL_NAME) : join(walDir, `${FIRST_WAL_NAME}.etcdsafe-${stageId}`);
  const created: string[] = [];
  const stage = { name: target.name, dataDir, stageDir, databasePath: join(snapDir, "db"), snapDir, walPath, walDir, created };
  try {
    for (const directory of walDir === undefined ? [dataDir] : [dataDir, walDir])
      await createDirectories(directory, DIRECTORY_MODE, (path) => created.push(path));
    for (const directory of [stageDir, snapDir, ...(walDir === undefined ? [dirname(walPath)] : [])]) await mkdir(directory, { mode: DIRECTORY_MODE });
    const { dev: device } = await stat(dataDir, { bigint: true });
    return { ...stage, device };
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

/** Puts a finished stage in place. The WAL of a separate directory first: a member without its WAL would start as an empty one. */
export async function commitStage(stage: StagedMember): Promise<void> {
  if (stage.walDir !== undefined) {
    await rename(stage.walPath, join(stage.walDir, FIRST_WAL_NAME));
    await syncDirectory(stage.walDir);
  }
  try {
    await rename(stage.stageDir, join(stage.dataDir, "member"));
  } catch (error) {
    if (stage.walDir !== undefined) await rename(join(stage.walDir, FIRST_WAL_NAME), stage.walPath);
    throw error;
  }
  await syncDirectory(stage.dataDir);
}

/** Removes what a failed run wrote: its own stage and the directories it created, as far as they are empty. Never hides why the run failed. */
export async function discardStage(stage: Omit<StagedMember, "device">): Promise<void> {
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

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    if (code === "ENOTDIR") throw await fileInTheWay(directory);
    throw error;
  }
}

/** `directory` is a file, or is said to lie in one, at whatever depth. */
async function fileInTheWay(directory: string): Promise<EtcdsafeError> {
  let file = directory;
  while (file !== dirname(file) && (await stat(file).catch(() => undefined)) === undefined) file = dirname(file);
  const why = file === directory ? "is a file, not a directory" : `cannot be made: ${file} is a file, not a directory`;
  return new EtcdsafeError("TARGET_NOT_EMPTY", `${directory} ${why}`);
}

function notEmpty(kind: string, directory: string, entry: string): EtcdsafeError {
  return new EtcdsafeError("TARGET_NOT_EMPTY", `the ${kind} directory ${directory} is not empty: it holds "${entry}"`);
}
