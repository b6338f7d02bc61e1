// A stored object → its raw bytes, in order or by range. Nothing is believed that the manifest, the seek table and the checksums do not
// all say: a zstd decoder alone ends without an error where its input stops after a whole frame. docs/repository-format.md, "Stored objects".
import { createHash } from "node:crypto";
import { type AgeFile, openAge, type RangedBytes } from "../age/file.ts";
import type { AgeKeys } from "../age/identities.ts";
import { type ByteStream, readerOf, release } from "../bytes/stream.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { decompressFrame, FRAME_RAW_SIZE_BYTES, FRAMES_IN_FLIGHT } from "./frame-codec.ts";
import { AGE, type ObjectFacts, ZSTD_SEEKABLE } from "./object-encoder.ts";
import { checkStoredSize, readFrames, requireSize } from "./object-frames.ts";
import type { Frame } from "./seek-table.ts";

export interface ObjectReader {
  readonly rawSizeBytes: number;
  /** All raw bytes in order. Only a stream that was read to its end was good: both SHA-256 are compared there. */
  stream(options: CallOptions): ByteStream;
  /** Raw bytes from `start` up to `end`, checked by the checksums of the frames they are in. The range lies within the object. */
  readRaw(range: { readonly start: number; readonly end: number }, options: CallOptions): Promise<Uint8Array>;
}

export interface OpenOptions extends CallOptions {
  /** What opens encrypted objects. */
  readonly keys?: AgeKeys | undefined;
}

/**
 * Opens an object. Throws STORAGE_NOT_FOUND, OBJECT_TRUNCATED or OBJECT_CORRUPT when it is not what `facts` (from its manifest) say, and
 * DECRYPTION_KEY_MISSING or DECRYPTION_FAILED where the keys do not open it.
 */
export async function openObject(storage: Storage, key: string, facts: ObjectFacts, options: OpenOptions): Promise<ObjectReader> {
  const [first, second, ...others] = facts.codec;
  if (first !== ZSTD_SEEKABLE || (second !== undefined && second !== AGE) || others.length > 0) {
    const known = `${ZSTD_SEEKABLE} alone or with ${AGE}`;
    throw new EtcdsafeError("REPOSITORY_UNSUPPORTED", `${key} is stored as ${facts.codec.join(", ")}; this etcdsafe reads only ${known}`);
  }
  if (second === undefined) await checkStoredSize(storage, key, facts, options);
  const packed = second === AGE ? await openEncrypted(storage, key, facts, options) : storedBytes(storage, key, facts);
  return new SeekableObject(key, facts, packed, await readFrames(packed, key, facts.rawSizeBytes, options));
}

/** Ends a sentence: "to age1…" or "with a passphrase". */
export function encryptedTo({ encryption }: Pick<ObjectFacts, "encryption">): string {
  return encryption?.passphrase === true ? "with a passphrase" : `to ${encryption?.recipients.join(", ") || "somebody"}`;
}

/** The compressed bytes of an object: those that are stored, or what is inside of these. */
interface Packed extends RangedBytes {
  /** All of them; `onStored` is shown every stored byte on the way. */
  readAll(onStored: (stored: Uint8Array) => void, options: CallOptions): ByteStream;
}

function storedBytes(storage: Storage, key: string, { storedSizeBytes: sizeBytes }: ObjectFacts): Packed {
  const read: RangedBytes["read"] = (range, { signal }) => storage.read(key, { signal, range });
  return { sizeBytes, read, readAll: (onStored, options) => shown(read({ start: 0, end: sizeBytes }, options), onStored) };
}

/** The file inside of an encrypted object, of the size that `facts` say. Throws as openObject. */
export async function openAgeObject(storage: Storage, key: string, facts: ObjectFacts, options: OpenOptions): Promise<AgeFile> {
  if (options.keys === undefined) throw new EtcdsafeError("DECRYPTION_KEY_MISSING", `${key} is encrypted ${encryptedTo(facts)}, and no key was given`);
  await checkStoredSize(storage, key, facts, options);
  return openAge(storedBytes(storage, key, facts), options.keys, key, options);
}

async function openEncrypted(storage: Storage, key: string, facts: ObjectFacts, options: OpenOptions): Promise<Packed> {
  const { sizeBytes, read, readThrough } = await openAgeObject(storage, key, facts, options);
  const stored = storedBytes(storage, key, facts);
  return { sizeBytes, read, readAll: (onStored, reading) => readThrough(stored.readAll(onStored, reading)) };
}

