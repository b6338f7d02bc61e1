// Reads another tool's backup from its beginning to its end: nothing is on record about it, so only this tells whether it is good and what it holds.
import { statfs } from "node:fs/promises";
import { openSpool, type Spool } from "../../bytes/spool.ts";
import type { ByteStream } from "../../bytes/stream.ts";
import { hasTrailer, TrailingHash, type TrailingHashResult } from "../../bytes/trailing-hash.ts";
import { EtcdsafeError, hasCode } from "../../errors.ts";
import type { SnapshotPeek } from "../../etcd-files/check/peek.ts";
import { peekSnapshotFile } from "../../etcd-files/check/peek-file.ts";
import { UnusableFileError } from "../../etcd-files/check/snapshot-kind.ts";
import type { CallOptions, Runtime } from "../../runtime.ts";
import type { ForeignLocation } from "./location.ts";
import { type ForeignBackup, peekStored } from "./look.ts";
import { unpack } from "./unpack.ts";

export interface ReadForeignOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "progress">;
  /** Where a packed one goes meanwhile. */
  readonly spoolDirectory: string;
  /** Begins the names of the steps that progress is reported of. */
  readonly stepPrefix?: string;
}

export interface ForeignReading {
  readonly peek: SnapshotPeek;
  /** Unpacked, with the hash at its end. */
  readonly rawSizeBytes: number;
  /** Of all but the hash at its end, which says the same; undefined where there is no hash, and so nothing to compare with. Hexadecimal. */
  readonly dataSha256: string | undefined;
}

/** What a packed one will need nobody knows beforehand, so that the space that is left is looked at each time that so much was written. */
const SPACE_STEP_BYTES = 64 * 1024 * 1024;
/** Room left for others, as by any spool. */
const SPACE_LEFT_BYTES: number = SPACE_STEP_BYTES;
const SPACE_HINT = "Free space there, or name a directory on a larger file system: --spool-dir where the command has it, else in TMPDIR.";

/**
 * Throws SNAPSHOT_* and OBJECT_* for what is no good, SNAPSHOT_HASH_MISMATCH among them, SPOOL_NO_SPACE, and what reading throws. The structure is looked at
 * no further than the facts need.
 */
export async function readForeign({ storage }: ForeignLocation, backup: ForeignBackup, options: ReadForeignOptions): Promise<ForeignReading> {
  const hash = new TrailingHash();
  const stored = backup.packing === "none" ? await peekStored(storage, backup, options) : undefined;
  if (stored !== undefined) {
    for await (const chunk of reported(unpack(storage, backup, options), options)) hash.update(chunk);
    return reading(backup, stored, hash.finish());
  }
  await using spool = await spoolForeign(storage, backup, options, (chunk) => hash.update(chunk));
  return reading(backup, peekSpool(backup, spool), hash.finish());
}

/** The snapshot in a file without a name. To be closed by the caller. Throws as `unpack`, and SPOOL_NO_SPACE before the disk is full. */
export async function spoolForeign(
  storage: ForeignLocation["storage"],
  backup: ForeignBackup,
  options: ReadForeignOptions,
  onChunk: (chunk: Uint8Array) => void = () => undefined,
): Promise<Spool> {
  const spool = await openSpool(options.spoolDirectory, backup.storedSizeBytes).catch((error: unknown) => {
    throw withHint(error);
  });
  try {
    let unlookedBytes = 0;
    for await (const chunk of reported(unpack(storage, backup, options), options)) {
      onChunk(chunk);
      await spool.append([chunk]);
      unlookedBytes += chunk.length;
      if (unlookedBytes < SPACE_STEP_BYTES) continue;
      unlookedBytes = 0;
      await requireSpaceLeft(backup, options.spoolDirectory);
    }
    return spool;
  } catch (error) {
    await spool.close();
    throw withHint(error);
  }
}

async function* reported(content: ByteStream, { runtime, stepPrefix = "" }: ReadForeignOptions): AsyncGenerator<Uint8Array> {
  const step = `${stepPrefix}read`;
  let doneBytes = 0;
  for await (const chunk of content) {
    doneBytes += chunk.length;
    runtime.progress({ step, doneBytes });
    yield chunk;
  }
  runtime.progress({ step, doneBytes, done: true });
}

function reading({ name }: ForeignBackup, peek: SnapshotPeek, { dataSha256, trailer, rawSizeBytes }: TrailingHashResult): ForeignReading {
  if (!hasTrailer(rawSizeBytes)) return { peek, rawSizeBytes, dataSha256: undefined };
  if (trailer !== dataSha256)
    throw new EtcdsafeError("SNAPSHOT_HASH_MISMATCH", `${name}: the SHA-256 at its end is ${trailer}, but its bytes give ${dataSha256}`);
  return { peek, rawSizeBytes, dataSha256 };
}

/** The spool has a path that says nothing to anybody. */
function peekSpool({ name }: ForeignBackup, { path }: Spool): SnapshotPeek {
  try {
    return peekSnapshotFile(path);
  } catch (error) {
    if (error instanceof UnusableFileError) throw error.renamed(name);
    if (!(error instanceof EtcdsafeError)) throw error;
    throw new EtcdsafeError(error.code, error.message.replaceAll(path, name), { hint: error.hint, cause: error });
  }
}

async function requireSpaceLeft({ name }: ForeignBackup, directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= SPACE_LEFT_BYTES) return;
  throw new EtcdsafeError("SPOOL_NO_SPACE", `${name} is unpacked into ${directory}, which has only ${bavail * bsize} bytes left`);
}

/** Not every command that spools has an option for where. */
function withHint(error: unknown): unknown {
  if (!hasCode(error, "SPOOL_NO_SPACE")) return error;
  return new EtcdsafeError(error.code, error.message, { hint: SPACE_HINT, cause: error });
}
