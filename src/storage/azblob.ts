// A container of Azure Blob Storage as a storage: block blobs.
import { Buffer } from "node:buffer";
import type { ByteStream } from "../bytes/stream.ts";
import { hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { azblobClock, azblobLocks, azblobUnfinished, azblobVersions } from "./azblob-capabilities.ts";
import { openAzblobClient } from "./azblob-client.ts";
import { type AzblobContext, etagOf, infoOf, listObjects } from "./azblob-list.ts";
import { readBlob } from "./azblob-read.ts";
import { BLOCK_SIZE_BYTES, upload } from "./azblob-upload.ts";
import { type Buffers, buffersOf } from "./buffers.ts";
import { objectNames } from "./object-names.ts";
import type { AzblobSettings, StorageSettings } from "./settings.ts";
import type { ObjectInfo, PutOptions, Storage } from "./storage.ts";

/**
 * What the service, a URL or a proxy on the way may change: parts that end with a dot or are empty, backslashes; and what it does not sort by its bytes.
 * https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
 */
const NOT_PLAIN = /[^\x20-\x7e]|\\|\.(?:\/|$)|\/\/|\/$|^\//;
const NAME_LENGTH_MAX = 1024;
const NAME_PARTS_MAX = 254;
const BUFFERS_KEPT_MAX = 8;

export interface AzblobLocation {
  readonly account: string;
  readonly container: string;
  /** "" for the whole container; else without slashes at its ends. */
  readonly prefix: string;
}

type AzblobRuntime = Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">;

/** Nothing is sent yet. Throws CONFIG_INVALID where a file that the settings name cannot be read, or has the credentials of another account. */
export async function openAzblobStorage(
  { account, container, prefix }: AzblobLocation,
  settings: Pick<StorageSettings, "connection" | "azblob">,
  runtime: AzblobRuntime,
): Promise<Storage> {
  const client = await openAzblobClient({ account, container }, settings, runtime);
  const names = objectNames(prefix, isPlain);
  const location = `azblob://${account}/${container}${prefix === "" ? "" : `/${prefix}`}`;
  const buffers = buffersOf(BLOCK_SIZE_BYTES, BUFFERS_KEPT_MAX);
  const context = { location, client, names };
  return {
    location,
    capabilities: { putIfAbsent: true, putIfVersion: true },
    versions: azblobVersions(context),
    locks: azblobLocks(context),
    unfinished: azblobUnfinished(context),
    clock: azblobClock(context, runtime),
    put: (key, body, options) => put(context, { settings: settings.azblob, runtime, buffers }, key, body, options),
    read: (key, options) => readBlob(context, { key, what: `read ${key} in ${location}`, versionId: undefined }, options),
    stat: (key, options) => lookUp(context, key, options),
    list: (keyPrefix, options) => listObjects(context, keyPrefix, options),
    remove: (key, options) => remove(context, key, options),
  };
}

function isPlain(name: string): boolean {
  return !NOT_PLAIN.test(name) && name.length <= NAME_LENGTH_MAX && name.split("/").length <= NAME_PARTS_MAX;
}

interface PutContext {
  readonly settings: AzblobSettings;
  readonly runtime: AzblobRuntime;
  readonly buffers: Buffers;
}

async function put(
  context: AzblobContext,
  { settings, runtime, buffers }: PutContext,
  key: string,
  body: ByteStream,
  options: PutOptions,
): Promise<ObjectInfo> {
  const { ifAbsent, ifVersion, signal } = options;
  signal.throwIfAborted();
  const target = {
    name: context.names.nameOf(key),
    id: Buffer.from(runtime.randomBytes(8)).toString("hex"),
    startedAt: runtime.now(),
    what: `write ${key} in ${context.location}`,
    conditions: ifAbsent === true ? { ifNoneMatch: "*" } : ifVersion === undefined ? {} : { ifMatch: etagOf(ifVersion) },
    accessTier: settings.accessTier,
    encryptionScope: settings.encryptionScope,
  };
  const { sizeBytes, ...facts } = await upload(context.client, target, body, buffers, { signal });
  return infoOf(key, { contentLength: sizeBytes, ...facts });
}

async function lookUp({ location, client, names }: AzblobContext, key: string, options: CallOptions): Promise<ObjectInfo | undefined> {
  const found = await ifThere(
    client.tried(`look up ${key} in ${location}`, (container, call) => container.getBlobClient(names.nameOf(key)).getProperties(call), options),
  );
  return found && infoOf(key, found);
}

async function remove({ location, client, names }: AzblobContext, key: string, options: CallOptions): Promise<void> {
  await ifThere(client.tried(`remove ${key} in ${location}`, (container, call) => container.getBlobClient(names.nameOf(key)).delete(call), options));
}

async function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}
