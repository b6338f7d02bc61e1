// SHA-256 of part of a file, in a thread of its own: read there as well, since what one core reads and another hashes goes through memory twice.
import type { CallOptions } from "../runtime.ts";
import type { HashFileInput } from "./hash-file-worker.ts";
import { runInWorker } from "./worker.ts";

export interface HashFileOptions extends CallOptions {
  /** Told now and then up to which offset the file is behind. */
  onProgress?(offset: number): void;
}

/** Hexadecimal. Throws FILE_FAILED when the file cannot be read, or ends before `to`. */
export function hashFile(input: HashFileInput, { signal, onProgress }: HashFileOptions): Promise<string> {
  return runInWorker<HashFileInput, string>(new URL("./hash-file-worker", import.meta.url), input, { signal, ...(onProgress ? { onProgress } : {}) });
}
