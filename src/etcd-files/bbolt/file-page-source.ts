// A database file, read synchronously: for workers, never on a thread that serves.
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { EtcdsafeError } from "../../errors.ts";
import type { PageSource } from "./page-source.ts";

export interface FilePageSource extends PageSource {
  close(): void;
}

/** Small reads are widened to this much, aligned: neighbouring pages are usually wanted next. */
const WINDOW_SIZE_BYTES = 64 * 1024;
/** A buffer larger than this is not kept for the next read. */
const KEPT_SIZE_BYTES_MAX = 4 * 1024 * 1024;

/** Opens a file for reading. Throws FILE_FAILED when it cannot be opened or read. */
export function openFilePageSource(path: string): FilePageSource {
  const attempt = <T>(what: string, action: () => T): T => attemptOn(path, what, action);
  requireFile(path); // A pipe would make the call below wait, and has no pages to go back to.
  const descriptor = attempt("open", () => openSync(path, "r"));
  const sizeBytes = attempt("look at", () => fstatSync(descriptor).size);
  let window = new Uint8Array(WINDOW_SIZE_BYTES);
  let windowStart = 0;
  let windowEnd = 0;

  const fill = (start: number, wantedBytes: number): void => {
    if (window.length < wantedBytes || window.length > KEPT_SIZE_BYTES_MAX) window = new Uint8Array(Math.max(wantedBytes, WINDOW_SIZE_BYTES));
    windowStart = start;
    windowEnd = start;
    while (windowEnd - windowStart < wantedBytes) {
      const count = readSync(descriptor, window, windowEnd - windowStart, wantedBytes - (windowEnd - windowStart), windowEnd);
      if (count === 0) break;
      windowEnd += count;
    }
  };

  return {
    sizeBytes,
    read(offset, wantedBytes) {
      const end = Math.min(offset + wantedBytes, sizeBytes);
      if (end <= offset) return window.subarray(0, 0);
      if (offset < windowStart || end > windowEnd) {
        const alignedStart = offset - (offset % WINDOW_SIZE_BYTES);
        if (end <= alignedStart + WINDOW_SIZE_BYTES) attempt("read", () => fill(alignedStart, Math.min(WINDOW_SIZE_BYTES, sizeBytes - alignedStart)));
        else attempt("read", () => fill(offset, end - offset));
      }
      return window.subarray(offset - windowStart, Math.min(end, windowEnd) - windowStart);
    },
    close: () => attempt("close", () => closeSync(descriptor)),
  };
}

/** Throws FILE_FAILED for what is no regular file, or not there. */
export function requireFile(path: string): void {
  const kind = attemptOn(path, "open", () => statSync(path));
  if (kind.isFile()) return;
  if (kind.isDirectory()) {
    const hint = "`etcdsafe inspect` looks into directories; the database of a data directory is member/snap/db.";
    throw new EtcdsafeError("FILE_FAILED", `${path} is a directory`, { hint });
  }
  throw new EtcdsafeError("FILE_FAILED", `${path} is no regular file`, {
    hint: "Write what it carries to a file, and name that; `etcdsafe verify -` alone takes a snapshot from a pipe.",
  });
}

function attemptOn<T>(path: string, what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new EtcdsafeError("FILE_FAILED", `cannot ${what} ${path}: ${(error as Error).message}`, { cause: error });
  }
}
