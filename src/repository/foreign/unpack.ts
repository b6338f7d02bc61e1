// Another tool's object → the snapshot that it holds, as a stream: bounded memory, whatever the object says of itself.
import { type ByteStream, collect } from "../../bytes/stream.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { wrapped } from "../../storage/wrapped.ts";
import { decodeLzw } from "./lzw.ts";
import type { Packing } from "./packing.ts";
import { inflate } from "./transform.ts";
import { readZip } from "./zip.ts";

/** What is to be unpacked. */
export interface PackedObject {
  readonly key: string;
  readonly storedSizeBytes: number;
  readonly packing: Packing;
}

/** Eight times etcd's suggested maximum for a database (etcd docs, "System limits"): what unpacks to more was made to fill disks. */
export const UNPACKED_SIZE_BYTES_MAX: number = 64 * 1024 ** 3;

/**
 * All bytes of the snapshot. Throws OBJECT_TRUNCATED where the packed data end early, OBJECT_CORRUPT for what cannot be unpacked or has no end, and what
 * reading throws. That the stream ends well says nothing about the snapshot: its own hash does.
 */
export async function* unpack(storage: Storage, object: PackedObject, options: CallOptions): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of unpacked(storage, object, options)) {
    options.signal.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > UNPACKED_SIZE_BYTES_MAX)
      throw new EtcdsafeError("OBJECT_CORRUPT", `${object.key} unpacks to more than ${UNPACKED_SIZE_BYTES_MAX} bytes, which no snapshot has`);
    yield chunk;
  }
}

function unpacked(storage: Storage, { key, storedSizeBytes, packing }: PackedObject, options: CallOptions): ByteStream {
  // Nothing at all is an empty file, and not one that was cut short.
  if (packing === "none" || storedSizeBytes === 0) return storage.read(key, options);
  if (packing === "zip") return readZip(storage, { key, sizeBytes: storedSizeBytes }, options);
  if (packing === "lzw") return decodeLzw(key, storage.read(key, options));
  return inflate(key, packing, storage.read(key, options));
}

/** Twice what a block of zstd's may need before anything comes out of it (RFC 8878 §3.1.1.2.4); the other packings need less. */
const HEAD_STORED_SIZE_BYTES_MAX = 256 * 1024;

/** The first `sizeBytes` bytes of the snapshot, some pages at most, or fewer where it has no more. A store is not asked for all of it. Throws as `unpack`. */
export async function unpackHead(storage: Storage, object: PackedObject, sizeBytes: number, options: CallOptions): Promise<Uint8Array> {
  const near = wrapped(storage, {
    read: (key, { range: { start, end } = { start: 0, end: object.storedSizeBytes }, ...rest }) =>
      storage.read(key, { ...rest, range: { start, end: Math.min(end, start + HEAD_STORED_SIZE_BYTES_MAX) } }),
  });
  return collect(first(unpack(near, object, options), sizeBytes), sizeBytes, () => new EtcdsafeError("INTERNAL", "more than was asked for"));
}

async function* first(source: ByteStream, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of source) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
