// Another tool's object → the snapshot that it holds, as a stream: bounded memory, whatever the object says of itself.
import { type ByteStream, collect } from "../../bytes/stream.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import type { Storage } from "../../storage/storage.ts";
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
  if (packing === "zip") return readZip(storage, { key, sizeBytes: storedSizeBytes }, options);
  const stored = storage.read(key, options);
  if (packing === "none") return stored;
  return packing === "lzw" ? decodeLzw(key, stored) : inflate(key, packing, stored);
}

/** The first `sizeBytes` bytes of the snapshot, fewer where it has no more. Throws as `unpack`. */
export async function unpackHead(storage: Storage, object: PackedObject, sizeBytes: number, options: CallOptions): Promise<Uint8Array> {
  return collect(first(unpack(storage, object, options), sizeBytes), sizeBytes, () => new EtcdsafeError("INTERNAL", "more than was asked for"));
}

async function* first(source: ByteStream, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of source) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
