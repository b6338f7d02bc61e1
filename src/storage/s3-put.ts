// Puts of streams of unknown length, in bounded memory:
// 1. What fits into one part is one request.
// 2. More is a multipart upload: equal parts (some compatibles demand that) from reused buffers, several on their way while the next is filled. A part
//    stays in its buffer until the store has it, so that a dropped connection sends that part alone again.
// 3. Whatever fails, or is aborted, aborts the upload; the object is there at once, when the upload is completed, or never.
// A put that is aborted while its last request is under way may have taken effect.
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { crc32c } from "../bytes/crc32c.ts";
import { type ByteReader, type ByteStream, readerOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { abortable } from "./abortable.ts";
import { type Buffers, readStart } from "./buffers.ts";
import { type Commit, committed, conditionsOf, putInfo } from "./s3-commit.ts";
import { base64OfCrc32c, checksumOf, MultipartUpload, PARTS_MAX } from "./s3-multipart.ts";
import { PUT_ID, type S3Place } from "./s3-objects.ts";
import type { ObjectInfo, PutOptions } from "./storage.ts";

/** With all parts that S3 allows an object may be 58 GiB long: no etcd's database comes near it, and a save of any size stays below 200 MB of memory. */
export const PART_SIZE_BYTES: number = 6 * 1024 * 1024;
/** Parts on their way at the same time, besides the one that is filled. */
const IN_FLIGHT_MAX = 3;
export const BUFFERS_MAX: number = IN_FLIGHT_MAX + 1;
const PUT_ID_SIZE_BYTES = 12;

export async function putStream(place: S3Place, key: string, body: ByteStream, buffers: Buffers, options: PutOptions): Promise<ObjectInfo> {
  const commit = newCommit(place, key, options);
  const own = new AbortController(); // What fails first ends the rest: the body, and parts on their way.
  const signal = AbortSignal.any([options.signal, own.signal]);
  try {
    await using reader = readerOf(abortable(body, signal));
    const result = await sent(place, commit, reader, buffers, own, signal);
    return await putInfo(place, commit, result, { signal });
  } catch (error) {
    own.abort(error);
    throw error;
  }
}

/** What a put is known by. */
export function newCommit({ connection, location }: S3Place, key: string, options: PutOptions): Commit {
  const putId = Buffer.from(connection.runtime.randomBytes(PUT_ID_SIZE_BYTES)).toString("hex");
  return { key, what: `write ${key} in ${location}`, putId, conditions: conditionsOf(options) };
}

async function sent(place: S3Place, commit: Commit, reader: ByteReader, buffers: Buffers, own: AbortController, signal: AbortSignal) {
  const { bytes, taken } = await readStart(reader, buffers);
  if (taken !== undefined && bytes.length === PART_SIZE_BYTES) {
    const first = { buffer: taken, sizeBytes: bytes.length };
    return await putParts(place, commit, { first, reader, buffers }, own, signal);
  }
  try {
    return await putWhole(place, commit, bytes, { signal });
  } finally {
    if (taken !== undefined) buffers.giveBack(taken);
  }
}

interface Filled {
  readonly buffer: Uint8Array;
  readonly sizeBytes: number;
}

async function filledBuffer(reader: ByteReader, buffers: Buffers): Promise<Filled> {
  const buffer = buffers.take();
  try {
    return { buffer, sizeBytes: await reader.read(buffer) };
  } catch (error) {
    buffers.giveBack(buffer);
    throw error;
  }
}

async function putWhole(place: S3Place, commit: Commit, bytes: Uint8Array, options: CallOptions) {
  const { bucket, parameters, requestChecksums } = place.connection;
  const input = {
    Bucket: bucket,
    Key: place.names.nameOf(commit.key),
    Body: bytes,
    Metadata: { [PUT_ID]: commit.putId },
    ...parameters.write,
    ...parameters.key,
    ...commit.conditions,
    ...checksumOf(bytes, requestChecksums ? base64OfCrc32c(crc32c(bytes)) : undefined),
  };
  const result = await committed(place, commit, (client, send) => client.send(new PutObjectCommand(input), send), options);
  return { ...result, sizeBytes: bytes.length };
}

interface Parts {
  readonly first: Filled;
  readonly reader: ByteReader;
  readonly buffers: Buffers;
}

async function putParts(place: S3Place, commit: Commit, { first, reader, buffers }: Parts, own: AbortController, signal: AbortSignal) {
  const upload = await MultipartUpload.begin(place, commit, { signal }).catch((error: unknown) => {
    buffers.giveBack(first.buffer);
    throw error;
  });
  const inFlight = new Set<Promise<void>>();
  const all: Promise<void>[] = []; // A part that has failed is not in flight any more, and must not be forgotten.
  const send = (number: number, { buffer, sizeBytes }: Filled) => {
    const part = upload.add(number, buffer.subarray(0, sizeBytes), { signal }).finally(() => {
      inFlight.delete(part);
      buffers.giveBack(buffer);
    });
    part.catch((error: unknown) => own.abort(error)); // Ends the body even while it gives nothing.
    inFlight.add(part);
    all.push(part);
  };
  try {
    let filled = first;
    for (let number = 1; filled.sizeBytes > 0; number++) {
      if (number > PARTS_MAX) throw tooLong(commit.what);
      send(number, filled);
      if (filled.sizeBytes < PART_SIZE_BYTES) break;
      while (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
      filled = await filledBuffer(reader, buffers);
      if (filled.sizeBytes === 0) buffers.giveBack(filled.buffer);
    }
    await Promise.all(all);
    return await upload.complete({ signal });
  } catch (error) {
    own.abort(error);
    await Promise.allSettled(inFlight); // A part that arrives after the abort would stay.
    await upload.abort();
    throw error;
  }
}

function tooLong(what: string): EtcdsafeError {
  const limitGib = Math.floor((PART_SIZE_BYTES * PARTS_MAX) / 1024 ** 3);
  return new EtcdsafeError("STORAGE_FULL", `cannot ${what}: it is longer than ${limitGib} GiB, the most that an object in S3 may hold here`, {
    hint: "Keep so large a backup in a store of another kind.",
  });
}
