// Listings of a bucket, as keys in order.
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { CallOptions } from "../runtime.ts";
import { mergedByKey } from "./object-names.ts";
import { objectInfo, type S3Place } from "./s3-objects.ts";
import type { ObjectInfo } from "./storage.ts";

/** Every object whose key starts with `prefix`, in order of keys. */
export function listObjects(place: S3Place, prefix: string, options: CallOptions): AsyncIterable<ObjectInfo> {
  return listedByKey(place, prefix, (names) => pages(place, names, options));
}

/** Keys that are kept under other names are listed by those, and put into their places. */
export function listedByKey<T extends { readonly key: string }>(place: S3Place, prefix: string, list: (names: string) => AsyncIterable<T>): AsyncIterable<T> {
  const { plain, escaped } = place.names.listed(prefix);
  return mergedByKey(plainOnly(place, list(plain)), inOwnNames(place, list(escaped)));
}

/** `name` decoded where the store was asked to encode it: XML cannot hold every character. */
export function decodedName(name: string, encodingType: string | undefined): string {
  return encodingType === "url" ? decodeURIComponent(name.replaceAll("+", " ")) : name;
}

async function* pages({ connection, location }: S3Place, prefix: string, options: CallOptions): AsyncGenerator<ObjectInfo> {
  for (let token: string | undefined; ; ) {
    const input = { Bucket: connection.bucket, Prefix: prefix, EncodingType: "url" as const, ...(token !== undefined && { ContinuationToken: token }) };
    const page = await connection.ask(`list ${location}`, (client, send) => client.send(new ListObjectsV2Command(input), send), options);
    for (const { Key: name = "", Size: sizeBytes = 0, LastModified: modifiedAt, ETag: etag } of page.Contents ?? []) {
      options.signal.throwIfAborted();
      yield objectInfo({ key: decodedName(name, page.EncodingType), sizeBytes, modifiedAt, etag, versionId: undefined });
    }
    token = page.NextContinuationToken;
    if (page.IsTruncated !== true || token === undefined) return;
  }
}

/** From here on `key` is the key: it was the object's name. */
async function* plainOnly<T extends { readonly key: string }>({ names }: S3Place, found: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const entry of found) {
    const key = names.isEscaped(entry.key) ? undefined : names.keyOf(entry.key);
    if (key !== undefined) yield { ...entry, key };
  }
}

async function* inOwnNames<T extends { readonly key: string }>({ names }: S3Place, found: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const entry of found) {
    const key = names.keyOf(entry.key);
    if (key !== undefined) yield { ...entry, key };
  }
}
