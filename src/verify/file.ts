// Verifies a snapshot that is no backup of a repository: a file that any tool saved, or standard input.
import { createReadStream } from "node:fs";
import { openSpool } from "../bytes/spool.ts";
import type { ByteStream } from "../bytes/stream.ts";
import { hasTrailer, TrailingHash } from "../bytes/trailing-hash.ts";
import { EtcdsafeError } from "../errors.ts";
import { requireFile } from "../etcd-files/bbolt/file-page-source.ts";
import { HEAD_SIZE_BYTES, notADatabase, snapshotKind } from "../etcd-files/check/snapshot-kind.ts";
import { Examination, type Failure, type HashKvValue, type ObjectFinding } from "./examination.ts";
import { NO_SPOOL_ROOM, type VerifyLevel, type VerifyOptions } from "./options.ts";
import { examineSnapshot } from "./snapshot-check.ts";

export interface FileVerification {
  /** As it was given. */
  readonly file: string;
  readonly level: VerifyLevel;
  readonly outcome: "passed" | "failed";
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly readSizeBytes: number;
  /** Of the snapshot, at the level `structure`. */
  readonly hashKv: HashKvValue | null;
  readonly failure: Failure | null;
  readonly findings: readonly ObjectFinding[];
  readonly findingsTotal: number;
}

const READ_SIZE_BYTES = 1024 * 1024;

/** Verifies the file at `path`. Throws USAGE for the level stored-bytes, which needs a manifest, and FILE_FAILED. */
export async function verifyFile(path: string, options: VerifyOptions): Promise<FileVerification> {
  return verification(path, options, async (examination) => {
    if (options.level === "hash") await examineHash(path, readFile(path), examination, options);
    else await examineFile({ path, name: path }, examination, options);
  });
}

/** Verifies what a stream carries; `name` is what to call it. Throws as verifyFile, SPOOL_NO_SPACE, and what the stream throws. */
export async function verifyStream(name: string, stream: ByteStream, options: VerifyOptions): Promise<FileVerification> {
  return verification(name, options, async (examination) => {
    if (options.level === "hash") {
      await examineHash(name, stream, examination, options);
      return;
    }
    const spool = await openSpool(options.spoolDirectory, undefined, { hint: NO_SPOOL_ROOM });
    try {
      for await (const chunk of reported(stream, options)) await spool.append([chunk]);
      await examineFile({ path: spool.path, name }, examination, options);
    } finally {
      await spool.close();
    }
  });
}

async function verification(
  file: string,
  { level, provesOrigin, runtime }: VerifyOptions,
  examine: (examination: Examination) => Promise<void>,
): Promise<FileVerification> {
  if (level === "stored-bytes") {
    throw new EtcdsafeError("USAGE", `${file} has no manifest to compare its stored bytes with`, { hint: "For a file, --level is hash or structure." });
  }
  const examination = new Examination();
  const startedAt = runtime.now().toISOString();
  await examine(examination);
  if (provesOrigin === true) {
    const text = "nobody has signed it, whatever keys are trusted: integrity only, origin not proven";
    examination.findings.push({ severity: "warning", object: file, offset: null, text });
  }
  const { outcome, readSizeBytes, hashKv, failure, findings } = examination;
  const finishedAt = runtime.now().toISOString();
  return { file, level, outcome, startedAt, finishedAt, readSizeBytes, hashKv, failure, findings, findingsTotal: findings.length };
}

/** Checks the snapshot file at a path. */
export async function examineFile(place: { readonly path: string; readonly name: string }, examination: Examination, options: VerifyOptions): Promise<void> {
  const check = await examineSnapshot(place, [{ revision: 0n }], examination, options);
  examination.readSizeBytes = check?.rawSizeBytes ?? 0;
  if (check?.sha256 !== "absent") return;
  const text = "no SHA-256 at the end, as in a copy of member/snap/db: whether a byte of a value was changed cannot be told";
  examination.findings.push({ severity: "warning", object: place.name, offset: null, text });
}

/** Reads a stream to its end and compares the hash that it ends with. */
export async function examineHash(name: string, stream: ByteStream, examination: Examination, options: VerifyOptions): Promise<void> {
  const hash = new TrailingHash();
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of reported(stream, options)) {
    hash.update(chunk);
    if (head.length < HEAD_SIZE_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_SIZE_BYTES - head.length)]);
  }
  const { rawSizeBytes, dataSha256, trailer } = hash.finish();
  examination.readSizeBytes = rawSizeBytes;
  const kind = snapshotKind(head, rawSizeBytes);
  const isGood = hasTrailer(rawSizeBytes) && trailer === dataSha256;
  if (isGood && (kind.verdict === "maybe" || kind.verdict === "zeros")) return;
  if (kind.verdict !== "maybe") examination.failWith(notADatabase(name, kind), name);
  else if (!hasTrailer(rawSizeBytes)) {
    examination.fail("SNAPSHOT_HASH_MISSING", name, `${name} has no SHA-256 at its end: it is cut short, or a copy of member/snap/db`);
  } else {
    examination.fail("SNAPSHOT_HASH_MISMATCH", name, `${name}: the SHA-256 at its end is ${trailer}, but its bytes give ${dataSha256}`);
  }
}

async function* reported(stream: ByteStream, { runtime, signal, stepPrefix }: VerifyOptions): AsyncGenerator<Uint8Array> {
  const step = `${stepPrefix}read`;
  let doneBytes = 0;
  runtime.progress({ step, doneBytes });
  for await (const chunk of stream) {
    signal.throwIfAborted();
    doneBytes += chunk.length;
    runtime.progress({ step, doneBytes });
    yield chunk;
  }
  runtime.progress({ step, doneBytes, done: true });
}

async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  requireFile(path); // Opening a pipe would wait for somebody to write to it.
  try {
    yield* createReadStream(path, { highWaterMark: READ_SIZE_BYTES });
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: ${error.message}`, { cause: error });
  }
}
