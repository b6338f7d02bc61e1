// Puts to Google Cloud Storage, of streams of unknown length. What fits into one buffer is one request; more is a resumable upload: chunks from two
// reused buffers, one being sent while the other is filled. A chunk stays in its buffer until the store has said how much of it is kept, so that
// after a broken connection only the missing bytes are sent again. https://cloud.google.com/storage/docs/performing-resumable-uploads

import { crc32c } from "../bytes/crc32c.ts";
import { type ByteReader, type ByteStream, readerOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type HttpAnswer, textOf } from "../http/request.ts";
import type { CallOptions } from "../runtime.ts";
import { abortable } from "./abortable.ts";
import { type Buffers, readStart } from "./buffers.ts";
import type { GsClient } from "./gs-client.ts";
import { onTheWay } from "./gs-errors.ts";
import { type GsObject, type GsPlace, OBJECT_FIELDS, objectPath, UPLOAD_ID, uploadPath } from "./gs-objects.ts";
import { retried } from "./retry.ts";

/** A multiple of 256 KiB, as the protocol demands. */
export const CHUNK_SIZE_BYTES: number = 4 * 1024 * 1024;
/** "Resume Incomplete": the chunk was taken, the object is not whole. */
const INCOMPLETE = 308;
/** Answers to a session that the store has forgotten. */
const GONE: readonly number[] = [404, 410];
/** The answer to a session that was cancelled. */
const CANCELLED = 499;
/** How long a failed upload waits for its session to be cancelled; the store forgets it after a week by itself. */
const CANCEL_LIMIT_MS = 10_000;
const RUN_AGAIN = "Nothing of it is kept. Run it again: stores forget uploads that take longer than a week, and may forget others.";
const CONTENT_TYPE = "application/octet-stream";

export interface GsUpload {
  readonly place: GsPlace;
  /** Of this put alone. */
  readonly id: string;
  /** "write a/b in gs://bucket", for messages. */
  readonly what: string;
  readonly conditions: Readonly<Record<string, string | undefined>>;
  readonly storageClass: string | undefined;
  readonly kmsKey: string | undefined;
}

/** Rejects with STORAGE_CONFLICT where a condition does not hold; nothing is visible then, nor after any other failure. */
export async function upload(client: GsClient, target: GsUpload, body: ByteStream, buffers: Buffers, options: CallOptions): Promise<GsObject> {
  const own = new AbortController(); // What fails ends the other half: the request that is under way, or the body.
  const signal = AbortSignal.any([options.signal, own.signal]);
  const taken: Uint8Array[] = [];
  try {
    await using reader = readerOf(abortable(body, signal));
    const { bytes, taken: first } = await readStart(reader, buffers);
    if (first !== undefined) taken.push(first);
    if (bytes.length < CHUNK_SIZE_BYTES) return await uploadWhole(client, target, bytes, { signal });
    const second = buffers.take();
    taken.push(second);
    return await uploadChunks(client, target, reader, [bytes, second], { signal });
  } catch (error) {
    own.abort(error);
    throw error;
  } finally {
    for (const buffer of taken) buffers.giveBack(buffer);
  }
}

async function uploadWhole(client: GsClient, target: GsUpload, bytes: Uint8Array, options: CallOptions): Promise<GsObject> {
  const checksum = base64OfCrc32c(crc32c(bytes));
  const boundary = `etcdsafe-${target.id}`;
  const head = `--${boundary}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ ...metadataOf(target), crc32c: checksum })}\r\n--${boundary}\r\nContent-Type: ${CONTENT_TYPE}\r\n\r\n`;
  const request = {
    method: "POST",
    path: uploadPath(target.place.bucket),
    query: { uploadType: "multipart", ...queryOf(target) },
    headers: { "content-type": `multipart/related; boundary=${boundary}` },
    body: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
  };
  const object = await retried(async (attempt) => {
    try {
      return await objectIn(target.what, await client.once(target.what, request, options));
    } catch (error) {
      // An earlier attempt may have done it, and its answer was lost.
      const mine = attempt > 1 && hasCode(error, "STORAGE_CONFLICT") ? await ownObject(client, target, options) : undefined;
      if (mine === undefined) throw error;
      return mine;
    }
  }, client.retry(options));
  return await checked(client, target, object, checksum, options);
}

async function uploadChunks(
  client: GsClient,
  target: GsUpload,
  reader: ByteReader,
  buffers: readonly [Uint8Array, Uint8Array],
  options: CallOptions,
): Promise<GsObject> {
  const session = await begin(client, target, options);
  try {
    let [current, next] = buffers;
    let crc = crc32c(current);
    for (let start = 0, filled = CHUNK_SIZE_BYTES; ; start += CHUNK_SIZE_BYTES) {
      // Whether there is a next chunk must be known before this one is sent: the last one says so.
      const more = filled === CHUNK_SIZE_BYTES ? await reader.read(next.subarray(0, 1)) : 0;
      if (more === 0) {
        const checksum = base64OfCrc32c(crc);
        const object = await sendChunk(client, target, { session, start, bytes: current.subarray(0, filled), checksum }, options);
        if (object === undefined) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${target.what}: the store did not finish the upload`);
        return await checked(client, target, object, checksum, options);
      }
      const [read] = await Promise.all([reader.read(next.subarray(1)), sendChunk(client, target, { session, start, bytes: current }, options)]);
      filled = read + 1;
      crc = crc32c(next.subarray(0, filled), crc);
      [current, next] = [next, current];
    }
  } catch (error) {
    await cancel(client, target.what, session);
    throw error;
  }
}

async function begin(client: GsClient, target: GsUpload, options: CallOptions): Promise<string> {
  const request = {
    method: "POST",
    path: uploadPath(target.place.bucket),
    query: { uploadType: "resumable", ...queryOf(target) },
    headers: { "content-type": "application/json", "x-upload-content-type": CONTENT_TYPE },
    body: [Buffer.from(JSON.stringify(metadataOf(target)))],
  };
  return await retried(async () => {
    const answer = await client.once(target.what, request, options);
    await onTheWay(target.what, () => textOf(answer));
    if (answer.headers.location !== undefined) return answer.headers.location;
    throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${target.what}: the store began no upload`);
  }, client.retry(options));
}

