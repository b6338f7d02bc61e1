// Downloads from Azure Blob Storage, by range, that go on where a connection broke.
import type { ContainerClient } from "@azure/storage-blob";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { statusOf } from "./azblob-errors.ts";
import type { AzblobContext } from "./azblob-list.ts";
import { announced, readResumed, sizeOfRange } from "./resumed-read.ts";
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
    const own = AbortSignal.any([signal]); // Which only this download has.
    const step = async (container: ContainerClient, call: { readonly abortSignal: AbortSignal }) => {
      const blob = versionId === undefined ? container.getBlobClient(name) : container.getBlobClient(name).withVersion(versionId);
      const conditions = etag === undefined ? {} : { ifMatch: etag };
      const sizeBytes = range === undefined ? undefined : range.end - at;
      return await blob.download(at, sizeBytes, { maxRetryRequests: 0, conditions, ...call }).catch((error: unknown) => {
        if (statusOf(error) === OUT_OF_RANGE) return undefined;
        // The SDK, of an answer without Content-Length: something on the way has taken it apart.
        if (error instanceof RangeError) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: the answer does not tell how long it is`);
        throw error;
      });
    };
    const answer = await client.once(what, step, { signal: own });
    if (answer === undefined) return nothing();
    etag ??= answer.etag;
    return announced(what, client.bodyOf(own), sizeOfRange(answer.contentRange) ?? answer.contentLength);
  };
  yield* readResumed(start, openAt, client.retry(options));
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No bytes.
}