async function* shown(source: ByteStream, onBytes: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk);
    yield chunk;
  }
}

/** All raw bytes of an object in order; see ObjectReader.stream. */
export async function* decodeObject(storage: Storage, key: string, facts: ObjectFacts, options: OpenOptions): AsyncGenerator<Uint8Array> {
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
  readonly #key: string;
  readonly #facts: ObjectFacts;
  readonly #packed: Packed;
  readonly #frames: readonly Frame[];

  constructor(key: string, facts: ObjectFacts, packed: Packed, frames: readonly Frame[]) {
    this.#key = key;
    this.#facts = facts;
    this.#packed = packed;
    this.#frames = frames;
    this.rawSizeBytes = facts.rawSizeBytes;
  }

  async *stream(options: CallOptions): AsyncGenerator<Uint8Array> {
    const storedHash = createHash("sha256");
    const rawHash = createHash("sha256");
    const sizes = this.#frames.map(({ storedSizeBytes }) => storedSizeBytes);
    const packed = this.#packed.readAll((stored) => storedHash.update(stored), options);
    // The seek table is read as well, to be hashed with the rest.
    for await (const raw of this.#decompressed(0, cut(packed, [...sizes, this.#packed.sizeBytes - sum(sizes)]), options)) {
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
    const sizes = this.#frames.slice(first, last + 1).map(({ storedSizeBytes }) => storedSizeBytes);
    const packedStart = this.#packedStart(first);
    const packed = this.#packed.read({ start: packedStart, end: packedStart + sum(sizes) }, options);
    for await (const frame of this.#decompressed(first, cut(packed, sizes), options)) {
      const from = Math.max(start, frameStart);
      raw.set(frame.subarray(from - frameStart, end - frameStart), from - start);
      frameStart += frame.length;
    }
    return raw;
  }

  #packedStart(frame: number): number {
    return sum(this.#frames.slice(0, frame).map(({ storedSizeBytes }) => storedSizeBytes));
  }

  /** The frames from `first` on that `pieces` holds, in order, several being decompressed at a time; a piece behind the last one is the seek table. */
  async *#decompressed(first: number, pieces: AsyncIterable<Piece>, { signal }: CallOptions): AsyncGenerator<Uint8Array> {
    const queue: Promise<Uint8Array>[] = [];
    let index = first;
    let offset = this.#packedStart(first);
    for await (const { bytes, wanted } of pieces) {
      signal.throwIfAborted();
      if (bytes.length !== wanted) throw new FormatError("OBJECT_TRUNCATED", `${this.#key} ends early`, offset + bytes.length);
      const frame = this.#frames[index];
      if (frame !== undefined) {
        const raw = decompressFrame(bytes, frame, `${this.#key}: frame ${index}`, offset).finally(() => release(bytes));
        raw.catch(() => undefined); // Reported when its turn comes, unless nobody reads that far.
        queue.push(raw);
      }
      index++;
      offset += bytes.length;
      if (queue.length === FRAMES_IN_FLIGHT) yield await queue.shift()!;
    }
    for (const raw of queue) yield await raw;
  }
}

interface Piece {
  readonly bytes: Uint8Array;
  /** Its size, unless the stream ended early. */
  readonly wanted: number;
}

/**
 * Cuts a stream into pieces of the given sizes, none of them 0. Each is there until so many more were asked for as are decompressed at a time: their
 * memory is used again. Every piece is emitted, shorter or empty where the stream ends early.
 */
async function* cut(source: ByteStream, sizes: readonly number[]): AsyncGenerator<Piece> {
  await using reader = readerOf(source);
  const buffers: Buffer[] = [];
  for (const [index, wanted] of sizes.entries()) {
    const slot = index % FRAMES_IN_FLIGHT;
    let buffer = buffers[slot];
    if (buffer === undefined || buffer.length < wanted) {
      if (buffer !== undefined) release(buffer);
      buffer = buffers[slot] = Buffer.allocUnsafeSlow(wanted);
    }
    const piece = buffer.subarray(0, wanted);
    yield { bytes: piece.subarray(0, await reader.read(piece)), wanted };
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

function requireSha256(key: string, side: "stored" | "raw", found: string, wanted: string): void {
  if (found !== wanted) throw new EtcdsafeError("OBJECT_CORRUPT", `${key}: SHA-256 of its ${side} bytes is ${found}, its manifest says ${wanted}`);
}
