// A database file that is read and written at given places, synchronously: only ever a file nobody else uses yet, inside a worker.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { FILE_TOO_LARGE_HINT } from "../../bytes/files.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { PageSink } from "./page-output.ts";
import type { PageSource } from "./page-source.ts";

export interface PageFile extends PageSource, PageSink {
  /** Cuts the file to `sizeBytes`, or extends it with zeros. */
  truncate(sizeBytes: number): void;
  /** Returns once everything written is on the disk. */
  sync(): void;
}

export interface OpenPageFile extends PageFile {
  close(): void;
}

/** Creates a file with mode 0600, as etcd's own. Throws FILE_FAILED when there is one already. */
export function createPageFile(path: string): OpenPageFile {
  return open(path, "wx+");
}

/** Opens an existing file for reading and writing. */
export function openPageFile(path: string): OpenPageFile {
  return open(path, "r+");
}

function open(path: string, flags: "wx+" | "r+"): OpenPageFile {
  const attempt = <T>(what: string, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw fileError(what, path, error);
    }
  };
  const descriptor = attempt(flags === "r+" ? "open" : "create", () => openSync(path, flags, 0o600));
  return {
    get sizeBytes() {
      return attempt("look at", () => fstatSync(descriptor).size);
    },
    read: (offset, sizeBytes) => attempt("read", () => readAt(descriptor, offset, sizeBytes)),
    write: (offset, bytes) => attempt("write", () => writeAt(descriptor, offset, bytes)),
    truncate: (sizeBytes) => attempt("resize", () => ftruncateSync(descriptor, sizeBytes)),
    sync: () => attempt("sync", () => fsyncSync(descriptor)),
    close: () => attempt("close", () => closeSync(descriptor)),
  };
}

function readAt(descriptor: number, offset: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let done = 0;
  while (done < sizeBytes) {
    const count = readSync(descriptor, bytes, done, sizeBytes - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

function writeAt(descriptor: number, offset: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
}

function fileError(what: string, path: string, cause: unknown): EtcdsafeError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  const hint = code === "EFBIG" ? { hint: FILE_TOO_LARGE_HINT } : {};
  return new EtcdsafeError(full ? "TARGET_NO_SPACE" : "FILE_FAILED", `cannot ${what} ${path}: ${message}`, { ...hint, cause });
}
