// Part of a file copied to the same place of another, compared with what is read back from there, and hashed. Each block is still in the processor's caches when it is
// written, read back and hashed, so that copying costs little more than hashing alone.
import { fdatasync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { EtcdsafeError } from "../errors.ts";
import { BLOCK_SIZE_BYTES, type HashFileInput, type HashFileOptions, hashBlocks, readBlock } from "./hash-file.ts";

export interface CopyAndHashInput extends HashFileInput {
  /** A file that exists already. */
  readonly toPath: string;
}

/** Large enough for the disk to be fast. */
const DISK_STEP_BYTES = 64 * 1024 * 1024;

/**
 * SHA-256 of `prefix` and what was copied, hexadecimal. Throws SELF_CHECK_FAILED where the other file does not hold it afterwards. What the disk has not taken by then is the caller's to sync. Throws FILE_FAILED when the file
 * ends before `to` or cannot be read, and other errors of the file system as they are.
 */
export async function copyAndHash(input: CopyAndHashInput, options: HashFileOptions): Promise<string> {
  const { path, toPath } = input;
  await using from = await open(path);
  await using to = await open(toPath, "r+");
  const disk = new DiskFeed(to.fd);
  const readBack = Buffer.allocUnsafeSlow(BLOCK_SIZE_BYTES);
  try {
    return await hashBlocks(input, options, (block, offset) => {
      const copied = readBlock(path, from.fd, block, offset);
      for (let done = 0; done < copied.length; ) done += writeSync(to.fd, copied, done, copied.length - done, offset + done);
      disk.wrote(copied.length);
      for (let done = 0; done < copied.length; ) {
        const arrived = readBlock(toPath, to.fd, readBack.subarray(0, copied.length - done), offset + done);
        if (!arrived.equals(copied.subarray(done, done + arrived.length)))
          throw notAsWritten(`${toPath} does not hold what was written to it, behind byte ${offset + done}`);
        done += arrived.length;
      }
      return copied;
    });
  } finally {
    await disk.settled();
  }
}

/** SELF_CHECK_FAILED. Of a copy that differs from what is known to have been written. */
export function notAsWritten(message: string): EtcdsafeError {
  return new EtcdsafeError("SELF_CHECK_FAILED", message, {
    hint: "The disk or the memory of this host is not to be trusted: what was copied may be good. Restore on another one.",
  });
}

/** Has the disk take what was written while more is: the last sync is short then. */
class DiskFeed {
  readonly #file: number;
  #pendingBytes = 0;
  #syncing: Promise<void> | undefined;
  #failure: Error | null = null;

  constructor(file: number) {
    this.#file = file;
  }

  wrote(sizeBytes: number): void {
    this.#pendingBytes += sizeBytes;
    if (this.#syncing !== undefined || this.#pendingBytes < DISK_STEP_BYTES) return;
    this.#pendingBytes = 0;
    this.#syncing = new Promise((resolve) => {
      fdatasync(this.#file, (error) => {
        this.#failure ??= error;
        this.#syncing = undefined;
        resolve();
      });
    });
  }

  /** Rejects where a write has failed: the kernel tells of that only once, so that no later sync would. */
  async settled(): Promise<void> {
    await this.#syncing;
    if (this.#failure !== null) throw this.#failure;
  }
}
