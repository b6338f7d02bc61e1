// Versions of objects, as S3 keeps them where a bucket is told to. https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
import { GetBucketVersioningCommand, ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import type { CallOptions } from "../runtime.ts";
import type { ObjectVersion, Versions } from "./capabilities.ts";
import { needing } from "./s3-errors.ts";
import { decodedName, listedByKey } from "./s3-list.ts";
import { isMissing, objectInfo, type S3Place } from "./s3-objects.ts";
import { readObject } from "./s3-read.ts";

export function s3Versions(place: S3Place): Versions {
  const { connection, location } = place;
  return {
    isEnabled: async (options) => {
      const what = `ask whether versions are kept in ${location}`;
      const command = () => new GetBucketVersioningCommand({ Bucket: connection.bucket });
      const answer = await connection
        .ask(what, (client, send) => client.send(command(), send), options)
        .catch((error: unknown) => {
          if (isMissing(error, "NotImplemented", "VersioningNotConfigured")) return undefined;
          return needing("s3:GetBucketVersioning")(error);
        });
      return answer?.Status === "Enabled";
    },
    list: (prefix, options) => listedByKey(place, prefix, (names) => pages(place, names, options)),
    read: (key, versionId, options) => readObject(place, { key, versionId }, options),
  };
}

async function* pages({ connection, location }: S3Place, prefix: string, options: CallOptions): AsyncGenerator<ObjectVersion> {
  let from: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } = {};
  for (;;) {
    const input = { Bucket: connection.bucket, Prefix: prefix, EncodingType: "url" as const, ...from };
    const page = await connection
      .ask(`list versions in ${location}`, (client, send) => client.send(new ListObjectVersionsCommand(input), send), options)
      .catch(needing("s3:ListBucketVersions"));
    options.signal.throwIfAborted();
    yield* versionsIn(page);
    const { IsTruncated: more, NextKeyMarker: key, NextVersionIdMarker: version } = page;
    if (more !== true || key === undefined || key === "") return;
    from = { KeyMarker: decodedName(key, page.EncodingType), ...(version && { VersionIdMarker: version }) };
  }
}

/** A page holds versions and delete markers apart. */
function versionsIn({ Versions: versions = [], DeleteMarkers: markers = [], EncodingType: encoding }: ListObjectVersionsCommandOutput): ObjectVersion[] {
  const all = [
    ...versions.map(({ Key: name = "", Size: sizeBytes = 0, LastModified: modifiedAt, ETag: etag, VersionId: versionId = "" }) => ({
      ...objectInfo({ key: decodedName(name, encoding), sizeBytes, modifiedAt, etag, versionId }),
      versionId,
      isDeleteMarker: false,
    })),
    ...markers.map(({ Key: name = "", LastModified: modifiedAt, VersionId: versionId = "" }) => ({
      ...objectInfo({ key: decodedName(name, encoding), sizeBytes: 0, modifiedAt, etag: undefined, versionId }),
      versionId,
      isDeleteMarker: true,
    })),
  ];
  const isLatest = new Set([...versions, ...markers].filter((each) => each.IsLatest === true).map((each) => each.VersionId));
  // The store has each of both in order; seconds may be the same, and then its word which is the latest counts.
  return all.sort(
    (a, b) =>
      Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
      Number(isLatest.has(b.versionId)) - Number(isLatest.has(a.versionId)) ||
      b.modifiedAt.getTime() - a.modifiedAt.getTime(),
  );
}
