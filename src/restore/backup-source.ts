// A stored backup as what is restored from. One that was never looked into, a partial one, has its facts read from its own pages first.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import type { BackupEntry } from "../repository/catalogue.ts";
import { readClusterFile } from "../repository/cluster-file.ts";
import { bundleObject, type Manifest, snapshotObject } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import { decodeObject, encryptedTo, type OpenOptions, openObject } from "../repository/object-decoder.ts";
import type { Repository } from "../repository/repository.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import type { FormerMember } from "./former-members.ts";
import { peekObject } from "./peek-object.ts";
import { type DatabaseFacts, type LogPosition, peekedFacts, type SnapshotSource, type SourceFacts } from "./source.ts";

export interface SourceOptions extends OpenOptions {
  /** Not so for a plan that is only shown: that needs no key. */
  readonly isToBeRead?: boolean;
}

/**
 * Throws SNAPSHOT_DAMAGED for a backup that later reading found damaged: restoring it could only fail. Of one that was looked into when it was saved
 * nothing is read yet, but for trying the keys where there are any; of any other it throws as well what reading its object throws, and SNAPSHOT_* where that holds no database to restore.
 */
export async function backupSource({ storage }: Repository, cluster: string, entry: BackupEntry, options: SourceOptions): Promise<SnapshotSource> {
  const { manifest } = entry;
  if (entry.state === "damaged") {
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${entry.id} is damaged: ${entry.damage.join("; ")}`, {
      hint: `\`etcdsafe list\` shows the others. Where only reading it had failed, \`etcdsafe verify ${entry.id}\` finds it good again, and then it can be restored.`,
    });
  }
  const object = snapshotObject(manifest);
  const key = backupObjectKey(cluster, entry.id, object.name);
  const facts: Omit<SourceFacts, keyof DatabaseFacts> = {
    kind: "backup",
    location: `${storage.location}: ${entry.id}`,
    cluster,
    backupId: entry.id,
    state: entry.state,
    createdAt: manifest.createdAt,
    databaseSha256: manifest.snapshot.dataSha256,
    databaseSizeBytes: manifest.snapshot.dataSizeBytes,
    hashKv: manifest.hashKv,
    ...(manifest.bundle === undefined ? {} : { bundle: manifest.bundle }),
  };
  const bundle = bundleSource(storage, cluster, manifest, options.keys);
  const logPosition = positionOf(manifest, facts.location);
  const beside = {
    members: await knownMembers(storage, cluster, manifest, options),
    ...(bundle === undefined ? {} : { bundle }),
    ...(logPosition === undefined ? {} : { logPosition }),
  };
  const recorded = recordedFacts(manifest);
  // One that does not fit is to be found out before anything is planned.
  if (object.encryption !== null && (options.keys !== undefined || options.isToBeRead === true)) await openObject(storage, key, object, options);
  if (recorded !== undefined)
    return {
      facts: { ...facts, ...recorded },
      ...beside,
      content: { read: (reading) => decodeObject(storage, key, object, { ...reading, keys: options.keys }) },
    };
  const reader = await openObject(storage, key, object, options);
  const found = await peekObject(facts.location, reader, options);
  requireRecordedRevision(facts.location, manifest, found.revision);
  return { facts: { ...facts, ...peekedFacts(found) }, ...beside, content: { read: (reading) => reader.stream(reading) } };
}

function bundleSource(storage: Storage, cluster: string, manifest: Manifest, keys: OpenOptions["keys"]): SnapshotSource["bundle"] {
  const object = bundleObject(manifest);
  if (object === undefined) return undefined;
  const label = `${storage.location}: ${manifest.id}/${object.name}`;
  return {
    read: async (reading) => {
      const [{ readBundle }, { bundleDifferences }] = await Promise.all([import("../bundle/read.ts"), import("../bundle/holds.ts")]);
      const bundle = await readBundle(label, decodeObject(storage, backupObjectKey(cluster, manifest.id, object.name), object, { ...reading, keys }));
      const [difference] = bundleDifferences(manifest, bundle);
      if (difference !== undefined) throw new EtcdsafeError("BUNDLE_INVALID", `${label} is not what was saved: ${difference}`);
      return bundle;
    },
  };
}

/** The members alone do not tell it: a name's later clusters may have the same. */
function positionOf({ clusterId, raftIndex, revision }: Manifest, where: string): LogPosition | undefined {
  if (raftIndex === null || clusterId === null) return undefined;
  return { where, revision: BigInt(revision), consistentIndex: BigInt(raftIndex), clusterId, memberIds: [] };
}

/** For a plan that is made without a key. */
export function keyNeeded({ id, manifest }: BackupEntry): string[] {
  const object = snapshotObject(manifest);
  return object.encryption === null ? [] : [`${id} is encrypted ${encryptedTo(object)}: restoring it takes --identity-file or --passphrase-file.`];
}

/** When the backup was taken, and when the cluster last saved under its name: who has joined since may be alive as well. */
async function knownMembers(storage: Storage, cluster: string, { members }: Manifest, options: CallOptions): Promise<FormerMember[]> {
  const bound = await readClusterFile(storage, cluster, options).catch(() => undefined); // A restore does not need the file.
  options.signal.throwIfAborted();
  const known = [...(members ?? []), ...(bound?.file.members ?? [])].map(({ id, name, peerUrls, clientUrls }) => ({ id, name, peerUrls, clientUrls }));
  return known.filter((member, index) => known.findIndex((other) => isDeepStrictEqual(other, member)) === index);
}

/** Undefined for a backup that nobody looked into: its manifest holds no more than the revision that the cluster had before the snapshot. */
function recordedFacts({ state, revision, compactRevision, storageVersion, clusterVersion, counts, alarms, authEnabled }: Manifest): DatabaseFacts | undefined {
  if (state === "partial" || compactRevision === null) return undefined;
  return {
    revision,
    compactRevision,
    storageVersion,
    clusterVersion,
    leases: counts?.leases ?? 0,
    alarms: alarms?.length ?? 0,
    authEnabled: authEnabled ?? false,
  };
}

/** The manifest's revision is that of the cluster just before the snapshot was asked for, or of the newest change in it. */
function requireRecordedRevision(location: string, manifest: Manifest, found: bigint): void {
  if (found >= BigInt(manifest.revision)) return;
  throw new EtcdsafeError("MANIFEST_INVALID", `${location}: the manifest says that it holds revision ${manifest.revision}, but its snapshot ends at ${found}`);
}
