// Byte streams inside etcdsafe are async iterables; Node streams stay at the edge files (file system, gRPC, SDKs).
// Pulling gives back-pressure, `finally` gives cleanup. Rule of ownership: a producer never reuses a chunk it has yielded.

export type ByteStream = AsyncIterable<Uint8Array>;

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

/** All bytes of a stream that must be small; `onTooLong` makes the error for one of more than `sizeBytesMax` bytes. */
export async function collect(source: ByteStream, sizeBytesMax: number, onTooLong: () => Error): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeBytesMax) throw onTooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}
