// Raw bytes → a stored object: 4 MiB frames, compressed several at a time and emitted in order, then the seek table.
// Sizes and SHA-256 of both sides are taken on the way. docs/repository-format.md, "Stored objects".
import { createHash } from "node:crypto";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { compressFrame, FRAME_RAW_SIZE_BYTES, FRAMES_IN_FLIGHT } from "./frame-codec.ts";
import { encodeSeekTable, type Frame } from "./seek-table.ts";

/** Name in a manifest's `codec` of what this file does. */
export const ZSTD_SEEKABLE = "zstd-seekable";

/** What a manifest has to say about the bytes of an object. */
export interface ObjectFacts {
  readonly codec: string[];
  readonly storedSizeBytes: number;
  readonly storedSha256: string;
  readonly rawSizeBytes: number;
  readonly rawSha256: string;
}

export interface EncodedObject {
  /** The bytes to store; to be read once, to the end. */
  readonly stored: ByteStream;
  /** Known once `stored` has been read to the end; throws OBJECT_TRUNCATED where a store stopped before. */
  facts(): ObjectFacts;
}

/** Encodes a stream of any length in bounded memory (about 30 MiB). */
export function encodeObject(raw: ByteStream, options: CallOptions): EncodedObject {
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

async function* encode(raw: ByteStream, { signal }: CallOptions, onEnd: (facts: ObjectFacts) => void): AsyncGenerator<Uint8Array> {
  const rawHash = createHash("sha256");
  const storedHash = createHash("sha256");
  const frames: Frame[] = [];
  let storedSizeBytes = 0;
  let rawSizeBytes = 0;
  for await (const { frame, stored } of compressed(raw, signal, rawHash)) {
    frames.push(frame);
    rawSizeBytes += frame.rawSizeBytes;
    storedSizeBytes += stored.length;
    storedHash.update(stored);
    yield stored;
  }
  const table = encodeSeekTable(frames);
  storedHash.update(table);
  onEnd({
    codec: [ZSTD_SEEKABLE],
    storedSizeBytes: storedSizeBytes + table.length,
    storedSha256: storedHash.digest("hex"),
    rawSizeBytes,
    rawSha256: rawHash.digest("hex"),
  });
  yield table;
}

type CompressedFrame = Awaited<ReturnType<typeof compressFrame>>;

/** Frames in order, with up to FRAMES_IN_FLIGHT of them being compressed while the next is filled and hashed. */
async function* compressed(raw: ByteStream, signal: AbortSignal, rawHash: { update(bytes: Uint8Array): unknown }): AsyncGenerator<CompressedFrame> {
  const spare: Uint8Array[] = [];
  const queue: Promise<CompressedFrame>[] = [];
  for await (const { buffer, sizeBytes } of filledFrames(raw, () => spare.pop() ?? Buffer.allocUnsafeSlow(FRAME_RAW_SIZE_BYTES))) {
    signal.throwIfAborted();
    const bytes = buffer.subarray(0, sizeBytes);
    const frame = compressFrame(bytes).finally(() => spare.push(buffer));
    frame.catch(() => undefined); // Reported when its turn comes, unless nobody reads that far.
    queue.push(frame);
    rawHash.update(bytes);
    if (queue.length === FRAMES_IN_FLIGHT) yield await queue.shift()!;
  }
  for (const frame of queue) yield await frame;
}

/** Copies a stream into buffers of one frame each; only the last may be part filled. */
async function* filledFrames(raw: ByteStream, take: () => Uint8Array): AsyncGenerator<{ buffer: Uint8Array; sizeBytes: number }> {
  let buffer: Uint8Array | undefined;
  let sizeBytes = 0;
  for await (const chunk of raw) {
    for (let at = 0; at < chunk.length; ) {
      buffer ??= take();
      const part = chunk.subarray(at, at + FRAME_RAW_SIZE_BYTES - sizeBytes);
      buffer.set(part, sizeBytes);
      at += part.length;
      sizeBytes += part.length;
      if (sizeBytes === FRAME_RAW_SIZE_BYTES) {
        yield { buffer, sizeBytes };
        buffer = undefined;
        sizeBytes = 0;
      }
    }
  }
  if (buffer !== undefined) yield { buffer, sizeBytes };
}
