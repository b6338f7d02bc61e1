// What Azure Blob Storage can do besides keeping objects: versions where the account keeps them, immutability of single versions where the container
// has it, blocks that were staged and never committed, its clock.
import type { BlobImmutabilityPolicyMode, BlobItem } from "@azure/storage-blob";
import { clockReading } from "../bytes/date-header.ts";
import { hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { discardBlocks, ownerOfBlock } from "./azblob-blocks.ts";
import { type AzblobContext, type Below, blobsOf, infoOf, listedByKey } from "./azblob-list.ts";
import { readBlob } from "./azblob-read.ts";
import type { LockedObject, LockState, Locks, ObjectVersion, StoreClock, UnfinishedUpload, UnfinishedUploads, Versions } from "./capabilities.ts";

export function azblobVersions(context: AzblobContext): Versions {
  return {
    /** Only an administrator is told of the account's setting: versions there, or a container that demands them, show it. */
    isEnabled: async (options) => {
      const properties = await propertiesOf(context, options);
      if (properties.isImmutableStorageWithVersioningEnabled === true) return true;
      for await (const { versionId } of blobsOf(context, context.names.listed("").plain, { includeVersions: true }, options)) return isSome(versionId);
      return false;
    },
    list: (prefix, options) => listedByKey(context, prefix, (below) => versionsBelow(context, below, options)),
    read: (key, versionId, options) => readBlob(context, { key, what: `read version ${versionId} of ${key} in ${context.location}`, versionId }, options),
  };
}

/** The service lists the oldest first, and does not say when a blob was deleted: what has no current version is told of without a mark. */
async function* versionsBelow(context: AzblobContext, { prefix, keyOf }: Below, options: CallOptions): AsyncGenerator<ObjectVersion> {
  let versions: BlobItem[] = [];
  for await (const blob of blobsOf(context, prefix, { includeVersions: true }, options)) {
    if (versions[0] !== undefined && versions[0].name !== blob.name) yield* newestFirst(versions, keyOf);
    if (versions[0]?.name !== blob.name) versions = [];
    versions.push(blob);
  }
  yield* newestFirst(versions, keyOf);
}

/** Version ids are times in ISO 8601. */
function* newestFirst(versions: readonly BlobItem[], keyOf: Below["keyOf"]): Generator<ObjectVersion> {
  for (const { name, versionId = "", properties } of versions.toSorted((a, b) => ((a.versionId ?? "") < (b.versionId ?? "") ? 1 : -1))) {
    const key = keyOf(name);
    if (key !== undefined && isSome(versionId)) yield { ...infoOf(key, properties), versionId, isDeleteMarker: false };
  }
}

export function azblobLocks(context: AzblobContext): Locks {
  const { client, names, location } = context;
  const locks: Locks = {
    place: "a container with version-level immutability (`az storage container-rm create --enable-vlw true`)",
    /** A container's default retention is known to administrators only. */
    defaults: async (options) => {
      const { isImmutableStorageWithVersioningEnabled: canLock } = await propertiesOf(context, options);
      return canLock === true ? { retention: undefined } : undefined;
    },
    lock: async (key, versionId, { retention, legalHold }, options) => {
      const what = `lock ${key} in ${location}`;
      if (retention !== undefined) {
        const policyMode: BlobImmutabilityPolicyMode = retention.mode === "compliance" ? "Locked" : "Unlocked";
        const policy = { policyMode, expiriesOn: retention.until };
        await client.tried(
          what,
          (container, call) => container.getBlobClient(names.nameOf(key)).withVersion(versionId).setImmutabilityPolicy(policy, call),
          options,
        );
      }
      if (legalHold === undefined) return;
      await client.tried(what, (container, call) => container.getBlobClient(names.nameOf(key)).withVersion(versionId).setLegalHold(legalHold, call), options);
    },
    state: async (key, versionId, options) => {
      const what = `look up the locks of ${key} in ${location}`;
      const found = await client.tried(
        what,
        (container, call) => container.getBlobClient(names.nameOf(key)).withVersion(versionId).getProperties(call),
        options,
      );
      return lockState(found);
    },
    canHold: async (options) => (await locks.defaults(options)) !== undefined,
    list: (prefix, options) => listedByKey(context, prefix, (below) => lockedBelow(context, below, options)),
  };
  return locks;
}

/** The listing itself tells it. */
async function* lockedBelow(context: AzblobContext, { prefix, keyOf }: Below, options: CallOptions): AsyncGenerator<LockedObject> {
  for await (const { name, properties } of blobsOf(context, prefix, { includeImmutabilityPolicy: true, includeLegalHold: true }, options)) {
    const key = keyOf(name);
    const lock = lockState(properties);
    if (key !== undefined && (lock.legalHold || lock.retention !== undefined)) yield { key, lock };
  }
}

type AzblobLock = Pick<BlobItem["properties"], "immutabilityPolicyExpiresOn" | "immutabilityPolicyMode" | "legalHold">;

function lockState({ immutabilityPolicyExpiresOn: until, immutabilityPolicyMode: mode, legalHold = false }: AzblobLock): LockState {
  return { retention: until && { mode: mode?.toLowerCase() === "locked" ? "compliance" : "governance", until }, legalHold };
}

/** Of blobs that were never committed; blocks staged over one that exists are not listed by the service, and gone within a week. */
export function azblobUnfinished(context: AzblobContext): UnfinishedUploads {
  return {
    list: (prefix, options) => listedByKey(context, prefix, (below) => unfinishedBelow(context, below, options)),
    abort: (upload, options) => discard(context, upload, options),
  };
}

async function* unfinishedBelow(context: AzblobContext, { prefix, keyOf }: Below, options: CallOptions): AsyncGenerator<UnfinishedUpload> {
  for await (const { name, properties } of blobsOf(context, prefix, { includeUncommitedBlobs: true }, options)) {
    const key = keyOf(name);
    if (key !== undefined && (properties.contentLength ?? 0) === 0) yield* uploadsTo(context, key, options);
  }
}

async function* uploadsTo({ client, names, location }: AzblobContext, key: string, options: CallOptions): AsyncGenerator<UnfinishedUpload> {
  const what = `look up unfinished uploads of ${key} in ${location}`;
  const blocks = await client
    .tried(what, (container, call) => container.getBlockBlobClient(names.nameOf(key)).getBlockList("uncommitted", call), options)
    .catch(ifGone);
  const owners = new Map(
    (blocks?.uncommittedBlocks ?? []).map(({ name }) => ownerOfBlock(name)).flatMap((owner) => (owner ? [[owner.id, owner] as const] : [])),
  );
  for (const { id, startedAt } of owners.values()) yield { key, uploadId: id, startedAt };
}

async function discard({ client, names, location }: AzblobContext, { key }: UnfinishedUpload, options: CallOptions): Promise<void> {
  await discardBlocks(client, { name: names.nameOf(key), what: `discard the unfinished upload of ${key} in ${location}` }, options);
}

function ifGone(error: unknown): undefined {
  if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
  throw error;
}

export function azblobClock(context: AzblobContext, runtime: Pick<Runtime, "monotonicMs">): StoreClock {
  return {
    now: async (options) => {
      const startedMs = runtime.monotonicMs();
      const { date } = await propertiesOf(context, options);
      return clockReading(date?.toUTCString(), runtime.monotonicMs() - startedMs);
    },
  };
}

function propertiesOf({ client, location }: AzblobContext, options: CallOptions) {
  return client.tried(`look at the container of ${location}`, (container, call) => container.getProperties(call), options);
}

function isSome(versionId: string | undefined): versionId is string {
  return versionId !== undefined && versionId !== "";
}
