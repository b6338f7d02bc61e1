// Is this file a good snapshot: what kind of file it is, the SHA-256 that etcd put at its end, and everything checkSnapshot looks at.
// The hash is computed while the pages are walked: each reads the file by itself, on a core of its own.
import { allOrNothing } from "../../bytes/all-or-nothing.ts";
import { hashFile } from "../../bytes/hash-file.ts";
import { isWholeSectors, TRAILER_SIZE_BYTES } from "../../bytes/trailing-hash.ts";
import { runInWorker } from "../../bytes/worker.ts";
import type { CallOptions } from "../../runtime.ts";
import { openFilePageSource } from "../bbolt/file-page-source.ts";
import type { Finding } from "../bbolt/finding.ts";
import type { HashKvRequest } from "../mvcc/hash-kv.ts";
import type { CheckWorkerInput } from "./check-worker.ts";
import type { SnapshotReport } from "./facts.ts";
import { trailerOf } from "./peek.ts";
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

const PROGRESS_STEP_BYTES = 16 * 1024 * 1024;

/**
 * Checks all of a file. Findings, and a hash that differs, are in the answer. Throws SNAPSHOT_EMPTY, SNAPSHOT_PACKED,
 * SNAPSHOT_NOT_A_DATABASE or SNAPSHOT_TRUNCATED for what is no whole database at all, and FILE_FAILED when it cannot be read.
 */
export async function checkSnapshotFile(path: string, options: CheckFileOptions): Promise<SnapshotFileCheck> {
  options.signal.throwIfAborted();
  const layout = layoutOf(path);
  const { rawSizeBytes, dataSizeBytes, trailer } = layout;
  const both = new AbortController();
  const signal = AbortSignal.any([options.signal, both.signal]);
  const progress = slowerOf(rawSizeBytes, options);
  const walking = walk(path, layout, { hashes: options.hashes ?? [], signal, onProgress: progress.walked });
  const hashing = hashFile({ path, from: 0, to: dataSizeBytes }, { signal, onProgress: progress.hashed });
  // When one fails the other is given up, and waited for: nothing goes on in the background.
  for (const work of [walking, hashing]) work.catch((error: unknown) => both.abort(error));
  // The walk passes over free pages: its bytes may never come near those of the file.
  walking.then(
    () => progress.walked(rawSizeBytes),
    () => undefined,
  );
  const [report, computedSha256] = await allOrNothing(walking, hashing);
  const sha256 = trailer === undefined ? "absent" : computedSha256 === trailer ? "matches" : "differs";
  options.onProgress?.(rawSizeBytes, rawSizeBytes);
  return { sha256, computedSha256, rawSizeBytes, report };
}

/** The same without the hash, for who computes that from bytes read anyway. */
export async function walkSnapshotFile(path: string, options: CheckFileOptions): Promise<SnapshotReport> {
  options.signal.throwIfAborted();
  return await walk(path, layoutOf(path), options);
}

async function walk(path: string, { databaseSizeBytes, rawSizeBytes, dataSizeBytes, trailer }: FileLayout, options: CheckFileOptions): Promise<SnapshotReport> {
  const input: CheckWorkerInput = { path, hashes: options.hashes ?? [] };
  const report = await runInWorker<CheckWorkerInput, SnapshotReport>(new URL("./check-worker", import.meta.url), input, {
    signal: options.signal,
    onProgress: (doneBytes) => options.onProgress?.(doneBytes, rawSizeBytes),
  });
  return { ...report, findings: [...sizeFindings(databaseSizeBytes, dataSizeBytes, trailer !== undefined), ...report.findings] };
}

interface FileLayout {
  /** All pages. */
  readonly databaseSizeBytes: number;
  /** All but the hash. */
  readonly dataSizeBytes: number;
  /** All of the file. */
  readonly rawSizeBytes: number;
  /** The hash at the file's end, hexadecimal, where there is one. */
  readonly trailer: string | undefined;
}

function layoutOf(path: string): FileLayout {
  const source = openFilePageSource(path);
  try {
    const databaseSizeBytes = requireDatabase(path, source);
    const { sizeBytes: rawSizeBytes } = source;
    const trailer = trailerOf(source);
    return { databaseSizeBytes, dataSizeBytes: trailer === undefined ? rawSizeBytes : rawSizeBytes - TRAILER_SIZE_BYTES, rawSizeBytes, trailer };
  } finally {
    source.close();
  }
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
  if (rest === 0 || (!hasHash && isWholeSectors(rest))) return [];
  return [{ severity: "warning", offset: databaseSizeBytes, text: `${rest} bytes follow the database${hasHash ? ", before the hash" : ""}` }];
}
