// Listings of a container, page by page, in order of names.
import type { BlobItem, ContainerListBlobsOptions } from "@azure/storage-blob";
import type { CallOptions } from "../runtime.ts";
import type { AzblobClient } from "./azblob-client.ts";
import { mergedByKey, type ObjectNames } from "./object-names.ts";
import type { ObjectInfo } from "./storage.ts";

const PAGE_SIZE_MAX = 5000;

/** What every operation needs. */
export interface AzblobContext {
  readonly location: string;
  readonly client: AzblobClient;
  readonly names: ObjectNames;
}

/** As Storage.list. */
export function listObjects(context: AzblobContext, keyPrefix: string, options: CallOptions): AsyncGenerator<ObjectInfo> {
  return listedByKey(context, keyPrefix, (below) => objectsBelow(context, below, options));
}

/** Both places where keys with a prefix may be, as one listing in order of keys. */
export function listedByKey<T extends Pick<ObjectInfo, "key">>(
  { names }: AzblobContext,
  keyPrefix: string,
  listBelow: (below: Below) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const { plain, escaped } = names.listed(keyPrefix);
  return mergedByKey(
    listBelow({ prefix: plain, keyOf: (name) => (names.isEscaped(name) ? undefined : names.keyOf(name)) }),
    listBelow({ prefix: escaped, keyOf: names.keyOf }),
  );
}

export interface Below {
  readonly prefix: string;
  /** Undefined: not wanted. */
  keyOf(name: string): string | undefined;
}

async function* objectsBelow(context: AzblobContext, { prefix, keyOf }: Below, options: CallOptions): AsyncGenerator<ObjectInfo> {
  for await (const { name, properties, versionId } of blobsOf(context, prefix, {}, options)) {
    const key = keyOf(name);
    if (key !== undefined) yield infoOf(key, { ...properties, versionId });
  }
}

export async function* blobsOf(
  { location, client }: AzblobContext,
  prefix: string,
  include: ContainerListBlobsOptions,
  options: CallOptions,
): AsyncGenerator<BlobItem> {
  options.signal.throwIfAborted();
  let continuationToken: string | undefined;
  do {
    const from = { maxPageSize: PAGE_SIZE_MAX, ...(continuationToken !== undefined && { continuationToken }) };
    const page = await client.tried(
      `list ${location}`,
      async (container, call) =>
        (
          await container
            .listBlobsFlat({ ...include, prefix, ...call })
            .byPage(from)
            .next()
        ).value,
      options,
    );
    for (const blob of page?.segment.blobItems ?? []) {
      options.signal.throwIfAborted();
      yield blob;
    }
    continuationToken = page?.continuationToken;
  } while (continuationToken !== undefined && continuationToken !== "");
}

/** What answers and listings tell of a blob. */
interface BlobFacts {
  readonly contentLength?: number | undefined;
  readonly etag?: string | undefined;
  readonly lastModified?: Date | undefined;
  readonly versionId?: string | undefined;
}

export function infoOf(key: string, { contentLength = 0, etag = "", lastModified = new Date(0), versionId }: BlobFacts): ObjectInfo {
  return {
    key,
    sizeBytes: contentLength,
    modifiedAt: lastModified,
    version: versionOf(etag),
    ...(versionId !== undefined && versionId !== "" && { versionId }),
  };
}

/** Listings have ETags without quotation marks. */
function versionOf(etag: string): string {
  return etag.replace(/^"|"$/g, "");
}

export function etagOf(version: string): string {
  return `"${version}"`;
}
