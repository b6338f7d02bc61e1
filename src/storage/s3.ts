// A repository in a bucket of Amazon S3, or of a store that speaks the same.
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import type { ByteStream } from "../bytes/stream.ts";
import type { Runtime } from "../runtime.ts";
import { buffersOf } from "./buffers.ts";
import { connectS3 } from "./s3-client.ts";
import { s3Clock } from "./s3-clock.ts";
import { s3Composed } from "./s3-composed.ts";
import { needing } from "./s3-errors.ts";
import { listObjects } from "./s3-list.ts";
import { s3Locks } from "./s3-locks.ts";
import { headObject, isMissing, type S3Place, s3Names } from "./s3-objects.ts";
import { BUFFERS_MAX, PART_SIZE_BYTES, putStream } from "./s3-put.ts";
import { readObject } from "./s3-read.ts";
import { s3Unfinished } from "./s3-unfinished.ts";
import { s3Versions } from "./s3-versions.ts";
import type { StorageSettings } from "./settings.ts";
import type { PutOptions, Storage } from "./storage.ts";

/**
 * `prefix` is empty, or has neither a leading nor a trailing slash. Throws CONFIG_INVALID for settings that cannot be; no request is sent yet.
 * The capabilities are what S3 does: whether this store does it, `repo init` finds out.
 */
export async function openS3Storage(
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  settings: Pick<StorageSettings, "connection" | "s3">,
  runtime: Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">,
): Promise<Storage> {
  const connection = await connectS3(bucket, settings, runtime);
  const location = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const place: S3Place = { connection, location, names: s3Names(prefix) };
  const buffers = buffersOf(PART_SIZE_BYTES, BUFFERS_MAX);
  const put = async (key: string, body: ByteStream, options: PutOptions) => await putStream(place, key, body, buffers, options);
  return {
    location,
    capabilities: { putIfAbsent: true, putIfVersion: true },
    put,
    read: (key, options) => readObject(place, { key, versionId: undefined }, options),
    stat: async (key, options) => (await headObject(place, key, options))?.info,
    list: (keyPrefix, options) => listObjects(place, keyPrefix, options),
    remove: async (key, options) => {
      const input = { Bucket: bucket, Key: place.names.nameOf(key) };
      await connection
        .ask(`remove ${key} in ${location}`, (client, send) => client.send(new DeleteObjectCommand(input), send), options)
        .catch((error: unknown) => {
          if (!isMissing(error, "NoSuchKey")) needing("s3:DeleteObject")(error);
        });
    },
    versions: s3Versions(place),
    locks: s3Locks(place),
    unfinished: s3Unfinished(place),
    composed: s3Composed(place, put),
    clock: s3Clock(place),
  };
}
