// A bucket of Google Cloud Storage as a storage. Its generations are versions; holds and retention of single objects are its locks.
// Resumable uploads that were never finished cannot be listed: the store forgets them after a week.
import { Buffer } from "node:buffer";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { type Buffers, buffersOf } from "./buffers.ts";
import { gsClock, gsLocks, gsVersions } from "./gs-capabilities.ts";
import { openGsClient } from "./gs-client.ts";
import { type GsContext, listObjects, throwNoBucket } from "./gs-list.ts";
import { type GsObject, infoOf, OBJECT_FIELDS, objectPath } from "./gs-objects.ts";
import { readObject } from "./gs-read.ts";
import { CHUNK_SIZE_BYTES, upload } from "./gs-upload.ts";
import { objectNames } from "./object-names.ts";
import type { StorageSettings } from "./settings.ts";
import type { ObjectInfo, PutOptions, ReadOptions, Storage } from "./storage.ts";

/** What a bucket refuses in names, or tools get lost in. https://cloud.google.com/storage/docs/objects#naming */
const NOT_PLAIN = /\p{Cc}|(?:^|\/)\.{1,2}(?:\/|$)|^\.well-known\/acme-challenge\/|\/$/u;
const NAME_SIZE_BYTES_MAX = 1024;
const BUFFERS_KEPT_MAX = 4;

export interface GsLocation {
  readonly bucket: string;
  /** "" for the whole bucket; else without slashes at its ends. */
  readonly prefix: string;
}

type GsRuntime = Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">;

/** Nothing is sent yet. Throws CONFIG_INVALID where a file that the settings name cannot be read. */
export async function openGsStorage(
  { bucket, prefix }: GsLocation,
  settings: Pick<StorageSettings, "connection" | "gs">,
  runtime: GsRuntime,
): Promise<Storage> {
  const client = await openGsClient(settings, runtime);
  const names = objectNames(prefix, (name) => !NOT_PLAIN.test(name) && Buffer.byteLength(name) <= NAME_SIZE_BYTES_MAX);
  const location = `gs://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  const buffers = buffersOf(CHUNK_SIZE_BYTES, BUFFERS_KEPT_MAX);
  const context = { bucket, location, client, names };
  return {
    location,
    capabilities: { putIfAbsent: true, putIfVersion: true },
    versions: gsVersions(context),
    locks: gsLocks(context),
    clock: gsClock(context, runtime),
    put: (key, body, options) => put(context, { settings, runtime, buffers }, key, body, options),
    read: (key, options) => read(context, key, options),
    stat: (key, options) => lookUp(context, key, options),
    list: (keyPrefix, options) => listObjects(context, keyPrefix, options),
    remove: (key, options) => remove(context, key, options),
  };
}

interface PutContext {
  readonly settings: Pick<StorageSettings, "gs">;
  readonly runtime: GsRuntime;
  readonly buffers: Buffers;
}

async function put(context: GsContext, { settings, runtime, buffers }: PutContext, key: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo> {
  const { ifAbsent, ifVersion, signal } = options;
  signal.throwIfAborted();
  const what = `write ${key} in ${context.location}`;
  if (ifVersion !== undefined && !/^\d+$/.test(ifVersion)) throw new EtcdsafeError("STORAGE_CONFLICT", `cannot ${what}: no generation is called ${ifVersion}`);
  const { storageClass, kmsKey } = settings.gs;
  const conditions = { ifGenerationMatch: ifAbsent === true ? "0" : ifVersion };
  const id = Buffer.from(runtime.randomBytes(16)).toString("hex");
  const target = { place: { bucket: context.bucket, name: context.names.nameOf(key) }, id, what, conditions, storageClass, kmsKey };
  return infoOf(key, await upload(context.client, target, body, buffers, { signal }).catch(throwNoBucket(what)));
}

async function* read(context: GsContext, key: string, options: ReadOptions): AsyncGenerator<Uint8Array> {
  const place = { bucket: context.bucket, name: context.names.nameOf(key) };
  yield* readObject(context.client, { place, what: `read ${key} in ${context.location}`, generation: undefined }, options);
}

async function lookUp({ bucket, location, client, names }: GsContext, key: string, options: CallOptions): Promise<ObjectInfo | undefined> {
  const path = objectPath({ bucket, name: names.nameOf(key) });
  const object = await client.json<GsObject>(
    `look up ${key} in ${location}`,
    { method: "GET", path, query: { fields: OBJECT_FIELDS }, expected: [404] },
    options,
  );
  return object && infoOf(key, object);
}

async function remove({ bucket, location, client, names }: GsContext, key: string, options: CallOptions): Promise<void> {
  await client.json(`remove ${key} in ${location}`, { method: "DELETE", path: objectPath({ bucket, name: names.nameOf(key) }), expected: [404] }, options);
}
