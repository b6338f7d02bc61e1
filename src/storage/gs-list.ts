// Listings of a bucket: page by page, in order of names.
import type { CallOptions } from "../runtime.ts";
import type { GsClient } from "./gs-client.ts";
import { noBucket } from "./gs-errors.ts";
import { bucketPath, type GsObject, infoOf, OBJECT_FIELDS } from "./gs-objects.ts";
import { mergedByKey, type ObjectNames } from "./object-names.ts";
import type { ObjectInfo } from "./storage.ts";

/** What every operation needs. */
export interface GsContext {
  readonly bucket: string;
  readonly location: string;
  readonly client: GsClient;
  readonly names: ObjectNames;
}

/** As Storage.list. */
export async function* listObjects(context: GsContext, keyPrefix: string, options: CallOptions): AsyncGenerator<ObjectInfo> {
  const { plain, escaped } = context.names.listed(keyPrefix);
  yield* mergedByKey(
    listed(context, plain, (name) => !context.names.isEscaped(name), options),
    listed(context, escaped, () => true, options),
  );
}

async function* listed(context: GsContext, prefix: string, isWanted: (name: string) => boolean, options: CallOptions): AsyncGenerator<ObjectInfo> {
  for await (const object of objectsOf(context, prefix, {}, options)) {
    const key = isWanted(object.name) ? context.names.keyOf(object.name) : undefined;
    if (key !== undefined) yield infoOf(key, object);
  }
}

/** In order of names, all pages. */
export async function* objectsOf(
  { bucket, location, client }: GsContext,
  prefix: string,
  { fields = OBJECT_FIELDS, ...query }: Readonly<Record<string, string>>,
  options: CallOptions,
): AsyncGenerator<GsObject> {
  options.signal.throwIfAborted();
  const what = `list ${location}`;
  let pageToken: string | undefined;
  do {
    const request = { method: "GET", path: `${bucketPath(bucket)}/o`, query: { ...query, prefix, pageToken, fields: `nextPageToken,items(${fields})` } };
    const page = await client.json<{ nextPageToken?: string; items?: GsObject[] }>(what, request, options).catch(throwNoBucket(what));
    for (const object of page?.items ?? []) {
      options.signal.throwIfAborted();
      yield object;
    }
    pageToken = page?.nextPageToken;
  } while (pageToken !== undefined && pageToken !== "");
}

/** Where no object was named, only the bucket can be what is missing. */
export function throwNoBucket(what: string): (error: unknown) => never {
  return (error) => {
    throw (error as { code?: unknown }).code === "STORAGE_NOT_FOUND" ? noBucket(what) : error;
  };
}
