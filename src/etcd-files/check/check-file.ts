// Is this file a good snapshot: what kind of file it is, the SHA-256 that etcd put at its end, and everything checkSnapshot looks at.
// The hash is computed here while a worker walks the pages: each reads the file by itself, on a core of its own.
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { TRAILER_SIZE_BYTES } from "../../bytes/trailing-hash.ts";
import { runInWorker } from "../../bytes/worker.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import { openFilePageSource } from "../bbolt/file-page-source.ts";
import type { Finding } from "../bbolt/finding.ts";
import type { HashKvRequest } from "../mvcc/hash-kv.ts";
import type { CheckWorkerInput } from "./check-worker.ts";
import type { SnapshotReport } from "./facts.ts";
import { requireDatabase } from "./require-database.ts";

export interface CheckFileOptions extends CallOptions {
  /** HashKV values to compute. None. */
  readonly hashes?: readonly HashKvRequest[];
  /** Called now and then with how much of the file has been gone through, by the slower of hash and walk. */
  onProgress?(doneBytes: number, totalBytes: number): void;
}

export interface SnapshotFileCheck {
  /** Whether the SHA-256 at the end is that of the bytes before it. `absent`: a file copied from a data directory has none. */
  readonly sha256: "matches" | "differs" | "absent";
  /** SHA-256 of the bytes before the hash, or of the whole file when it has none. Hexadecimal. */
  readonly computedSha256: string;
  /** The file with the hash at its end. */
  readonly rawSizeBytes: number;
  readonly report: SnapshotReport;
}

/** Measured fastest with the processor's caches: one is hashed while the next is read. */
const HASH_BLOCK_BYTES = 128 * 1024;
const PROGRESS_STEP_BYTES = 16 * 1024 * 1024;
/** etcdutl/snapshot/v3_snapshot.go hasChecksum: databases are whole sectors. */
const SECTOR_SIZE_BYTES = 512;

/**
 * Checks all of a file. Findings, and a hash that differs, are in the answer. Throws SNAPSHOT_EMPTY, SNAPSHOT_PACKED,
 * SNAPSHOT_NOT_A_DATABASE or SNAPSHOT_TRUNCATED for what is no whole database at all, and FILE_FAILED when it cannot be read.
 */
export async function checkSnapshotFile(path: string, options: CheckFileOptions): Promise<SnapshotFileCheck> {
  options.signal.throwIfAborted();
  const databaseSizeBytes = databaseSizeOf(path);
  const file = await open(path, "r").catch((error: unknown) => {
    throw fileFailed(path, error);
  });
  const both = new AbortController();
  const signal = AbortSignal.any([options.signal, both.signal]);
  try {
    const { size } = await file.stat();
    const dataSizeBytes = size % SECTOR_SIZE_BYTES === TRAILER_SIZE_BYTES ? size - TRAILER_SIZE_BYTES : size;
    const progress = slowerOf(size, options);
    const input: CheckWorkerInput = { path, hashes: options.hashes ?? [] };
    const walking = runInWorker<CheckWorkerInput, SnapshotReport>(new URL("./check-worker", import.meta.url), input, { signal, onProgress: progress.walked });
    const hashing = hashFile(file, dataSizeBytes, signal, progress.hashed).catch((error: unknown) => {
      throw error instanceof Error && "syscall" in error ? fileFailed(path, error) : error;
    });
    // When one fails the other is given up, and waited for: nothing goes on in the background.
    for (const work of [walking, hashing]) work.catch((error: unknown) => both.abort(error));
    await Promise.allSettled([walking, hashing]);
    const [report, computedSha256] = [await walking, await hashing];
    const sha256 = dataSizeBytes === size ? "absent" : computedSha256 === (await trailerOf(file, dataSizeBytes)) ? "matches" : "differs";
    const findings = [...sizeFindings(databaseSizeBytes, dataSizeBytes, sha256 !== "absent"), ...report.findings];
    options.onProgress?.(size, size);
    return { sha256, computedSha256, rawSizeBytes: size, report: { ...report, findings } };
  } finally {
    await file.close();
  }
}

function databaseSizeOf(path: string): number {
  const source = openFilePageSource(path);
  try {
    return requireDatabase(path, source);
  } finally {
    source.close();
  }
}

/** Reads one block while it hashes the other. */
async function hashFile(file: FileHandle, sizeBytes: number, signal: AbortSignal, onBytes: (doneBytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  const blocks = [Buffer.allocUnsafeSlow(HASH_BLOCK_BYTES), Buffer.allocUnsafeSlow(HASH_BLOCK_BYTES)] as const;
  const read = (number: number, offset: number) => file.read(blocks[number % 2] as Buffer, 0, Math.min(HASH_BLOCK_BYTES, sizeBytes - offset), offset);
  let doneBytes = 0;
  let reading = read(0, 0);
  for (let number = 0; doneBytes < sizeBytes; number++) {
    const { bytesRead, buffer } = await reading;
    signal.throwIfAborted();
    if (bytesRead === 0) throw new EtcdsafeError("FILE_FAILED", `the file became shorter while it was read: ${doneBytes} of ${sizeBytes} bytes`);
    doneBytes += bytesRead;
    if (doneBytes < sizeBytes) reading = read(number + 1, doneBytes);
    hash.update(buffer.subarray(0, bytesRead));
    onBytes(doneBytes);
  }
  return hash.digest("hex");
}

async function trailerOf(file: FileHandle, offset: number): Promise<string> {
  const trailer = Buffer.alloc(TRAILER_SIZE_BYTES);
  await file.read(trailer, 0, TRAILER_SIZE_BYTES, offset);
  return trailer.toString("hex");
}

/** Reports the lesser of two progresses, now and then. */
function slowerOf(totalBytes: number, options: CheckFileOptions): { walked(doneBytes: number): void; hashed(doneBytes: number): void } {
  const done = { walked: 0, hashed: 0 };
  let reported = 0;
  const update = (which: keyof typeof done, doneBytes: number) => {
    done[which] = doneBytes;
    const slower = Math.min(done.walked, done.hashed);
    if (slower < reported + PROGRESS_STEP_BYTES) return;
    reported = slower;
    options.onProgress?.(slower, totalBytes);
  };
  return { walked: (doneBytes) => update("walked", doneBytes), hashed: (doneBytes) => update("hashed", doneBytes) };
}

/** A stream holds the database and its hash, nothing else. What follows in a copied file is space that bbolt took ahead. */
function sizeFindings(databaseSizeBytes: number, dataSizeBytes: number, hasHash: boolean): Finding[] {
  const rest = dataSizeBytes - databaseSizeBytes;
  if (rest === 0 || (!hasHash && rest % SECTOR_SIZE_BYTES === 0)) return [];
  return [{ severity: "warning", offset: databaseSizeBytes, text: `${rest} bytes follow the database${hasHash ? ", before the hash" : ""}` }];
}

function fileFailed(path: string, cause: unknown): EtcdsafeError {
  return new EtcdsafeError("FILE_FAILED", `cannot read ${path}: ${(cause as Error).message}`, { cause });
}
