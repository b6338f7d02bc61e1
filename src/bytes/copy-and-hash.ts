// Part of a file copied to the same place of another, and hashed as it is read back from there. Each block is still in the processor's caches when it is
// written, read back and hashed, so that copying costs little more than hashing alone.
import { fdatasync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { type HashFileInput, type HashFileOptions, hashBlocks, readBlock } from "./hash-file.ts";

export interface CopyAndHashInput extends HashFileInput {
  /** A file that exists already. */
  readonly toPath: string;
}

/** Large enough for the disk to be fast. */
const DISK_STEP_BYTES = 64 * 1024 * 1024;

/**
 * SHA-256 of `prefix` and what was written, hexadecimal. What the disk has not taken by then is the caller's to sync. Throws FILE_FAILED when the file
 * ends before `to` or cannot be read, and other errors of the file system as they are.
 */
export async function copyAndHash(input: CopyAndHashInput, options: HashFileOptions): Promise<string> {
  const { path, toPath } = input;
  await using from = await open(path);
  await using to = await open(toPath, "r+");
  const disk = new DiskFeed(to.fd);
  try {
    return await hashBlocks(input, options, (block, offset) => {
      const copied = readBlock(path, from.fd, block, offset);
      for (let done = 0; done < copied.length; ) done += writeSync(to.fd, copied, done, copied.length - done, offset + done);
      disk.wrote(copied.length);
      return readBlock(toPath, to.fd, copied, offset);
    });
  } finally {
    await disk.settled();
  }
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
