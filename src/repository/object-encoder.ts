// Raw bytes → a stored object: 4 MiB frames, compressed several at a time and emitted in order, then the seek table; all of that encrypted, where asked for.
// Sizes and SHA-256 of both sides are taken on the way. docs/repository-format.md, "Stored objects".
import { createHash } from "node:crypto";
import { encryptAge } from "../age/file.ts";
import type { AgeRecipients } from "../age/recipients.ts";
import { type ByteReader, type ByteStream, release } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { compressFrame, FRAME_RAW_SIZE_BYTES, FRAMES_IN_FLIGHT } from "./frame-codec.ts";
import { encodeSeekTable, type Frame } from "./seek-table.ts";

/** Names in a manifest's `codec` of what this file does. */
export const ZSTD_SEEKABLE = "zstd-seekable";
export const AGE = "age";
/** Behind the name of an object that is encrypted. */
export const ENCRYPTED_SUFFIX = ".age";

/** What a manifest has to say about the bytes of an object. */
export interface ObjectFacts {
  readonly codec: string[];
  readonly storedSizeBytes: number;
  readonly storedSha256: string;
  readonly rawSizeBytes: number;
  readonly rawSha256: string;
  readonly encryption: ObjectEncryption | null;
}

/** Who can open an object. */
export interface ObjectEncryption {
  readonly scheme: string;
  /** Public keys; none where a passphrase opens it. */
  readonly recipients: string[];
  readonly passphrase: boolean;
}

export interface EncodedObject {
  /** The bytes to store; to be read once, to the end. */
  readonly stored: ByteStream;
  /** Known once `stored` has been read to the end; throws OBJECT_TRUNCATED where a store stopped before. */
  facts(): ObjectFacts;
}

export interface EncodeOptions extends CallOptions {
  /** Absent: the object is not encrypted. */
  readonly encryption?: AgeRecipients | undefined;
  /** Is fed with all raw bytes and then asked for their hash: for a caller that needs more of it, so that nothing is hashed twice. */
  readonly rawHash?: RunningHash;
}

/** SHA-256 of what it is fed with. */
export interface RunningHash {
  update(bytes: Uint8Array): void;
  finish(): { /** Hexadecimal. */ readonly rawSha256: string };
}

/** Encodes bytes of any length in bounded memory (about 30 MiB). */
export function encodeObject(raw: ByteReader, options: EncodeOptions): EncodedObject {
  let facts: ObjectFacts | undefined;
  return {
    stored: encode(raw, options, (found) => {
      facts = found;
    }),
    facts: () => {
      if (facts === undefined) throw new EtcdsafeError("OBJECT_TRUNCATED", "the store did not take the object to its end");
      return facts;
    },
  };
}

async function* encode(raw: ByteReader, options: EncodeOptions, onEnd: (facts: ObjectFacts) => void): AsyncGenerator<Uint8Array> {
  const { signal, encryption, rawHash = plainHash() } = options;
  const storedHash = createHash("sha256");
  let storedSizeBytes = 0;
  let rawSizeBytes = 0;
  const packed = pack(compressed(raw, signal, rawHash), (sizeBytes) => {
    rawSizeBytes = sizeBytes;
  });
  for await (const stored of encryption === undefined ? packed : encryptAge(packed, encryption)) {
    storedSizeBytes += stored.length;
    storedHash.update(stored);
    yield stored;
  }
  onEnd({
    codec: encryption === undefined ? [ZSTD_SEEKABLE] : [ZSTD_SEEKABLE, AGE],
    storedSizeBytes,
    storedSha256: storedHash.digest("hex"),
    rawSizeBytes,
    ...rawHash.finish(),
    encryption: encryption === undefined ? null : encryptionFacts(encryption),
  });
}

/** What a manifest says of those who can open an object. */
export function encryptionFacts(to: AgeRecipients): ObjectEncryption {
  return "passphrase" in to ? { scheme: AGE, recipients: [], passphrase: true } : { scheme: AGE, recipients: [...new Set(to.recipients)], passphrase: false };
}

/** The frames, and behind them the seek table. `onEnd` is told the raw bytes in all, before the last chunk. */
async function* pack(compressed: AsyncIterable<CompressedFrame>, onEnd: (rawSizeBytes: number) => void): AsyncGenerator<Uint8Array> {
  const frames: Frame[] = [];
  for await (const { frame, stored } of compressed) {
    frames.push(frame);
    yield stored;
    release(stored);
  }
  onEnd(frames.reduce((sum, { rawSizeBytes }) => sum + rawSizeBytes, 0));
  yield encodeSeekTable(frames);
}

function plainHash(): RunningHash {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), finish: () => ({ rawSha256: hash.digest("hex") }) };
}

type CompressedFrame = Awaited<ReturnType<typeof compressFrame>>;

/** Frames in order, with up to FRAMES_IN_FLIGHT of them being compressed while the next is filled and hashed. */
async function* compressed(raw: ByteReader, signal: AbortSignal, rawHash: RunningHash): AsyncGenerator<CompressedFrame> {
  const spare: Uint8Array[] = [];
  const queue: Promise<CompressedFrame>[] = [];
  for (;;) {
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(FRAME_RAW_SIZE_BYTES);
    const bytes = buffer.subarray(0, await raw.read(buffer));
    signal.throwIfAborted();
    if (bytes.length === 0) break;
    const frame = compressFrame(bytes).finally(() => spare.push(buffer));
    frame.catch(() => undefined); // Reported when its turn comes, unless nobody reads that far.
    queue.push(frame);
    rawHash.update(bytes);
    if (queue.length === FRAMES_IN_FLIGHT) yield await queue.shift()!;
  }
  for (const frame of queue) yield await frame;
}
