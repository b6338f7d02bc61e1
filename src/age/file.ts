// A whole age file: made from a stream of any length, opened where any range of it can be read.
import { type KeyObject, randomBytes } from "node:crypto";
import { type ByteStream, collect } from "../bytes/stream.ts";
import { EtcdsafeError, FormatError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { FILE_KEY_SIZE_BYTES, HEADER_SIZE_BYTES_MAX, NONCE_SIZE_BYTES } from "./constants.ts";
import { type AgeHeader, encodeHeader, parseHeader } from "./header.ts";
import { type AgeKeys, unwrapFileKey } from "./identities.ts";
import { chunksAround, openChunks, type PayloadPlace, payloadKey, plainOffset, plainSizeBytes, sealPayload } from "./payload.ts";
import { type AgeRecipients, wrapFileKey } from "./recipients.ts";

const HEAD_SIZE_BYTES_MAX = HEADER_SIZE_BYTES_MAX + NONCE_SIZE_BYTES;
/** Holds the headers for up to some eight recipients. */
const HEAD_SIZE_BYTES_USUAL = 1024;

/** `start` inclusive, `end` exclusive, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Bytes that lie somewhere, of which any range can be read. */
export interface RangedBytes {
  readonly sizeBytes: number;
  read(range: ByteRange, options: CallOptions): ByteStream;
}

/** A file key opens one file; whoever has it needs no identity. */
export type FileKey = Uint8Array;

/** An opened file: its plain bytes, each checked before it is given out. Throws OBJECT_TRUNCATED and OBJECT_CORRUPT while it is read. */
export interface AgeFile extends RangedBytes {
  readonly fileKey: FileKey;
  /** Where the payload begins that every header for the same file key can stand before: its nonce. */
  readonly headerSizeBytes: number;
  /** All plain bytes, out of a stream of all stored ones. */
  readThrough(stored: ByteStream): ByteStream;
}

/** Encrypts with a new file key. Throws as wrapFileKey. */
export async function* encryptAge(plain: ByteStream, to: AgeRecipients): AsyncGenerator<Uint8Array> {
  const fileKey = randomBytes(FILE_KEY_SIZE_BYTES);
  const nonce = randomBytes(NONCE_SIZE_BYTES);
  yield Buffer.concat([await newHeader(fileKey, to), nonce]);
  yield* sealPayload(plain, payloadKey(fileKey, nonce));
}

/** A header for a payload that is there already. Throws as wrapFileKey. */
export async function newHeader(fileKey: FileKey, to: AgeRecipients): Promise<Uint8Array> {
  return encodeHeader(await wrapFileKey(fileKey, to), fileKey);
}

/** Opens the file in `stored`; `name` is for messages. Throws as parseHeader and unwrapFileKey. */
export async function openAge(stored: RangedBytes, keys: AgeKeys, name: string, options: CallOptions): Promise<AgeFile> {
  const head = await readHead(stored.read, Math.min(HEAD_SIZE_BYTES_MAX, stored.sizeBytes), name, options);
  const headerSizeBytes = head.header.bytes.length;
  const fileKey = await unwrapFileKey(head.header, keys, name);
  const nonce = nonceOf(head, name);
  const place = { name, start: headerSizeBytes + NONCE_SIZE_BYTES, end: stored.sizeBytes };
  const key = payloadKey(fileKey, nonce);
  return {
    fileKey,
    headerSizeBytes,
    ...opened(stored, place, key),
    readThrough: (whole) => openChunks(behind(whole, place.start), place, place, key),
  };
}

/** The nonce of the payload; takes no key. Drawn with the file key: where two files have the same, they are one payload behind two headers. Throws as parseHeader. */
export async function readNonce(read: RangedBytes["read"], name: string, options: CallOptions): Promise<Uint8Array> {
  try {
    return nonceOf(await readHead(read, HEAD_SIZE_BYTES_USUAL, name, options), name);
  } catch (error) {
    if (!hasCode(error, "OBJECT_TRUNCATED")) throw error;
    return nonceOf(await readHead(read, HEAD_SIZE_BYTES_MAX, name, options), name);
  }
}

/** What a file begins with. */
interface AgeHead {
  readonly header: AgeHeader;
  /** As much of what follows as was read. */
  readonly rest: Uint8Array;
}

async function readHead(read: RangedBytes["read"], sizeBytes: number, name: string, options: CallOptions): Promise<AgeHead> {
  const tooLong = () => new EtcdsafeError("OBJECT_CORRUPT", `${name}: the store sent more than the ${sizeBytes} bytes asked for`);
  const bytes = await collect(read({ start: 0, end: sizeBytes }, options), sizeBytes, tooLong);
  const header = parseHeader(bytes, name);
  return { header, rest: bytes.subarray(header.bytes.length) };
}

function nonceOf({ header, rest }: AgeHead, name: string): Uint8Array {
  if (rest.length < NONCE_SIZE_BYTES)
    throw new FormatError("OBJECT_TRUNCATED", `${name} ends within the nonce of its payload`, header.bytes.length + rest.length);
  return rest.subarray(0, NONCE_SIZE_BYTES);
}

/** What follows the first `sizeBytes`. */
async function* behind(source: ByteStream, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of source) {
    const passed = Math.min(left, chunk.length);
    left -= passed;
    if (passed < chunk.length) yield chunk.subarray(passed);
  }
}

function opened(stored: RangedBytes, place: PayloadPlace, key: KeyObject): RangedBytes {
  const sizeBytes = plainSizeBytes(place);
  return {
    sizeBytes,
    read: async function* ({ start, end }, options) {
      const wanted = { start, end: Math.min(end, sizeBytes) };
      const range = chunksAround(place, wanted);
      let offset = plainOffset(place, range.start);
      for await (const chunk of openChunks(stored.read(range, options), place, range, key)) {
        const part = chunk.subarray(Math.max(0, wanted.start - offset), Math.max(0, wanted.end - offset));
        offset += chunk.length;
        if (part.length > 0) yield part;
      }
    },
  };
}
