// A WAL directory as a list of segments. Files are read through one window and opened for each filling of it, so there is nothing to close.
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { EtcdsafeError } from "../../errors.ts";
import type { SegmentSource } from "./read.ts";
import { parseWalSegmentName, type SegmentName } from "./segment-name.ts";

export type FileSegment = SegmentSource & SegmentName;

const WINDOW_SIZE_BYTES: number = 1024 * 1024;

/** The segments in `directory`, in the order of their sequence numbers; other files are left out. Throws FILE_FAILED, then and while they are read. */
export function fileSegments(directory: string): FileSegment[] {
  const window = new FileWindow();
  const segments: FileSegment[] = [];
  for (const name of attempt("list", directory, () => readdirSync(directory)).sort()) {
    const parsed = parseWalSegmentName(name);
    if (parsed === undefined) continue;
    const path = join(directory, name);
    const stats = attempt("look at", path, () => statSync(path));
    // Opening a pipe would wait for somebody who writes into it.
    if (!stats.isFile()) throw new EtcdsafeError("FILE_FAILED", `${path} is no regular file, so it is no part of a log`);
    const sizeBytes = stats.size;
    segments.push({
      ...parsed,
      name,
      sizeBytes,
      read: (offset, wantedBytes) => window.read(path, offset, Math.min(wantedBytes, Math.max(0, sizeBytes - offset))),
    });
  }
  return segments;
}

/** The last stretch read of any file. A record longer than the window gets memory of its own. */
class FileWindow {
  readonly #buffer = new Uint8Array(WINDOW_SIZE_BYTES);
  #path = "";
  #start = 0;
  #sizeBytes = 0;

  read(path: string, offset: number, sizeBytes: number): Uint8Array {
    if (sizeBytes > WINDOW_SIZE_BYTES) {
      const own = new Uint8Array(sizeBytes);
      return own.subarray(0, readInto(path, own, offset));
    }
    if (path !== this.#path || offset < this.#start || offset + sizeBytes > this.#start + this.#sizeBytes) {
      this.#sizeBytes = readInto(path, this.#buffer, offset);
      this.#path = path;
      this.#start = offset;
    }
    return this.#buffer.subarray(offset - this.#start, Math.min(offset - this.#start + sizeBytes, this.#sizeBytes));
  }
}

/** Fills `target` from `offset` on, as far as the file goes; returns the number of bytes read. */
function readInto(path: string, target: Uint8Array, offset: number): number {
  return attempt("read", path, () => {
    const file = openSync(path, "r");
    try {
      let filledBytes = 0;
      for (;;) {
        const readBytes = readSync(file, target, filledBytes, target.length - filledBytes, offset + filledBytes);
        filledBytes += readBytes;
        if (readBytes === 0 || filledBytes === target.length) return filledBytes;
      }
    } finally {
      closeSync(file);
    }
  });
}

function attempt<T>(verb: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new EtcdsafeError("FILE_FAILED", `cannot ${verb} ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
