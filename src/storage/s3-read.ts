// Downloads from S3, by range, that go on where a connection broke.
import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { readResumed } from "./resumed-read.ts";
import { bytesOf, type S3Connection } from "./s3-client.ts";
import { reasonOf } from "./s3-errors.ts";
import { headObject, type S3Place } from "./s3-objects.ts";
import type { ReadOptions } from "./storage.ts";

/** The range begins where the object ends. */
const OUT_OF_RANGE = 416;
const CHANGED = 412;

export interface S3Source {
  readonly key: string;
  /** Undefined: the one that is there now. */
  readonly versionId: string | undefined;
}

/** Rejects with STORAGE_NOT_FOUND on the first pull. */
export async function* readObject(place: S3Place, { key, versionId }: S3Source, { range, signal }: ReadOptions): AsyncGenerator<Uint8Array> {
  const { connection, location, names } = place;
  const what = `read ${key} in ${location}`;
  const { start, end } = range ?? { start: 0, end: undefined };
  if (end !== undefined && end <= start) {
    // Nothing to read, of an object that has to be there.
    if (versionId !== undefined || (await headObject(place, key, { signal })) !== undefined) return;
    throw new EtcdsafeError("STORAGE_NOT_FOUND", `cannot ${what}: it is not there`);
  }
  let etag: string | undefined;
  const openAt = async (at: number): Promise<ByteStream> => {
    const input = {
      Bucket: connection.bucket,
      Key: names.nameOf(key),
      ...connection.parameters.key,
      ...(versionId !== undefined && { VersionId: versionId }),
      ...((at > 0 || end !== undefined) && { Range: `bytes=${at}-${end === undefined ? "" : end - 1}` }),
      ...(etag !== undefined && { IfMatch: etag }),
    };
    if (at === end) return nothing();
    try {
      const answer = await connection.once(what, (client, send) => client.send(new GetObjectCommand(input), send), { signal });
      etag ??= answer.ETag;
      return bodyOf(connection, what, answer, at, signal);
    } catch (error) {
      const status = reasonOf(error)?.status;
      if (status === OUT_OF_RANGE) return nothing();
      if (status === CHANGED) throw new EtcdsafeError("STORAGE_CONFLICT", `cannot ${what}: it was overwritten while it was read`, { cause: error });
      throw error;
    }
  };
  yield* readResumed(start, openAt, connection.retry({ signal }));
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No bytes.
}

/** Fewer bytes than were announced are a broken connection too, and so is another range than the one asked for. */
async function* bodyOf(connection: S3Connection, what: string, answer: GetObjectCommandOutput, at: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const [, from = "0", last] = /^bytes (\d+)-(\d+)\//.exec(answer.ContentRange ?? "") ?? [];
  const chunks = bytesOf(answer.Body)[Symbol.asyncIterator]();
  try {
    if (Number(from) !== at) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: bytes from ${at} on were asked for, ${from} on were sent`);
    for (let left = last === undefined ? (answer.ContentLength ?? 0) : Number(last) + 1 - at; ; ) {
      const next = await connection.once(what, () => chunks.next(), { signal });
      if (next.done && left > 0) throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: the connection ended ${left} bytes too early`);
      if (next.done) return;
      left -= next.value.length;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}
