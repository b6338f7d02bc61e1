// The payload of an age file: STREAM over ChaCha20-Poly1305, in chunks of 64 KiB that can be opened one by one. By node:crypto, which is several
// times as fast as the JavaScript of age-encryption.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { type ByteStream, readerOf, release } from "../bytes/stream.ts";
import { FormatError } from "../errors.ts";
import { CHUNK_SIZE_BYTES, STORED_CHUNK_SIZE_BYTES, TAG_SIZE_BYTES } from "./constants.ts";

const CIPHER = "chacha20-poly1305";
const TAG = { authTagLength: TAG_SIZE_BYTES };
/** Opened at a time. */
const CHUNKS_AT_ONCE = 16;

/** `nonce` is the file's, before the first chunk. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", 32)));
}

/** All chunks of a payload whose length nobody knows beforehand. */
export async function* sealPayload(plain: ByteStream, key: KeyObject): AsyncGenerator<Uint8Array> {
  const waiting = Buffer.allocUnsafeSlow(CHUNK_SIZE_BYTES);
  let waitingSize = 0;
  let index = 0;
  for await (const bytes of plain) {
    // A chunk is sealed once it is known that another one follows.
    const chunks = Math.ceil((waitingSize + bytes.length) / CHUNK_SIZE_BYTES) - 1;
    let at = 0;
    if (chunks > 0) {
      const sealed = Buffer.allocUnsafeSlow(chunks * STORED_CHUNK_SIZE_BYTES);
      for (let done = 0; done < chunks; done++) {
        const into = sealed.subarray(done * STORED_CHUNK_SIZE_BYTES);
        if (waitingSize === 0) seal(bytes.subarray(at, at + CHUNK_SIZE_BYTES), into, key, index++, false);
        else {
          waiting.set(bytes.subarray(0, CHUNK_SIZE_BYTES - waitingSize), waitingSize);
          seal(waiting, into, key, index++, false);
        }
        at += CHUNK_SIZE_BYTES - waitingSize;
        waitingSize = 0;
      }
      yield sealed;
      release(sealed);
    }
    waiting.set(bytes.subarray(at), waitingSize);
    waitingSize += bytes.length - at;
  }
  const last = Buffer.allocUnsafeSlow(waitingSize + TAG_SIZE_BYTES);
  seal(waiting.subarray(0, waitingSize), last, key, index, true);
  yield last;
}

/** Where the chunks of one file are, and how they are called in messages. */
export interface PayloadPlace {
  readonly name: string;
  /** In the file: behind the nonce. */
  readonly start: number;
  readonly end: number;
}

/** Bytes that the payload holds. Throws OBJECT_TRUNCATED for a size that no payload has. */
export function plainSizeBytes({ name, start, end }: PayloadPlace): number {
  const storedSizeBytes = end - start;
  const chunks = Math.ceil(storedSizeBytes / STORED_CHUNK_SIZE_BYTES);
  const lastSizeBytes = storedSizeBytes - (chunks - 1) * STORED_CHUNK_SIZE_BYTES;
  // Only a file of nothing has a chunk of nothing.
  if (chunks < 1 || lastSizeBytes < TAG_SIZE_BYTES || (lastSizeBytes === TAG_SIZE_BYTES && chunks > 1)) {
    throw new FormatError("OBJECT_TRUNCATED", `${name}: its encrypted payload is cut short`, end);
  }
  return storedSizeBytes - chunks * TAG_SIZE_BYTES;
}

/** Of a chunk's first byte in the file: where it is in the plain bytes. */
export function plainOffset(place: PayloadPlace, offset: number): number {
  return ((offset - place.start) / STORED_CHUNK_SIZE_BYTES) * CHUNK_SIZE_BYTES;
}

/** The whole chunks that `start` to `end` of the plain bytes are in, as a range of the file; of an empty range, the chunk at `start`. */
export function chunksAround(place: PayloadPlace, { start, end }: { readonly start: number; readonly end: number }): { start: number; end: number } {
  const first = Math.floor(start / CHUNK_SIZE_BYTES);
  const after = Math.max(Math.ceil(end / CHUNK_SIZE_BYTES), first + 1);
  return { start: place.start + first * STORED_CHUNK_SIZE_BYTES, end: Math.min(place.start + after * STORED_CHUNK_SIZE_BYTES, place.end) };
}

/**
 * The plain bytes of the chunks in `range` of the file, which `chunksAround` made and whose bytes `stored` carries. Throws OBJECT_TRUNCATED where these
 * end early, OBJECT_CORRUPT at the first chunk that is not as it was sealed, in its place.
 */
export async function* openChunks(
  stored: ByteStream,
  place: PayloadPlace,
  range: { readonly start: number; readonly end: number },
  key: KeyObject,
): AsyncGenerator<Uint8Array> {
  await using reader = readerOf(stored);
  const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNKS_AT_ONCE * STORED_CHUNK_SIZE_BYTES, range.end - range.start));
  const opened = Buffer.allocUnsafeSlow(buffer.length);
  for (let offset = range.start; offset < range.end; ) {
    const wanted = Math.min(buffer.length, range.end - offset);
    const got = await reader.read(buffer.subarray(0, wanted));
    if (got !== wanted) throw new FormatError("OBJECT_TRUNCATED", `${place.name} ends early`, offset + got);
    const chunks = Math.ceil(wanted / STORED_CHUNK_SIZE_BYTES);
    const plain = opened.subarray(0, wanted - chunks * TAG_SIZE_BYTES);
    for (let done = 0; done < chunks; done++) {
      const at = done * STORED_CHUNK_SIZE_BYTES;
      const sealed = buffer.subarray(at, Math.min(at + STORED_CHUNK_SIZE_BYTES, wanted));
      open(sealed, plain.subarray(done * CHUNK_SIZE_BYTES), place, offset + at, key);
    }
    yield plain;
    offset += wanted;
  }
}

function seal(plain: Uint8Array, into: Uint8Array, key: KeyObject, index: number, isLast: boolean): void {
  const cipher = createCipheriv(CIPHER, key, nonceOf(index, isLast), TAG);
  moveInto(into, cipher.update(plain));
  cipher.final();
  into.set(cipher.getAuthTag(), plain.length);
}

function open(sealed: Uint8Array, into: Uint8Array, place: PayloadPlace, offset: number, key: KeyObject): void {
  const index = (offset - place.start) / STORED_CHUNK_SIZE_BYTES;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(index, offset + sealed.length === place.end), TAG);
  decipher.setAuthTag(sealed.subarray(-TAG_SIZE_BYTES));
  const plain = decipher.update(sealed.subarray(0, -TAG_SIZE_BYTES));
  try {
    decipher.final();
  } catch (cause) {
    throw new FormatError("OBJECT_CORRUPT", `${place.name}: chunk ${index} of its encrypted payload was changed`, offset, { cause });
  }
  moveInto(into, plain);
}

/** Gives back what node:crypto allocated: chunks come by the thousand before V8 looks for garbage. */
function moveInto(into: Uint8Array, bytes: Buffer): void {
  into.set(bytes);
  if (bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length) (bytes.buffer as ArrayBuffer).transfer(0);
}

/** "Payload": an 11-byte big-endian counter, and a byte that marks the last chunk. */
function nonceOf(index: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(3, Math.floor(index / 2 ** 32));
  view.setUint32(7, index >>> 0);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}
