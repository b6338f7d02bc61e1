// Where a restored member's files are written before anything counts; unfinished.ts puts them in place.
// Staged inside the data directory, so that it works where that is a mount; fsync order as etcd-formats §8.12.
import { mkdir, open, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createDirectories, syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../etcd-files/wal/constants.ts";
import { inodeOf } from "./moves.ts";
import { FIRST_WAL_NAME, STAGE_PREFIX, stagedWalName } from "./target-entries.ts";
import { namesIn } from "./target-facts.ts";

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

/** Which run by its plan this is, counted by the stages that are in its data directories: one more than any other, which died, or lives all the same. */
export async function nextRun(targets: readonly { readonly dataDir: string }[], stageId: string): Promise<number> {
  const names = await Promise.all(targets.map(({ dataDir }) => namesIn(resolve(dataDir))));
  return Math.max(0, ...names.flat().map((name) => runOf(name, `${STAGE_PREFIX}${stageId}`))) + 1;
}

/**
 * Creates the staging directories, empty; leaves nothing when it fails. What earlier runs by the same saved plan have staged is removed: one that lives finds
 * that its own is gone. No two have the same names, so that none writes into what another one checks. Throws TARGET_NOT_EMPTY where a later run is at work.
 */
export async function createStage(
  target: { readonly name: string; readonly dataDir: string; readonly walDir?: string | undefined },
  stageId: string,
  run: number,
): Promise<StagedMember> {
  const dataDir = resolve(target.dataDir);
  const walDir = target.walDir === undefined ? undefined : resolve(target.walDir);
  const id = run === 1 ? stageId : `${stageId}-${run}`;
  const stageDir = join(dataDir, `${STAGE_PREFIX}${id}`);
  const snapDir = join(stageDir, "snap");
  const walPath = walDir === undefined ? join(stageDir, "wal", FIRST_WAL_NAME) : join(walDir, stagedWalName(id));
  const created: string[] = [];
  const inode = await makeStageDir(stageDir, walDir === undefined ? [dataDir] : [dataDir, walDir], created);
  const stage = { name: target.name, dataDir, stageDir, inode, databasePath: join(snapDir, "db"), snapDir, walPath, walDir, created };
  try {
    for (const directory of [snapDir, ...(walDir === undefined ? [dirname(walPath)] : [])]) await mkdir(directory, { mode: DIRECTORY_MODE });
    await removeEarlier(stage, stageId, run);
    return stage;
  } catch (error) {
    const cause = (await takenOver(stage)) ?? error;
    await discardStage(stage);
    throw cause;
  }
}

/** In directories that are made where they are missing, which `created` then says. Its inode; empty where another run has taken it away already. */
async function makeStageDir(stageDir: string, directories: readonly string[], created: string[]): Promise<string> {
  try {
    for (const directory of directories) await createDirectories(directory, DIRECTORY_MODE, (path) => created.push(path));
    await mkdir(stageDir, { mode: DIRECTORY_MODE });
    return (await inodeOf(stageDir)) ?? "";
  } catch (error) {
    const isTheirs = (error as NodeJS.ErrnoException).code === "EEXIST" && (await inodeOf(stageDir).catch(() => undefined)) !== undefined;
    if (isTheirs) throw isNotOurs(stageDir); // Whose it is has need of the directories.
    await removeEmpty(created);
    throw error;
  }
}

async function removeEmpty(created: readonly string[]): Promise<void> {
  for (const directory of created.toReversed()) await rmdir(directory).catch(() => undefined);
}

/** TARGET_NOT_EMPTY where another run by the same plan has removed it. */
export async function takenOver({ stageDir, inode }: Pick<StagedMember, "stageDir" | "inode">): Promise<EtcdsafeError | undefined> {
  const found = await inodeOf(stageDir).catch(() => inode); // What cannot be looked at is told by whatever needs it.
  return found === inode ? undefined : isNotOurs(stageDir);
}

export function isNotOurs(stageDir: string): EtcdsafeError {
  return new EtcdsafeError("TARGET_NOT_EMPTY", `${stageDir} is not what this run has written: another restore by the same plan runs on this host`, {
    hint: "Wait until it has ended; nothing was put in place by this one.",
  });
}

/** Throws where a later run is at work. */
async function removeEarlier({ dataDir, walDir }: Pick<StagedMember, "dataDir" | "walDir">, stageId: string, run: number): Promise<void> {
  const former = `${STAGE_PREFIX}former-${stageId}`;
  for (const name of await namesIn(dataDir)) {
    const theirs = runOf(name, `${STAGE_PREFIX}${stageId}`);
    if (theirs > run) throw isNotOurs(join(dataDir, name));
    // At once: who lives shall not find half of it, and take that for a fault of the disk.
    if (theirs > 0 && theirs < run) await rename(join(dataDir, name), join(dataDir, `${former}-${run}-${theirs}`));
  }
  for (const name of await namesIn(dataDir)) if (name.startsWith(former)) await rm(join(dataDir, name), { recursive: true, force: true });
  if (walDir === undefined) return;
  for (const name of await namesIn(walDir)) {
    const theirs = runOf(name, stagedWalName(stageId));
    if (theirs > 0 && theirs <= run) await rm(join(walDir, name), { force: true });
  }
}

/** 0 for a name that is none of the plan's: `first` is what its first run uses. */
function runOf(name: string, first: string): number {
  if (name === first) return 1;
  return name.startsWith(`${first}-`) && /^\d+$/.test(name.slice(first.length + 1)) ? Number(name.slice(first.length + 1)) : 0;
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
export async function discardStage(stage: StagedMember): Promise<void> {
  const isOurs = (await takenOver(stage)) === undefined;
  if (isOurs) await rm(stage.stageDir, { recursive: true, force: true }).catch(() => undefined);
  if (stage.walDir !== undefined) await rm(stage.walPath, { force: true }).catch(() => undefined);
  if (isOurs) await removeEmpty(stage.created); // Else the other run has need of them.
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
