// Hashes part of a file, synchronously: for a thread of its own (hash-file.ts).
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { EtcdsafeError } from "../errors.ts";
import type { WorkerContext } from "./worker.ts";

export interface HashFileInput {
  readonly path: string;
  /** Hashed before the file's bytes. */
  readonly prefix?: Uint8Array;
  /** Bytes into the file. */
  readonly from: number;
  readonly to: number;
}

/** Stays in the processor's caches between being read and being hashed. */
const BLOCK_SIZE_BYTES = 128 * 1024;
const PROGRESS_STEP_BYTES = 16 * 1024 * 1024;

export function run({ path, prefix = new Uint8Array(0), from, to }: HashFileInput, context: WorkerContext): string {
  const hash = createHash("sha256").update(prefix);
  const block = Buffer.allocUnsafeSlow(BLOCK_SIZE_BYTES);
  let reported = from;
  const file = attempt(path, () => openSync(path, "r"));
  try {
    for (let offset = from; offset < to; ) {
      const count = attempt(path, () => readSync(file, block, 0, Math.min(block.length, to - offset), offset));
      if (count === 0) throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: it became shorter meanwhile, and ends at byte ${offset}`);
      hash.update(block.subarray(0, count));
      offset += count;
      if (offset < reported + PROGRESS_STEP_BYTES) continue;
      if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "the hashing was given up");
      context.progress(offset);
      reported = offset;
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
