// Puts to Azure Blob Storage, of streams of unknown length. What fits into one buffer is one request; more is staged in blocks out of a few reused
// buffers, several under way at a time, and committed at the end. A block stays in its buffer until the service has it, so that after a broken
// connection only that block is sent again. Staged blocks are invisible, discarded when the upload fails, and gone after a week at the latest.
import { createHash } from "node:crypto";
import type { BlockBlobClient } from "@azure/storage-blob";
import { type ByteReader, type ByteStream, readerOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { abortable } from "./abortable.ts";
import { blockId, discardBlocks } from "./azblob-blocks.ts";
import type { AzblobClient } from "./azblob-client.ts";
import { type Buffers, readStart } from "./buffers.ts";
import { orAborted } from "./or-aborted.ts";
import { retried } from "./retry.ts";

export const BLOCK_SIZE_BYTES: number = 4 * 1024 * 1024;
/** https://learn.microsoft.com/rest/api/storageservices/put-block-list: an object has 195 GiB at most. */
const BLOCKS_MAX = 50_000;
const BLOCKS_UNDER_WAY_MAX = 4;
/** How long a failed upload waits for blocks that are under way. */
const UNDER_WAY_LIMIT_MS = 2_000;
/** How long a failed upload waits for its blocks to be forgotten. */
const DISCARD_LIMIT_MS = 10_000;
/** Name of the metadata by which a put recognises its own blob. */
const UPLOAD_ID = "etcdsafeupload";

export interface AzblobUpload {
  readonly name: string;
  /** Of this put alone, 16 hexadecimal digits. */
  readonly id: string;
  readonly startedAt: Date;
  /** "write a/b in azblob://…", for messages. */
  readonly what: string;
  readonly conditions: { readonly ifNoneMatch?: string; readonly ifMatch?: string };
  readonly accessTier: string | undefined;
  readonly encryptionScope: string | undefined;
}

/** What an answer tells of the blob that was written. */
export interface Uploaded {
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  readonly lastModified: Date | undefined;
  readonly versionId: string | undefined;
}

/** Rejects with STORAGE_CONFLICT where a condition does not hold, or another put to the same name came first; nothing is visible then, nor after any other failure. */
export async function upload(client: AzblobClient, target: AzblobUpload, body: ByteStream, buffers: Buffers, options: CallOptions): Promise<Uploaded> {
  const own = new AbortController(); // What fails ends the other half: the requests that are under way, or the body.
  const signal = AbortSignal.any([options.signal, own.signal]);
  const taken: Uint8Array[] = [];
  try {
    await using reader = readerOf(abortable(body, signal));
    const start = await readStart(reader, buffers);
    if (start.taken !== undefined) taken.push(start.taken);
    if (start.bytes.length < BLOCK_SIZE_BYTES) return await uploadWhole(client, target, start.bytes, { signal });
    while (taken.length < BLOCKS_UNDER_WAY_MAX) taken.push(buffers.take());
    return await uploadBlocks(client, target, reader, taken, { signal, fail: (error) => own.abort(error) }).catch(async (error: unknown) => {
      const soon = AbortSignal.timeout(DISCARD_LIMIT_MS);
      await discardBlocks(client, target, { signal: soon }).catch(() => undefined); // The failure is what its caller wants to know.
      throw error;
    });
  } catch (error) {
    own.abort(error);
    throw error;
  } finally {
    for (const buffer of taken) buffers.giveBack(buffer);
  }
}

async function uploadWhole(client: AzblobClient, target: AzblobUpload, bytes: Uint8Array, options: CallOptions): Promise<Uploaded> {
  const headers = { blobHTTPHeaders: { blobContentMD5: md5Of(bytes) } }; // The service compares it with what has arrived.
  return await committed(client, target, bytes.length, options, (blob, call) =>
    blob.upload(bytes, bytes.length, { ...writeOptions(target), ...headers, ...call }),
  );
}

/** The first buffer is filled already. */
async function uploadBlocks(
  client: AzblobClient,
  target: AzblobUpload,
  reader: ByteReader,
  buffers: readonly Uint8Array[],
  { signal, fail }: CallOptions & { fail(error: unknown): void },
): Promise<Uploaded> {
  const requests = new AbortController();
  const ids: string[] = [];
  const sent = buffers.map(() => Promise.resolve());
  let sizeBytes = 0;
  try {
    for (let filled = BLOCK_SIZE_BYTES; filled > 0; ) {
      const slot = ids.length % buffers.length;
      const block = (buffers[slot] as Uint8Array).subarray(0, filled);
      if (ids.length === BLOCKS_MAX) throw new EtcdsafeError("STORAGE_FULL", `cannot ${target.what}: it is longer than ${BLOCKS_MAX} blocks`);
      const id = blockId(target, ids.length);
      ids.push(id);
      sizeBytes += filled;
      const sending = sendBlock(client, target, id, block, { signal: requests.signal });
      sending.catch(fail); // At once, and not when its turn comes: nothing more is to be read then.
      sent[slot] = sending;
      const next = ids.length % buffers.length;
      await orAborted(sent[next] as Promise<void>, signal);
      filled = filled < BLOCK_SIZE_BYTES ? 0 : await reader.read(buffers[next] as Uint8Array);
    }
    await orAborted(Promise.all(sent), signal);
  } catch (error) {
    fail(error);
    // A block that the service has got whole arrives, whoever hangs up: it must not do so after the others were discarded.
    const timer = setTimeout(() => requests.abort(error), UNDER_WAY_LIMIT_MS);
    await Promise.allSettled(sent); // Their buffers go back to be used by others, too.
    clearTimeout(timer);
    throw error;
  }
  return await committed(client, target, sizeBytes, { signal }, (blob, call) => blob.commitBlockList(ids, { ...writeOptions(target), ...call }));
}

async function sendBlock(
  client: AzblobClient,
  { name, what, encryptionScope }: AzblobUpload,
  id: string,
  block: Uint8Array,
  options: CallOptions,
): Promise<void> {
  const transactionalContentMD5 = md5Of(block);
  await client.tried(
    what,
    (container, call) =>
      container
        .getBlockBlobClient(name)
        .stageBlock(id, block, block.length, { transactionalContentMD5, ...(encryptionScope !== undefined && { encryptionScope }), ...call }),
    options,
  );
}

type Commit = (
  blob: BlockBlobClient,
  call: { readonly abortSignal: AbortSignal },
) => Promise<{ readonly etag?: string; readonly lastModified?: Date; readonly versionId?: string }>;

/** The request that makes the blob visible, sent again where its answer was lost. */
async function committed(client: AzblobClient, target: AzblobUpload, sizeBytes: number, options: CallOptions, commit: Commit): Promise<Uploaded> {
  return await retried(async (attempt) => {
    try {
      const { etag, lastModified, versionId } = await client.once(
        target.what,
        (container, call) => commit(container.getBlockBlobClient(target.name), call),
        options,
      );
      return { sizeBytes, etag, lastModified, versionId };
    } catch (error) {
      // An earlier attempt may have done it, and its answer was lost.
      const mine = attempt > 1 && hasCode(error, "STORAGE_CONFLICT") ? await ownBlob(client, target, options) : undefined;
      if (mine === undefined) throw error;
      return mine;
    }
  }, client.retry(options));
}

/** What is there, where this very put has written it. */
async function ownBlob(client: AzblobClient, { name, id, what }: AzblobUpload, options: CallOptions): Promise<Uploaded | undefined> {
  const present = await client.tried(what, (container, call) => container.getBlobClient(name).getProperties(call), options);
  const { metadata, contentLength = 0, etag, lastModified, versionId } = present;
  return metadata?.[UPLOAD_ID] === id ? { sizeBytes: contentLength, etag, lastModified, versionId } : undefined;
}

function writeOptions({ id, conditions, accessTier, encryptionScope }: AzblobUpload) {
  return {
    conditions,
    metadata: { [UPLOAD_ID]: id },
    ...(accessTier !== undefined && { tier: accessTier }),
    ...(encryptionScope !== undefined && { encryptionScope }),
  };
}

function md5Of(bytes: Uint8Array): Uint8Array {
  return createHash("md5").update(bytes).digest();
}
