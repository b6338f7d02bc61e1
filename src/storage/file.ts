// A repository in a local directory. An object is written beside everything else, flushed, and then appears under its name in one step:
// by link() where it must not exist yet (the kernel decides who wins, on NFS the server), else by rename() under a lock.
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, link, open, rename, rm, stat, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "../bytes/files.ts";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { abortable } from "./abortable.ts";
import type { UnfinishedUploads } from "./capabilities.ts";
import { createDirectory, intoDirectory, removeEmptyDirectories, removeLeftovers } from "./file-directories.ts";
import { hasCode, ifExists, inFileSystem } from "./file-errors.ts";
import { walk } from "./file-list.ts";
import { replaceLocked, type Staged } from "./file-lock.ts";
import { pathOfKey, WORK_DIRECTORY } from "./file-paths.ts";
import { unfinishedDirectory, unfinishedFiles, unfinishedName } from "./file-unfinished.ts";
import type { ObjectInfo, PutOptions, ReadOptions, Storage, StorageCapabilities } from "./storage.ts";

const FILE_MODE = 0o600;
const READ_CHUNK_BYTES = 1024 * 1024;
/** Dirty pages are written out in steps this small: flushed all at once they would delay the fsync of an etcd on the same disk. */
const FLUSH_STEP_BYTES = 16 * 1024 * 1024;

/** Opens a directory as a storage; it need not exist before the first put. `root` is absolute. */
export function openFileStorage(root: string, runtime: Pick<Runtime, "sleep" | "randomBytes">): Storage {
  return new FileStorage(root, runtime);
}

/** Runs a step of one operation, its failure put into the words of the error table. */
type Guard = <T>(step: () => Promise<T>) => Promise<T>;

class FileStorage implements Storage {
  readonly location: string;
  readonly capabilities: StorageCapabilities = { putIfAbsent: true, putIfVersion: true };
  readonly unfinished: UnfinishedUploads;
  readonly #runtime: Pick<Runtime, "sleep" | "randomBytes">;
  #tidied = false;

  constructor(root: string, runtime: Pick<Runtime, "sleep" | "randomBytes">) {
    this.location = root;
    this.unfinished = unfinishedFiles(root);
    this.#runtime = runtime;
  }

