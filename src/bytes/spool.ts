// The local copy that a snapshot is streamed into at wire speed, so that neither checks nor a slow store ever hold etcd's read transaction.
// The file has no name once it is open: whatever ends the process, nothing stays behind.
import { randomBytes } from "node:crypto";
import { type FileHandle, open, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { wholePath } from "./part-path.ts";
import { TRAILER_SIZE_BYTES } from "./trailing-hash.ts";

/** Dirty pages are written out in steps this small: flushed all at once they would delay the fsync of an etcd on the same disk. */
const FLUSH_STEP_BYTES = 16 * 1024 * 1024;
/** Room left for others on the spool's file system. */
const HEADROOM_BYTES = 64 * 1024 * 1024;
const MODE = 0o600;

export interface Spool extends AsyncDisposable {
  /** Opens the same file again, as long as this process lives and the spool is open. */
  readonly path: string;
  readonly directory: string;
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /** Fills `into` from `offset` on; less than all of it only at the end. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Waits until all that was appended is on the disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface SpoolOptions {
  /** The size is known for good, as that of a growing database is not: then no more room is left for others than the file takes. */
  readonly isExact?: boolean;
  /** What to do when there is no room; the table's where left out. */
  readonly hint?: string;
}

/**
 * Opens a spool in `directory`. Throws FILE_NOT_FOUND for one that is not there, which may be a mount that is missing, and SPOOL_NO_SPACE with the
 * figures when `expectedSizeBytes` and some headroom would not fit; undefined: nobody knows how much will come.
 */
export async function openSpool(directory: string, expectedSizeBytes: number | undefined, { isExact = false, hint }: SpoolOptions = {}): Promise<Spool> {
  const isMissing = await stat(directory).then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === "ENOENT", // Whatever else is wrong shows when it is used.
  );
  if (isMissing)
    throw new EtcdsafeError("FILE_NOT_FOUND", `there is no directory ${directory} for the spool`, {
      hint: "Create it, or name one that is there with --spool-dir.",
    });
  const place: Place = { directory, what: `the spool in ${directory}`, full: "SPOOL_NO_SPACE", hint };
  if (expectedSizeBytes !== undefined) {
    const headroomBytes = isExact ? Math.min(HEADROOM_BYTES, expectedSizeBytes) : HEADROOM_BYTES;
    const neededBytes = expectedSizeBytes + headroomBytes;
    await requireSpace(place, neededBytes, `${neededBytes} bytes (the database's ${expectedSizeBytes} and ${headroomBytes} of headroom)`);
  }
  const name = join(directory, `etcdsafe-${randomBytes(8).toString("hex")}.spool`);
  const file = await openFile(place, name, "wx+");
  await unlink(name);
  return new SpoolFile(place, file, `/dev/fd/${file.fd}`);
}

/**
 * A spool that is to become the result itself, in a directory that is there: `path` keeps its name, and what was there is overwritten. Throws TARGET_NO_SPACE with the
 * figures when the snapshot of the database as it is now would not fit.
 */
export async function openNamedSpool(path: string, expectedSizeBytes: number): Promise<Spool> {
  const hint = "Free space there, or name a file on a larger file system; nothing was kept there.";
  const place: Place = { directory: dirname(path), what: `the output file ${wholePath(path)}`, full: "TARGET_NO_SPACE", hint };
  const neededBytes = expectedSizeBytes + TRAILER_SIZE_BYTES;
  await requireSpace(place, neededBytes, `${neededBytes} bytes`);
  return new SpoolFile(place, await openFile(place, path, "w+"), path);
}

interface Place {
  readonly directory: string;
  /** For messages: whoever asked for a file knows of no spool. */
  readonly what: string;
  readonly full: "SPOOL_NO_SPACE" | "TARGET_NO_SPACE";
  /** What to do when there is no room; the table's where undefined. */
  readonly hint: string | undefined;
}

class SpoolFile implements Spool {
  readonly path: string;
  readonly directory: string;
  readonly #place: Place;
  readonly #file: FileHandle;
  #unflushedBytes = 0;
  #flushing: Promise<void> = Promise.resolve();

  constructor(place: Place, file: FileHandle, path: string) {
    this.directory = place.directory;
    this.#place = place;
    this.#file = file;
    this.path = path;
  }

  async append(chunks: readonly Uint8Array[]): Promise<void> {
    try {
      for (let rest = chunks; rest.length > 0; ) {
        const { bytesWritten } = await this.#file.writev(rest as Uint8Array[]);
        this.#unflushedBytes += bytesWritten;
        rest = dropBytes(rest, bytesWritten);
      }
      if (this.#unflushedBytes >= FLUSH_STEP_BYTES) {
        this.#unflushedBytes = 0;
        await this.#flushing;
        this.#flushing = this.#file.datasync();
        this.#flushing.catch(() => undefined); // Reported by whoever awaits it next.
      }
    } catch (error) {
      throw spoolError(error, this.#place);
    }
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    try {
      for (let count = -1; count !== 0 && filled < into.length; filled += count) {
        count = (await this.#file.read(into, filled, into.length - filled, offset + filled)).bytesRead;
      }
    } catch (cause) {
      throw new EtcdsafeError("FILE_FAILED", `${this.#place.what} cannot be read: ${(cause as Error).message}`, { cause });
    }
    return filled;
  }

  async flush(): Promise<void> {
    try {
      await this.#flushing;
      await this.#file.datasync();
    } catch (error) {
      throw spoolError(error, this.#place);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    await this.#flushing.catch(() => undefined);
    await this.#file.close();
  }
}

async function openFile(place: Place, path: string, flags: "w+" | "wx+"): Promise<FileHandle> {
  return open(path, flags, MODE).catch((error: unknown) => {
    throw spoolError(error, place);
  });
}

async function requireSpace(place: Place, neededBytes: number, needed: string): Promise<void> {
  const { directory, what, full, hint } = place;
  const { bavail, bsize } = await statfs(directory).catch((error: unknown) => {
    throw spoolError(error, place);
  });
  const freeBytes = bavail * bsize;
  if (freeBytes < neededBytes) throw new EtcdsafeError(full, `${what} needs ${needed}, but only ${freeBytes} are free`, hint === undefined ? {} : { hint });
}

/** What of `chunks` is left after their first `sizeBytes` bytes: a write may take less than it was given. */
function dropBytes(chunks: readonly Uint8Array[], sizeBytes: number): readonly Uint8Array[] {
  let skip = sizeBytes;
  let index = 0;
  while (index < chunks.length && skip >= chunks[index]!.length) skip -= chunks[index++]!.length;
  return skip === 0 ? chunks.slice(index) : [chunks[index]!.subarray(skip), ...chunks.slice(index + 1)];
}

function spoolError(error: unknown, { directory, what, full, hint }: Place): EtcdsafeError {
  if (error instanceof EtcdsafeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new EtcdsafeError(full, `${what} filled up its file system: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
  const why = code === "EEXIST" || code === "ENOTDIR" ? `${directory} is no directory, or lies below a file` : message;
  return new EtcdsafeError("FILE_FAILED", `${what} cannot be written: ${why}`, { cause: error });
}
