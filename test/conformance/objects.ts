// What the conformance tests do to objects, and look at them by.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ByteStream, collect, streamOf } from "../../src/bytes/stream.ts";
import type { ObjectInfo, ReadOptions, Storage } from "../../src/storage/storage.ts";

/** An empty storage; `again` opens the same objects as another process would. */
export interface OpenedStorage extends AsyncDisposable {
  readonly storage: Storage;
  again(): Promise<Storage>;
}

/** Each test has its time-out. */
export const { signal } = new AbortController();

export function put(storage: Storage, key: string, content: string): Promise<ObjectInfo> {
  return storage.put(key, streamOf(Buffer.from(content)), { signal });
}

export async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(storage.list(prefix, { signal }))).map(({ key }) => key);
}

export async function text(storage: Storage, key: string, options: ReadOptions = { signal }): Promise<string> {
  return Buffer.from(await bytes(storage, key, options)).toString();
}

export function bytes(storage: Storage, key: string, options: ReadOptions = { signal }): Promise<Uint8Array> {
  return collectAll(storage.read(key, options));
}

export function collectAll(stream: ByteStream): Promise<Uint8Array> {
  return collect(stream, 64 * 1024 * 1024, () => new Error("too long"));
}

export async function* inChunks(all: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += sizeBytes) yield all.slice(at, at + sizeBytes);
}

/** Bytes that differ from place to place. */
export function pattern(sizeBytes: number): Uint8Array {
  const all = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) all.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  return all;
}

export function sha256(all: Uint8Array): string {
  return createHash("sha256").update(all).digest("hex");
}

export function within<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  return Promise.race([promise, sleep(limitMs).then(() => Promise.reject(new Error(`did not end within ${limitMs} ms`)))]);
}