  async put(key: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo> {
    const { signal } = options;
    signal.throwIfAborted();
    const guard: Guard = (step) => inFileSystem(this.location, `write ${key}`, step);
    const staged = await guard(() => this.#stage(key));
    try {
      const path = join(staged.directory, staged.name);
      await this.#write(path, body, signal, guard);
      signal.throwIfAborted();
      return await guard(() => this.#commit(key, staged, options));
    } finally {
      await rm(staged.directory, { recursive: true, force: true }).catch(() => undefined); // What is left there is nobody's object.
    }
  }

  async *read(key: string, { signal, range }: ReadOptions): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const guard: Guard = (step) => inFileSystem(this.location, `read ${key}`, step);
    const file = await guard(() => ifExists(open(pathOfKey(this.location, key), "r")));
    if (file === undefined) throw this.#notFound(key);
    try {
      const { size, isFile } = await guard(async () => {
        const stats = await file.stat();
        return { size: stats.size, isFile: stats.isFile() };
      });
      if (!isFile) throw this.#notFound(key);
      const end = Math.min(range?.end ?? size, size);
      for (let at = range?.start ?? 0; at < end; ) {
        signal.throwIfAborted();
        const chunk = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, end - at));
        const { bytesRead } = await guard(() => file.read(chunk, 0, chunk.length, at));
        if (bytesRead === 0) return; // Cut short while it was read; whoever reads compares sizes.
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  async stat(key: string, { signal }: CallOptions): Promise<ObjectInfo | undefined> {
    signal.throwIfAborted();
    const stats = await inFileSystem(this.location, `look up ${key}`, () => ifExists(stat(pathOfKey(this.location, key), { bigint: true })));
    return stats?.isFile() ? infoOf(key, stats) : undefined;
  }

  async *list(prefix: string, { signal }: CallOptions): AsyncGenerator<ObjectInfo> {
    signal.throwIfAborted();
    const entries = walk(this.location, prefix);
    for (;;) {
      const next = await inFileSystem(this.location, `list ${prefix}`, () => entries.next());
      if (next.done) return;
      signal.throwIfAborted();
      const { key, path } = next.value;
      const stats = await inFileSystem(this.location, `list ${prefix}`, () => ifExists(stat(path, { bigint: true })));
      if (stats?.isFile()) yield infoOf(key, stats);
    }
  }

  async remove(key: string, { signal }: CallOptions): Promise<void> {
    signal.throwIfAborted();
    await inFileSystem(this.location, `remove ${key}`, async () => {
      const path = pathOfKey(this.location, key);
      await ifExists(unlink(path));
      await removeEmptyDirectories(this.location, dirname(path));
    });
  }

  /** A directory of its own with the new file's name reserved in it. */
  async #stage(key: string): Promise<Staged> {
    const unfinished = unfinishedDirectory(this.location);
    const name = unfinishedName(key, this.#runtime.randomBytes);
    const directory = join(unfinished, name);
    await createDirectory(directory);
    if (!this.#tidied) await removeLeftovers(unfinished, directory);
    this.#tidied = true;
    return { directory, name };
  }

  async #write(path: string, body: ByteStream, signal: AbortSignal, guard: Guard): Promise<void> {
    const file = await guard(() => open(path, "wx", FILE_MODE));
    let flushing = Promise.resolve();
    let unflushedBytes = 0;
    try {
      for await (const chunk of abortable(body, signal)) {
        await guard(() => writeAll(file, chunk));
        unflushedBytes += chunk.length;
        if (unflushedBytes < FLUSH_STEP_BYTES) continue;
        await guard(() => flushing);
        unflushedBytes = 0;
        flushing = file.datasync();
        flushing.catch(() => undefined); // Reported by whoever awaits it next.
      }
      await guard(() => flushing);
      await guard(() => file.sync());
    } finally {
      await flushing.catch(() => undefined);
      await guard(() => file.close());
    }
  }

  async #commit(key: string, staged: Staged, { ifAbsent, ifVersion, signal }: PutOptions): Promise<ObjectInfo> {
    const target = pathOfKey(this.location, key);
    let info: ObjectInfo | undefined;
    if (ifAbsent === true) {
      const path = join(staged.directory, staged.name);
      info = infoOf(key, await stat(path, { bigint: true }));
      await intoDirectory(dirname(target), path, () => link(path, target)).catch((error: unknown) => {
        throw hasCode(error, "EEXIST") ? conflict(key, "it exists already") : error;
      });
    } else {
      const check = async (path: string) => {
        const present = await currentStats(target);
        if (ifVersion !== undefined && (present === undefined || infoOf(key, present).version !== ifVersion)) {
          throw conflict(key, present === undefined ? "it does not exist any more" : "it was changed since it was read");
        }
        info = infoOf(key, await laterThan(present, path));
      };
      const commit = (path: string) => intoDirectory(dirname(target), path, () => rename(path, target));
      await replaceLocked(await this.#lockOf(key), staged, key, { check, commit }, { runtime: this.#runtime, signal });
    }
    await ifExists(syncDirectory(dirname(target))); // Gone already if another process removed the object and with it the directory.
    return info!;
  }

  async #lockOf(key: string): Promise<string> {
    const locks = join(this.location, WORK_DIRECTORY, "locks");
    await createDirectory(locks);
    return join(locks, createHash("sha256").update(key).digest("hex").slice(0, 32));
  }

  #notFound(key: string): EtcdsafeError {
    return new EtcdsafeError("STORAGE_NOT_FOUND", `there is no ${key} in ${this.location}`);
  }
}

function conflict(key: string, why: string): EtcdsafeError {
  return new EtcdsafeError("STORAGE_CONFLICT", `${key} was not written: ${why}`);
}

/** The same content never has another version, another content never has the same: see `laterThan`. */
function infoOf(key: string, stats: BigIntStats): ObjectInfo {
  return { key, sizeBytes: Number(stats.size), modifiedAt: stats.mtime, version: `${stats.mtimeNs}-${stats.size}-${stats.ino}` };
}

/** Opened, not looked up: opening makes an NFS client ask the server instead of its cache. */
async function currentStats(path: string): Promise<BigIntStats | undefined> {
  const file = await ifExists(open(path, "r"));
  if (file === undefined) return undefined;
  try {
    return await file.stat({ bigint: true });
  } finally {
    await file.close();
  }
}

/** Makes the file at `path` younger than the one it replaces (2 ms survive being rounded): clocks tick slowly or jump back, and freed inodes are used again. */
async function laterThan(replaced: BigIntStats | undefined, path: string): Promise<BigIntStats> {
  const stats = await stat(path, { bigint: true });
  if (replaced === undefined || stats.mtimeNs > replaced.mtimeNs) return stats;
  await utimes(path, stats.atime, Number(replaced.mtimeNs / 1_000_000n + 2n) / 1000);
  return await stat(path, { bigint: true });
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}
