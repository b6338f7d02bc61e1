// Byte streams inside etcdsafe are async iterables; Node streams stay at the edge files (file system, gRPC, SDKs).
// Pulling gives back-pressure, `finally` gives cleanup. Rule of ownership: a chunk is there until the next one is
// asked for; who needs it for longer copies it.

export type ByteStream = AsyncIterable<Uint8Array>;

/** Smaller buffers are left alone: Node takes them from a pool that others share. */
const RELEASED_SIZE_BYTES_MIN = 1024 * 1024;

/**
 * Gives the memory of a chunk back that nobody else looks into. V8 by itself lets 64 MB of dead buffers gather before it looks for any: with frames
 * of megabytes that is most of what the process would hold.
 */
export function release({ buffer }: Uint8Array): void {
  if (buffer.byteLength >= RELEASED_SIZE_BYTES_MIN) (buffer as ArrayBuffer).transfer(0);
}

/** Passes every chunk on and reports its size. */
export async function* counted(source: ByteStream, onBytes: (sizeBytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}

/** A stream of one chunk. */
export async function* streamOf(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** Bytes that are taken into the taker's own buffers: for whom a chunk per read would be garbage by the gigabyte. */
export interface ByteReader {
  /** Fills `into` from its start; less than all of it only at the end. */
  read(into: Uint8Array): Promise<number>;
}

/** Copies what a stream yields; being disposed of, it ends the stream. */
export function readerOf(source: ByteStream): ByteReader & AsyncDisposable {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  return {
    read: async (into) => {
      let filled = 0;
      while (filled < into.length) {
        if (rest.length === 0) {
          const next = await chunks.next();
          if (next.done === true) break;
          rest = next.value;
        }
        const part = rest.subarray(0, into.length - filled);
        into.set(part, filled);
        filled += part.length;
        rest = rest.subarray(part.length);
      }
      return filled;
    },
    [Symbol.asyncDispose]: async () => void (await chunks.return?.()),
  };
}

/** All bytes of a stream that must be small; `onTooLong` makes the error for one of more than `sizeBytesMax` bytes. */
export async function collect(source: ByteStream, sizeBytesMax: number, onTooLong: () => Error): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) throw onTooLong();
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks, sizeBytes);
}