interface Chunk {
  readonly session: string;
  /** Where in the object it begins. */
  readonly start: number;
  readonly bytes: Uint8Array;
  /** Of the whole object, with its last chunk. */
  readonly checksum?: string;
}

/** The object once it is whole; undefined where more is to come. */
async function sendChunk(
  client: GsClient,
  { what }: GsUpload,
  { session, start, bytes, checksum }: Chunk,
  options: CallOptions,
): Promise<GsObject | undefined> {
  const end = start + bytes.length;
  const total = checksum === undefined ? "*" : String(end);
  let keptEnd = start;
  let isGone = false;
  const request = (range: string, headers: Record<string, string>, body: readonly Uint8Array[]) =>
    client.once(
      what,
      { method: "PUT", path: session, headers: { ...headers, "content-range": `bytes ${range}/${total}` }, body, expected: [INCOMPLETE, ...GONE] },
      options,
    );
  const take = async (answer: HttpAnswer): Promise<GsObject | undefined> => {
    isGone = GONE.includes(answer.status);
    if (answer.status !== INCOMPLETE && !isGone) return await objectIn(what, answer);
    await onTheWay(what, () => textOf(answer));
    if (isGone) return undefined;
    keptEnd = endOfRange(answer.headers.range);
    if (keptEnd >= start && keptEnd <= end) return undefined;
    throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: of ${start} to ${end} bytes sent, the store has kept ${keptEnd}`);
  };
  const object = await retried(async (attempt) => {
    if (attempt > 1) {
      const object = await take(await request("*", {}, []));
      if (object !== undefined || isGone) return object;
    }
    for (let sentFrom = -1; keptEnd < end || checksum !== undefined; ) {
      if (keptEnd === sentFrom) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: the store keeps nothing of what it is sent`);
      sentFrom = keptEnd;
      const hash: Record<string, string> = checksum === undefined ? {} : { "x-goog-hash": `crc32c=${checksum}` };
      const object = await take(await request(`${keptEnd}-${end - 1}`, hash, [bytes.subarray(keptEnd - start)]));
      if (object !== undefined || isGone) return object;
    }
    return undefined;
  }, client.retry(options));
  if (isGone) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: the store no longer knows of the upload`, { hint: RUN_AGAIN });
  return object;
}

/** `Range: bytes=0-N`: what is kept; without it nothing is. */
function endOfRange(range: string | undefined): number {
  const last = /^bytes=0-(\d+)$/.exec(range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

/** Without waiting for it longer than a moment: the failure is what its caller wants to know. */
async function cancel(client: GsClient, what: string, session: string): Promise<void> {
  const signal = AbortSignal.timeout(CANCEL_LIMIT_MS);
  await client
    .once(what, { method: "DELETE", path: session, expected: [CANCELLED] }, { signal })
    .then(textOf)
    .catch(() => undefined);
}

async function objectIn(what: string, answer: HttpAnswer): Promise<GsObject> {
  return JSON.parse(await onTheWay(what, () => textOf(answer))) as GsObject;
}

/** What is at the place, where this very put has written it. */
async function ownObject(client: GsClient, { place, id, what }: GsUpload, options: CallOptions): Promise<GsObject | undefined> {
  const present = await client.json<GsObject>(what, { method: "GET", path: objectPath(place), query: { fields: OBJECT_FIELDS }, expected: [404] }, options);
  return present?.metadata?.[UPLOAD_ID] === id ? present : undefined;
}

/** The store was told the checksum and refuses other bytes; one that does not look is found out here, and its object taken away. */
async function checked(client: GsClient, { place, what }: GsUpload, object: GsObject, checksum: string, options: CallOptions): Promise<GsObject> {
  if (object.crc32c === checksum) return object;
  const query = { generation: object.generation };
  await client.json(what, { method: "DELETE", path: objectPath(place), query, expected: [404] }, options);
  throw new EtcdsafeError("OBJECT_CORRUPT", `cannot ${what}: the store has got other bytes than were sent (CRC32C ${object.crc32c} instead of ${checksum})`, {
    hint: "Nothing was kept. Run it again; suspect the memory of this host, or whatever is between it and the store.",
  });
}

function metadataOf({ place, id, storageClass }: GsUpload): object {
  return { name: place.name, contentType: CONTENT_TYPE, metadata: { [UPLOAD_ID]: id }, ...(storageClass !== undefined && { storageClass }) };
}

function queryOf({ place, conditions, kmsKey }: GsUpload): Record<string, string | undefined> {
  return { name: place.name, fields: OBJECT_FIELDS, kmsKeyName: kmsKey, ...conditions };
}

/** As the API has it: big-endian. */
function base64OfCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString("base64");
}
