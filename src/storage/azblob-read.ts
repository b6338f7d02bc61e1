// Downloads from Azure Blob Storage, by range, that go on where a connection broke.
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { statusOf } from "./azblob-errors.ts";
import type { AzblobContext } from "./azblob-list.ts";
import { readResumed } from "./resumed-read.ts";
import type { ReadOptions } from "./storage.ts";

/** The range begins where the blob ends. */
const OUT_OF_RANGE = 416;

export interface AzblobSource {
  readonly key: string;
  /** "read a/b in azblob://…", for messages. */
  readonly what: string;
  /** Undefined: the one that is there now. */
  readonly versionId: string | undefined;
}

/** Rejects with STORAGE_NOT_FOUND on the first pull. */
export async function* readBlob(
  { client, names }: AzblobContext,
  { key, what, versionId }: AzblobSource,
  { range, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const options = { signal };
  const start = range?.start ?? 0;
  const name = names.nameOf(key);
  let etag: string | undefined;
  if (range !== undefined && range.end <= start) {
    await client.tried(what, (container, call) => container.getBlobClient(name).getProperties(call), options); // Nothing to read, of an object that has to be there.
    return;
  }
  const openAt = async (at: number): Promise<ByteStream> => {
    if (range !== undefined && at >= range.end) return nothing();
    return await client.once(
      what,
      async (container, call) => {
        const blob = versionId === undefined ? container.getBlobClient(name) : container.getBlobClient(name).withVersion(versionId);
        const conditions = etag === undefined ? {} : { ifMatch: etag };
        const sizeBytes = range === undefined ? undefined : range.end - at;
        const answer = await blob.download(at, sizeBytes, { maxRetryRequests: 0, conditions, ...call }).catch((error: unknown) => {
          if (statusOf(error) === OUT_OF_RANGE) return undefined;
          throw error;
        });
        if (answer === undefined) return nothing();
        etag ??= answer.etag;
        return mapped(what, answer.readableStreamBody as NodeJS.ReadableStream & AsyncIterable<Buffer>, signal);
      },
      options,
    );
  };
  yield* readResumed(start, openAt, client.retry(options));
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No bytes.
}

/** The SDK ends its stream with an error of its own where fewer bytes came than were announced. */
async function* mapped(what: string, body: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  const pull = () =>
    chunks.next().catch((error: Error) => {
      signal.throwIfAborted();
      throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: ${error.message}`, { cause: error });
    });
  try {
    for (let next = await pull(); !next.done; next = await pull()) {
      const { value: chunk } = next;
      yield chunk;
      // It is this stream's alone, and V8 lets dead buffers gather by the dozens of megabytes.
      if (chunk.length === chunk.buffer.byteLength) (chunk.buffer as ArrayBuffer).transfer(0);
    }
  } finally {
    await chunks.return?.();
  }
}
