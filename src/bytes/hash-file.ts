// SHA-256 of part of a file, hashed by the thread that asks for it, which is idle then: a thread of its own would take a tenth of the time that
// 1 GB needs only to start. What one core reads and another hashes goes through memory twice, so reads are synchronous; in between, events get their turn.
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";

export interface HashFileInput {
  readonly path: string;
  /** Hashed before the file's bytes. */
  readonly prefix?: Uint8Array;
  /** Bytes into the file. */
  readonly from: number;
  readonly to: number;
}

export interface HashFileOptions extends CallOptions {
  /** Told now and then up to which offset the file is behind. */
  onProgress?(offset: number): void;
}

/** Stays in the processor's caches between being read and being hashed. */
export const BLOCK_SIZE_BYTES: number = 128 * 1024;
/** Takes about 2 ms, for which a signal, a message or a timer waits. */
const TURN_SIZE_BYTES = 2 * 1024 * 1024;
const PROGRESS_STEP_BYTES = 16 * 1024 * 1024;

/** Hexadecimal. Throws FILE_FAILED when the file cannot be read, or ends before `to`. */
export async function hashFile(input: HashFileInput, options: HashFileOptions): Promise<string> {
  const file = attempt(input.path, () => openSync(input.path, "r"));
  try {
    return await hashBlocks(input, options, (block, offset) => readBlock(input.path, file, block, offset));
  } finally {
    closeSync(file);
  }
}

/** Hashes what `next` gives: of what follows at `offset`, at least one byte, at most as many as `block` has room for, and in it. */
export async function hashBlocks(
  { prefix = new Uint8Array(0), from, to }: Omit<HashFileInput, "path">,
  { signal, onProgress }: HashFileOptions,
  next: (block: Buffer, offset: number) => Uint8Array,
): Promise<string> {
  signal.throwIfAborted();
  const hash = createHash("sha256").update(prefix);
  const block = Buffer.allocUnsafeSlow(BLOCK_SIZE_BYTES);
  let turnEnd = from + TURN_SIZE_BYTES;
  let nextReport = from + PROGRESS_STEP_BYTES;
  for (let offset = from; offset < to; ) {
    const bytes = next(block.subarray(0, Math.min(block.length, to - offset)), offset);
    hash.update(bytes);
    offset += bytes.length;
    if (offset < turnEnd) continue;
    turnEnd = offset + TURN_SIZE_BYTES;
    await setImmediate();
    signal.throwIfAborted();
    if (offset < nextReport) continue;
    nextReport = offset + PROGRESS_STEP_BYTES;
    onProgress?.(offset);
  }
  return hash.digest("hex");
}

/** What `file`, opened from `path`, holds at `offset`, in `block`. Throws FILE_FAILED when it cannot be read or ends there. */
export function readBlock(path: string, file: number, block: Buffer, offset: number): Buffer {
  const count = attempt(path, () => readSync(file, block, 0, block.length, offset));
  if (count === 0) {
    throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: it became shorter meanwhile, and ends at byte ${offset}`, {
      hint: "Something else writes to it: wait until that has ended, and run it again.",
    });
  }
  return block.subarray(0, count);
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
