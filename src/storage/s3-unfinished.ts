// Uploads to S3 that were begun and neither completed nor aborted.
import { AbortMultipartUploadCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import type { CallOptions } from "../runtime.ts";
import type { UnfinishedUpload, UnfinishedUploads } from "./capabilities.ts";
import { needing } from "./s3-errors.ts";
import { decodedName, listedByKey } from "./s3-list.ts";
import { isMissing, type S3Place } from "./s3-objects.ts";

export function s3Unfinished(place: S3Place): UnfinishedUploads {
  const { connection, location, names } = place;
  return {
    list: (prefix, options) => listedByKey(place, prefix, (listed) => pages(place, listed, options)),
    abort: async ({ key, uploadId }, options) => {
      const input = { Bucket: connection.bucket, Key: names.nameOf(key), UploadId: uploadId };
      const what = `abort the upload of ${key} in ${location}`;
      await connection
        .ask(what, (client, send) => client.send(new AbortMultipartUploadCommand(input), send), options)
        .catch((error: unknown) => {
          if (!isMissing(error, "NoSuchUpload", "NoSuchKey")) throw error;
        });
    },
  };
}

async function* pages({ connection, location }: S3Place, prefix: string, options: CallOptions): AsyncGenerator<UnfinishedUpload> {
  let from: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } = {};
  for (;;) {
    const input = { Bucket: connection.bucket, Prefix: prefix, EncodingType: "url" as const, ...from };
    const page = await connection
      .ask(`list uploads in ${location}`, (client, send) => client.send(new ListMultipartUploadsCommand(input), send), options)
      .catch(needing("s3:ListBucketMultipartUploads"));
    for (const { Key: name = "", UploadId: uploadId = "", Initiated: startedAt } of page.Uploads ?? []) {
      options.signal.throwIfAborted();
      yield { key: decodedName(name, page.EncodingType), uploadId, startedAt: startedAt ?? new Date(0) };
    }
    const { IsTruncated: more, NextKeyMarker: key, NextUploadIdMarker: upload } = page;
    if (more !== true || key === undefined || key === "") return;
    from = { KeyMarker: decodedName(key, page.EncodingType), ...(upload && { UploadIdMarker: upload }) };
  }
}
