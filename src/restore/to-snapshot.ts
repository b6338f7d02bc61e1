// `restore --to-snapshot`: the source as a plain snapshot file with its SHA-256 at the end, which etcd's own tools and distributions take.
import { link, lstat, open, readlink, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import { hashFile } from "../bytes/hash-file.ts";
import { partPath } from "../bytes/part-path.ts";
import { TRAILER_SIZE_BYTES } from "../bytes/trailing-hash.ts";
import { EtcdsafeError } from "../errors.ts";
import type { RestoreOptions } from "./apply.ts";
import { editFault, hashFault, type PlannedFile } from "./at-fault.ts";
import { type DatabaseEdit, unedited } from "./database.ts";
import { changesDatabase, type DatabasePlan, databaseSizeBytes } from "./database-plan.ts";
import { editDatabaseFile } from "./edit.ts";
import { fileError } from "./file-error.ts";
import type { PlannedLoss } from "./loss.ts";
import type { PlannedRevision } from "./revision.ts";
import { checkWrittenDatabase, type HashKvValue } from "./self-check.ts";
import type { SnapshotSource } from "./source.ts";
import { writeDatabaseFile } from "./write.ts";

/** What `--to-snapshot FILE --plan` shows. */
export interface SnapshotFilePlan extends DatabasePlan {
  readonly file: string;
  readonly loss: PlannedLoss;
  readonly warnings: readonly string[];
}

export interface SnapshotFileResult {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the database, as it stands at the file's end; hexadecimal. */
  readonly databaseSha256: string;
  readonly revision: PlannedRevision;
  readonly hashKv: HashKvValue;
}

export interface SnapshotFileOptions extends RestoreOptions {
  /** Told when the file is whole and about to get its name: what has to be known of it before somebody can restore it. */
  onWhole?(): Promise<void>;
}

/** Writes `path`, which must not exist, through `path.<random>.part`. Throws TARGET_NOT_EMPTY, FILE_FAILED, TARGET_NO_SPACE, SNAPSHOT_* and SELF_CHECK_FAILED. */
export async function writeSnapshotFile(source: SnapshotSource, path: string, plan: DatabasePlan, options: SnapshotFileOptions): Promise<SnapshotFileResult> {
  await requireNewFile(path);
  await requireSpace(path, databaseSizeBytes(plan) + TRAILER_SIZE_BYTES);
  const part = partPath(path, options.runtime);
  try {
    const file = await writeDatabaseFile(source, part, { ...options, skipHashCheck: plan.skipHashCheck });
    const written = { ...file, plan };
    const edit = await editOf(written, options);
    const hashKv = await checkWrittenDatabase({ ...written, edit }, options);
    const { sizeBytes, databaseSha256 } = await appendHash(part, options);
    const isSame = edit.metaPages === edit.originalMetaPages;
    if (isSame && file.trailer !== undefined && databaseSha256 !== file.trailer)
      throw await hashFault({ ...written, proof: "checked" }, databaseSha256, options);
    await options.onWhole?.();
    await link(part, path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST" ? exists(path) : error;
    });
    await syncDirectory(dirname(path));
    return { path, sizeBytes, databaseSha256, revision: plan.revision, hashKv };
  } catch (error) {
    throw fileError(error);
  } finally {
    await rm(part, { force: true });
  }
}

async function editOf(written: PlannedFile, options: RestoreOptions): Promise<DatabaseEdit> {
  try {
    return changesDatabase(written.plan) ? await editDatabaseFile(written, written.plan, undefined, options) : unedited(written);
  } catch (error) {
    throw await editFault(error, written, options);
  }
}

/** Throws TARGET_NOT_EMPTY where something is at `path`, be it a link that leads nowhere, and FILE_FAILED where its directory is missing. */
export async function requireNewFile(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink() && (await stat(path).catch(() => undefined)) === undefined) {
    throw inTheWay(`${path} is a symbolic link to ${await readlink(path)}, where nothing is`);
  }
  if (found !== undefined) throw exists(path);
  await requireDirectory(dirname(path), path);
}

async function requireSpace(path: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const freeBytes = bavail * bsize;
  if (freeBytes < neededBytes) throw new EtcdsafeError("TARGET_NO_SPACE", `${path} needs ${neededBytes} bytes, but only ${freeBytes} are free there`);
}

/** As etcd sends it: SHA-256 over the database, 32 bytes behind it. */
async function appendHash(path: string, { runtime, signal }: RestoreOptions): Promise<{ sizeBytes: number; databaseSha256: string }> {
  await using file = await open(path, "r+");
  const { size } = await file.stat();
  const onProgress = (doneBytes: number) => runtime.progress({ step: "hash", doneBytes, totalBytes: size });
  const databaseSha256 = await hashFile({ path, from: 0, to: size }, { signal, onProgress });
  runtime.progress({ step: "hash", doneBytes: size, totalBytes: size, done: true });
  await file.write(Buffer.from(databaseSha256, "hex"), 0, TRAILER_SIZE_BYTES, size);
  await file.sync();
  return { sizeBytes: size + TRAILER_SIZE_BYTES, databaseSha256 };
}

async function requireDirectory(directory: string, path: string): Promise<void> {
  const stats = await stat(directory).catch((error: NodeJS.ErrnoException) => error);
  if (!(stats instanceof Error) && stats.isDirectory()) return;
  if (stats instanceof Error && stats.code !== "ENOENT" && stats.code !== "ENOTDIR") throw fileError(stats);
  const missing = stats instanceof Error && stats.code === "ENOENT";
  throw new EtcdsafeError("FILE_FAILED", `${path} cannot be written: ${missing ? `there is no directory ${directory}` : `${directory} is no directory`}`, {
    hint: missing ? `Create it (\`mkdir -p ${directory}\`), or name a file in a directory that exists.` : "Name a file in a directory that exists.",
  });
}

function exists(path: string): EtcdsafeError {
  return inTheWay(`${path} exists already`);
}

function inTheWay(message: string): EtcdsafeError {
  return new EtcdsafeError("TARGET_NOT_EMPTY", message, { hint: "Name a file that does not exist; nothing is overwritten." });
}
