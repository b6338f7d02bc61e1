// A stored object → its raw bytes, in order or by range. Nothing is believed that the manifest, the seek table and the checksums do not
// all say: a zstd decoder alone ends without an error where its input stops after a whole frame. docs/repository-format.md, "Stored objects".
import { createHash } from "node:crypto";
import { type ByteStream, readerOf, release } from "../bytes/stream.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { decompressFrame, FRAME_RAW_SIZE_BYTES, FRAMES_IN_FLIGHT } from "./frame-codec.ts";
import { type ObjectFacts, ZSTD_SEEKABLE } from "./object-encoder.ts";
import { checkStoredSize, readFrames, requireSize } from "./object-frames.ts";
import type { Frame } from "./seek-table.ts";

export interface ObjectReader {
  readonly rawSizeBytes: number;
  /** All raw bytes in order. Only a stream that was read to its end was good: both SHA-256 are compared there. */
  stream(options: CallOptions): ByteStream;
  /** Raw bytes from `start` up to `end`, checked by the checksums of the frames they are in. The range lies within the object. */
  readRaw(range: { readonly start: number; readonly end: number }, options: CallOptions): Promise<Uint8Array>;
}

/** Opens an object. Throws STORAGE_NOT_FOUND, OBJECT_TRUNCATED or OBJECT_CORRUPT when it is not what `facts` (from its manifest) say. */
export async function openObject(storage: Storage, key: string, facts: ObjectFacts, options: CallOptions): Promise<ObjectReader> {
  if (facts.codec.length !== 1 || facts.codec[0] !== ZSTD_SEEKABLE) {
    throw new EtcdsafeError("REPOSITORY_UNSUPPORTED", `${key} is stored as ${facts.codec.join(", ")}; this etcdsafe reads only ${ZSTD_SEEKABLE}`);
  }
  await checkStoredSize(storage, key, facts, options);
  return new SeekableObject(storage, key, facts, await readFrames(storage, key, facts, options));
}

/** All raw bytes of an object in order; see ObjectReader.stream. */
export async function* decodeObject(storage: Storage, key: string, facts: ObjectFacts, options: CallOptions): AsyncGenerator<Uint8Array> {
  const reader = await openObject(storage, key, facts, options);
  yield* reader.stream(options);
}

/** Compares size and SHA-256 of an object as it is stored; needs no key and decodes nothing. */
export async function checkStoredBytes(
  storage: Storage,
  key: string,
  facts: ObjectFacts,
  options: CallOptions & { onBytes?(sizeBytes: number): void },
): Promise<void> {
  await checkStoredSize(storage, key, facts, options);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of storage.read(key, { signal: options.signal })) {
    sizeBytes += chunk.length;
    hash.update(chunk);
    options.onBytes?.(chunk.length);
  }
  requireSize(key, sizeBytes, facts.storedSizeBytes);
  requireSha256(key, "stored", hash.digest("hex"), facts.storedSha256);
}

class SeekableObject implements ObjectReader {
  readonly rawSizeBytes: number;
  readonly #storage: Storage;
  readonly #key: string;
  readonly #facts: ObjectFacts;
  readonly #frames: readonly Frame[];

  constructor(storage: Storage, key: string, facts: ObjectFacts, frames: readonly Frame[]) {
    this.#storage = storage;
    this.#key = key;
    this.#facts = facts;
    this.#frames = frames;
    this.rawSizeBytes = facts.rawSizeBytes;
  }

  async *stream(options: CallOptions): AsyncGenerator<Uint8Array> {
    const storedHash = createHash("sha256");
    const rawHash = createHash("sha256");
    for await (const raw of this.#decompressed(0, this.#frames.length, options, (stored) => storedHash.update(stored))) {
      rawHash.update(raw);
      yield raw;
      release(raw);
    }
    requireSha256(this.#key, "stored", storedHash.digest("hex"), this.#facts.storedSha256);
    requireSha256(this.#key, "raw", rawHash.digest("hex"), this.#facts.rawSha256);
  }

  async readRaw({ start, end }: { readonly start: number; readonly end: number }, options: CallOptions): Promise<Uint8Array> {
    if (!(start >= 0 && start <= end && end <= this.rawSizeBytes)) {
      throw new EtcdsafeError("INTERNAL", `bytes ${start} to ${end} of ${this.#key}, which has ${this.rawSizeBytes}`);
    }
    if (start === end) return new Uint8Array(0);
    const first = Math.floor(start / FRAME_RAW_SIZE_BYTES);
    const last = Math.floor((end - 1) / FRAME_RAW_SIZE_BYTES);
    const raw = Buffer.allocUnsafeSlow(end - start);
    let frameStart = first * FRAME_RAW_SIZE_BYTES;
    for await (const frame of this.#decompressed(first, last + 1, options)) {
      const from = Math.max(start, frameStart);
      raw.set(frame.subarray(from - frameStart, end - frameStart), from - start);
      frameStart += frame.length;
    }
    return raw;
  }

  /** Frames from `first` up to `end`, in order, several being decompressed at a time. With `onStored`, reads on to the object's end and shows it every stored byte. */
  async *#decompressed(first: number, end: number, { signal }: CallOptions, onStored?: (stored: Uint8Array) => void): AsyncGenerator<Uint8Array> {
    const sizes = this.#frames.slice(first, end).map(({ storedSizeBytes }) => storedSizeBytes);
    const start = sum(this.#frames.slice(0, first).map(({ storedSizeBytes }) => storedSizeBytes));
    if (onStored !== undefined) sizes.push(this.#facts.storedSizeBytes - start - sum(sizes)); // The seek table, to be hashed with the rest.
    const pieces = cut(this.#storage.read(this.#key, { signal, range: { start, end: start + sum(sizes) } }), sizes);
    const queue: Promise<Uint8Array>[] = [];
    let index = first;
    let offset = start;
    for await (const stored of pieces) {
      signal.throwIfAborted();
      if (stored.length !== sizes[index - first]) throw new FormatError("OBJECT_TRUNCATED", `${this.#key} ends early`, offset + stored.length);
      onStored?.(stored);
      if (index < end) {
        const raw = decompressFrame(stored, this.#frames[index]!, `${this.#key}: frame ${index}`, offset);
        raw.catch(() => undefined); // Reported when its turn comes, unless nobody reads that far.
        queue.push(raw);
      }
      index++;
      offset += stored.length;
      if (queue.length === FRAMES_IN_FLIGHT) yield await queue.shift()!;
    }
    for (const raw of queue) yield await raw;
  }
}

/**
 * Cuts a stream into pieces of the given sizes, none of them 0, each in memory of its own: they are still being decompressed when the next chunk is
 * asked for. Every piece is emitted, shorter or empty where the stream ends early.
 */
async function* cut(source: ByteStream, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  await using reader = readerOf(source);
  for (const size of sizes) {
    const piece = Buffer.allocUnsafeSlow(size);
    yield piece.subarray(0, await reader.read(piece));
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function requireSha256(key: string, side: "stored" | "raw", found: string, wanted: string): void {
  if (found !== wanted) throw new EtcdsafeError("OBJECT_CORRUPT", `${key}: SHA-256 of its ${side} bytes is ${found}, its manifest says ${wanted}`);
}
