// What Google Cloud Storage can do besides keeping objects: generations of a versioned bucket, retention and holds of single objects, its clock.

import { clockReading } from "../bytes/date-header.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { LockedObject, LockMode, LockState, Locks, ObjectVersion, StoreClock, Versions } from "./capabilities.ts";
import { type GsContext, objectsOf } from "./gs-list.ts";
import { bucketPath, type GsLock, type GsObject, infoOf, LOCK_FIELDS, objectPath } from "./gs-objects.ts";
import { readObject } from "./gs-read.ts";
import { mergedByKey } from "./object-names.ts";

const SECONDS_PER_DAY = 86_400;
/** Between the end of one generation and the beginning of the one that took its place. */
const OVERWRITING_MS_MAX = 1000;

/** https://cloud.google.com/storage/docs/json_api/v1/buckets#resource */
interface GsBucket {
  readonly versioning?: { readonly enabled?: boolean };
  readonly objectRetention?: { readonly mode?: string };
  readonly retentionPolicy?: { readonly retentionPeriod?: string; readonly isLocked?: boolean };
}

/** Locked retention cannot be shortened by anyone; unlocked by whoever may override it. */
const MODES: Readonly<Record<"Locked" | "Unlocked", LockMode>> = { Locked: "compliance", Unlocked: "governance" };

export function gsVersions(context: GsContext): Versions {
  return {
    isEnabled: async (options) => (await bucketOf(context, "versioning", options)).versioning?.enabled === true,
    list: (prefix, options) => {
      const { plain, escaped } = context.names.listed(prefix);
      return mergedByKey(
        versionsBelow(context, plain, (name) => !context.names.isEscaped(name), options),
        versionsBelow(context, escaped, () => true, options),
      );
    },
    read: (key, versionId, options) => {
      const place = { bucket: context.bucket, name: context.names.nameOf(key) };
      return readObject(context.client, { place, what: `read version ${versionId} of ${key} in ${context.location}`, generation: versionId }, options);
    },
  };
}

async function* versionsBelow(context: GsContext, prefix: string, isWanted: (name: string) => boolean, options: CallOptions): AsyncGenerator<ObjectVersion> {
  let name: string | undefined;
  let generations: GsObject[] = [];
  for await (const object of objectsOf(context, prefix, { versions: "true" }, options)) {
    if (object.name !== name) yield* versionsOf(context, generations);
    if (object.name !== name) generations = [];
    name = object.name;
    if (isWanted(name)) generations.push(object);
  }
  yield* versionsOf(context, generations);
}

/** The newest first. A bucket keeps no delete markers: an object whose generation had an end before there was another was deleted then. */
function* versionsOf({ names }: GsContext, generations: readonly GsObject[]): Generator<ObjectVersion> {
  const [first] = generations;
  const key = first === undefined ? undefined : names.keyOf(first.name);
  if (key === undefined) return;
  let nextCreatedAt = Infinity;
  for (const object of generations.toSorted((a, b) => (BigInt(a.generation) < BigInt(b.generation) ? 1 : -1))) {
    const deletedAt = new Date(object.timeDeleted ?? Number.NaN);
    if (deletedAt.getTime() + OVERWRITING_MS_MAX < nextCreatedAt) {
      const mark = `${object.generation}-deleted`;
      yield { key, sizeBytes: 0, modifiedAt: deletedAt, version: mark, versionId: mark, isDeleteMarker: true };
    }
    const version = infoOf(key, object);
    nextCreatedAt = version.modifiedAt.getTime();
    yield { ...version, isDeleteMarker: false };
  }
}

export function gsLocks(context: GsContext): Locks {
  const request = (key: string, versionId: string) => ({
    path: objectPath({ bucket: context.bucket, name: context.names.nameOf(key) }),
    query: { generation: versionId, fields: LOCK_FIELDS },
  });
  return {
    place: "a bucket that was made with retention of objects (`gcloud storage buckets create --enable-per-object-retention`)",
    defaults: async (options) => {
      const { objectRetention, retentionPolicy } = await bucketOf(context, "objectRetention,retentionPolicy", options);
      const seconds = Number(retentionPolicy?.retentionPeriod ?? 0);
      if (seconds > 0)
        return { retention: { mode: retentionPolicy?.isLocked === true ? "compliance" : "governance", days: Math.ceil(seconds / SECONDS_PER_DAY) } };
      return objectRetention?.mode === "Enabled" ? { retention: undefined } : undefined;
    },
    lock: async (key, versionId, { retention, legalHold }, options) => {
      const changes: GsLock = {
        ...(retention && { retention: { mode: retention.mode === "compliance" ? "Locked" : "Unlocked", retainUntilTime: retention.until.toISOString() } }),
        ...(legalHold !== undefined && { temporaryHold: legalHold }),
      };
      const headers = { "content-type": "application/json" };
      const patch = { method: "PATCH", ...request(key, versionId), headers, body: [Buffer.from(JSON.stringify(changes))] };
      await context.client.json(`lock ${key} in ${context.location}`, patch, options);
    },
    state: async (key, versionId, options): Promise<LockState> => {
      const found = await context.client.json<GsLock>(
        `look up the locks of ${key} in ${context.location}`,
        { method: "GET", ...request(key, versionId) },
        options,
      );
      return lockState(found ?? {});
    },
    // A hold can be put on any object, whatever the bucket was made with.
    canHold: async () => true,
    list: (prefix, options) => locked(context, prefix, options),
  };
}

/** The listing itself tells it. */
async function* locked(context: GsContext, keyPrefix: string, options: CallOptions): AsyncGenerator<LockedObject> {
  const { plain, escaped } = context.names.listed(keyPrefix);
  for (const [prefix, isEscaped] of [
    [plain, false],
    [escaped, true],
  ] as const) {
    for await (const object of objectsOf(context, prefix, { fields: `name,${LOCK_FIELDS}` }, options)) {
      const key = isEscaped === context.names.isEscaped(object.name) ? context.names.keyOf(object.name) : undefined;
      const lock = lockState(object);
      if (key !== undefined && (lock.legalHold || lock.retention !== undefined)) yield { key, lock };
    }
  }
}

function lockState({ retention, temporaryHold, eventBasedHold, retentionExpirationTime: byBucket }: GsLock): LockState {
  const own = retention && { mode: MODES[retention.mode], until: new Date(retention.retainUntilTime) };
  const ofBucket = byBucket === undefined ? undefined : { mode: "compliance" as const, until: new Date(byBucket) };
  const [longest] = [ofBucket, own].filter((each) => each !== undefined).sort((a, b) => b.until.getTime() - a.until.getTime());
  return { retention: longest, legalHold: temporaryHold === true || eventBasedHold === true };
}

export function gsClock({ bucket, location, client }: GsContext, runtime: Pick<Runtime, "monotonicMs">): StoreClock {
  return {
    now: async (options) => {
      const startedMs = runtime.monotonicMs();
      const what = `ask ${location} for the time`;
      const date = await client.dateHeader(what, { method: "GET", path: `${bucketPath(bucket)}/o`, query: { maxResults: "1", fields: "kind" } }, options);
      return clockReading(date, runtime.monotonicMs() - startedMs);
    },
  };
}

async function bucketOf({ bucket, location, client }: GsContext, fields: string, options: CallOptions): Promise<GsBucket> {
  return (await client.json<GsBucket>(`look at the bucket of ${location}`, { method: "GET", path: bucketPath(bucket), query: { fields } }, options)) ?? {};
}
