// Brings the source's bytes into the staged database file: shared with it, or room for a copy, where the source is a file; else the decoded stream.
import { type FileHandle, open } from "node:fs/promises";
import { clonePrivately, copyPrivately } from "../bytes/copy-file.ts";
import { type ByteStream, counted } from "../bytes/stream.ts";
import { hasTrailer, TRAILER_SIZE_BYTES, TrailingHash } from "../bytes/trailing-hash.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { hashMismatch } from "./at-fault.ts";
import type { DatabaseFile } from "./database.ts";
import type { SnapshotSource, SourceFacts } from "./source.ts";

const FILE_MODE = 0o600;
/** How often the disk is given what was written, so that the last sync is short. */
const FLUSH_STEP_BYTES = 64 * 1024 * 1024;

export interface WrittenFile extends DatabaseFile {
  /** SHA-256 that etcd put at the source's end, hexadecimal, where there is one. */
  readonly trailer: string | undefined;
  /** Why the source is good, whatever is read in this file: `hash`: its bytes gave that on their way here; `checked`: another file of them passed the check. */
  readonly proof: "none" | "hash" | "checked";
  /** The source, where that is a file. */
  readonly copyOf?: string;
}

/**
 * Writes the source's database to `path`, where nothing is, without the hash at its end. Of a file only the room is made that its pages will take, where
 * its hash can tell that they arrived: they are copied while they are checked (self-check.ts), which takes as long as the check alone.
 */
export async function writeDatabaseFile(
  source: SnapshotSource,
  path: string,
  options: CallOptions & { readonly runtime: Runtime; readonly skipHashCheck: boolean },
): Promise<WrittenFile> {
  const { content, facts } = source;
  const isCloned = "path" in content && (await clonePrivately(content.path, path));
  await using file = await open(path, isCloned ? "r+" : "wx+", FILE_MODE);
  const trailer = "path" in content ? await trailerOf(content.path) : await writeStream(content.read(options), source.facts, file, options);
  const isComparable = "path" in content || trailer !== undefined;
  if (isComparable && (trailer ?? null) !== facts.databaseSha256) throw changedSince(facts.location, facts.databaseSha256, trailer);
  if (trailer === undefined && !options.skipHashCheck) throw hashMissing(facts.location);
  const copyFrom = "path" in content && !isCloned ? content.path : undefined;
  if (copyFrom !== undefined && trailer === undefined) await copyDatabase(copyFrom, path, facts.databaseSizeBytes, options);
  // Only the pages below the high-water mark are the database: a file copied from a data directory may be longer (etcd-formats §2.9).
  await file.truncate(facts.databaseSizeBytes);
  return {
    path,
    trailer,
    proof: "read" in content && trailer !== undefined ? "hash" : "none",
    ...("path" in content ? { copyOf: content.path } : {}),
    ...(copyFrom === undefined || trailer === undefined ? {} : { copyFrom }),
  };
}

/** Copies a database file and says how far that is. */
export async function copyDatabase(
  from: string,
  to: string,
  totalBytes: number,
  { runtime, signal }: CallOptions & { readonly runtime: Runtime },
): Promise<void> {
  const report = (doneBytes: number) => runtime.progress({ step: "write", doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
  await copyPrivately(from, to, report);
  signal.throwIfAborted();
  runtime.progress({ step: "write", doneBytes: totalBytes, totalBytes, done: true });
}

/** The hash at the stream's end, where there is one. Throws SNAPSHOT_HASH_MISMATCH where it is not that of the bytes before it. */
async function writeStream(
  content: ByteStream,
  { kind, location, databaseSha256, databaseSizeBytes }: SourceFacts,
  file: FileHandle,
  { runtime }: { readonly runtime: Runtime },
): Promise<string | undefined> {
  const totalBytes = databaseSizeBytes + TRAILER_SIZE_BYTES;
  // What decodes an object of a repository has compared it with the SHA-256 in the manifest when it ends. To hash it here as well takes seconds for a large one.
  const hash = kind === "backup" ? undefined : new TrailingHash();
  let tail = Buffer.alloc(0);
  let doneBytes = 0;
  let unflushedBytes = 0;
  const report = (sizeBytes: number) => {
    doneBytes += sizeBytes;
    runtime.progress({ step: "write", doneBytes, totalBytes });
  };
  for await (const chunk of counted(content, report)) {
    hash?.update(chunk);
    tail = Buffer.concat([tail, chunk.subarray(-TRAILER_SIZE_BYTES)]).subarray(-TRAILER_SIZE_BYTES);
    for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
    unflushedBytes += chunk.length;
    if (unflushedBytes >= FLUSH_STEP_BYTES) {
      await file.datasync();
      unflushedBytes = 0;
    }
  }
  runtime.progress({ step: "write", doneBytes, totalBytes, done: true });
  if (!hasTrailer(doneBytes)) return undefined;
  const trailer = tail.toString("hex");
  const dataSha256 = hash === undefined ? databaseSha256 : hash.finish().dataSha256;
  if (dataSha256 !== null && trailer !== dataSha256) throw hashMismatch(location, trailer, dataSha256);
  return trailer;
}

/** PLAN_MISMATCH. Of the SHA-256 at a file's end, hexadecimal; null or undefined where there is none. */
export function changedSince(location: string, planned: string | null, found: string | undefined): EtcdsafeError {
  return new EtcdsafeError("PLAN_MISMATCH", `${location} has changed since it was planned: its SHA-256 is ${found ?? "gone"} instead of ${planned ?? "none"}`);
}

/** For a file that --skip-hash-check is not given for. */
export function hashMissing(location: string): EtcdsafeError {
  return new EtcdsafeError(
    "SNAPSHOT_HASH_MISSING",
    `${location} has no SHA-256 at its end, as every snapshot has: it is a copy of a member's database, or cut short`,
  );
}

async function trailerOf(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  if (!hasTrailer(size)) return undefined;
  const { buffer } = await file.read(Buffer.alloc(TRAILER_SIZE_BYTES), 0, TRAILER_SIZE_BYTES, size - TRAILER_SIZE_BYTES);
  return buffer.toString("hex");
}
