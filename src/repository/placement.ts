// Where a new backup belongs: whether this cluster may write under the name at all, and on which timeline. Decided by binding.ts and
// timeline.ts from what is stored now, and recorded in cluster.json, before the manifest is written.
import { isDeepStrictEqual } from "node:util";
import { type ErrorCode, EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { scanBackups } from "./backup-scan.ts";
import { assertAllowed, checkBinding } from "./binding.ts";
import { listClusters } from "./catalogue.ts";
import {
  adoptedClusterFile,
  type ClusterFile,
  isNewBinding,
  nextClusterFile,
  type ObservedCluster,
  type PlacedBackup,
  readClusterFile,
  writeClusterFile,
} from "./cluster-file.ts";
import { inTurns } from "./in-turns.ts";
import { compareCommonLineage, compareLineage, type LineageVerdict, type NewLineageState } from "./lineage.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { randomId, restoresPrefix } from "./names.ts";
import type { Repository } from "./repository.ts";
import { type RestoreRecord, readRestoreRecord, readRestoreRecords } from "./sidecars.ts";
import { chooseTimeline, type TimelineDecision } from "./timeline.ts";

/** What a manifest will say about the new snapshot, and what can be asked of the snapshot itself. */
export type SnapshotState = Pick<Manifest, "createdAt" | "state" | "raftIndex" | "raftTerm"> & NewLineageState;

/** Of a manifest: one save must not fail for what is wrong with another. Denied is also what was moved to an archive; credentials that have run out store nothing. */
const UNUSABLE: readonly ErrorCode[] = ["MANIFEST_INVALID", "MANIFEST_UNTRUSTED", "REPOSITORY_UNSUPPORTED", "STORAGE_DENIED", "STORAGE_NOT_FOUND"];

/** Of a restore record: its cluster cannot save either. What is denied is as above. */
const POWERLESS: readonly ErrorCode[] = ["REPOSITORY_INVALID", "STORAGE_DENIED", "STORAGE_NOT_FOUND"];

/** So many others changed cluster.json meanwhile only if something is wrong. */
const COMMIT_TRIES_MAX = 5;

/** Throws CLUSTER_MISMATCH when the cluster may not write under this name: as early as a save can know, without a snapshot. */
export async function requireMayWrite({ storage }: Repository, cluster: string, observed: ObservedCluster, options: CallOptions): Promise<void> {
  const bound = await readClusterFile(storage, cluster, options);
  const hasBackups = bound === undefined && (await scanBackups(storage, cluster, options)).length > 0;
  const restores = await readRestoreRecords(storage, cluster, observed.clusterId, options);
  assertAllowed(checkBinding({ cluster, bound: bound?.file, hasBackups, observed, restores, lineage: undefined }));
}

/** Decides the timeline of a checked snapshot and records it. Throws CLUSTER_MISMATCH when its cluster may not write under this name. */
export async function placeBackup(
  { storage }: Repository,
  cluster: string,
  observed: ObservedCluster,
  snapshot: SnapshotState,
  options: CallOptions & { readonly runtime: Pick<Runtime, "now" | "randomBytes"> },
): Promise<TimelineDecision> {
  return retryConflicts(async () => {
    const bound = await readClusterFile(storage, cluster, options);
    const ids = (await scanBackups(storage, cluster, options)).map(({ id }) => id);
    const { newest, previous } = await comparable(storage, cluster, ids, snapshot, options);
    const restores = await readRestoreRecords(storage, cluster, observed.clusterId, options);
    const lineage = lineageOf(newest, previous, snapshot);
    const binding = checkBinding({ cluster, bound: bound?.file, hasBackups: ids.length > 0, observed, restores, lineage });
    assertAllowed(binding);
    const decision = chooseTimeline({
      begunLast: bound?.file.timeline ?? null,
      previous,
      current: { ...snapshot, clusterId: observed.clusterId },
      lineage,
      newTimelineId: randomId(options.runtime.randomBytes),
    });
    const placed: PlacedBackup = { cluster, bound: bound?.file, observed, restore: binding.restore, decision };
    const restoredAt = isNewBinding(placed) ? await restoreTimes(storage, cluster, options) : [];
    const next = nextClusterFile(placed, { now: options.runtime.now(), restoredAt });
    if (next !== undefined) await writeClusterFile(storage, next, bound?.version, options);
    return decision;
  });
}

export interface Adoption {
  /** What is stored now. */
  readonly file: ClusterFile;
  /** False where it was stored before. */
  readonly changed: boolean;
  /** The cluster that the name was bound to before; null for one that had lost its cluster.json. */
  readonly formerClusterId: string | null;
}

/**
 * Binds the name to this cluster whatever it was bound to before: `repo adopt`. Of the cluster that is bound already, its next save may then hold other
 * data than the newest backup. Throws CLUSTER_NOT_FOUND for a name that
 * has neither a binding nor backups: there is nothing to adopt, and the first save binds a new name.
 */
export async function adoptCluster(
  repository: Repository,
  cluster: string,
  observed: ObservedCluster,
  options: CallOptions & { readonly runtime: Pick<Runtime, "now"> },
): Promise<Adoption> {
  const { storage } = repository;
  return retryConflicts(async () => {
    const bound = await readClusterFile(storage, cluster, options);
    if (bound === undefined && (await scanBackups(storage, cluster, options)).length === 0) throw await neverBound(repository, cluster, options);
    const formerClusterId = bound?.file.clusterId ?? null;
    if (bound !== undefined && isAdopted(bound.file, observed)) return { file: bound.file, changed: false, formerClusterId };
    const restoredAt = await restoreTimes(storage, cluster, options);
    const file = adoptedClusterFile(cluster, bound?.file, observed, { now: options.runtime.now(), restoredAt });
    await writeClusterFile(storage, file, bound?.version, options);
    return { file, changed: true, formerClusterId };
  });
}

/** Nothing is left to adopt: also not that its next save may hold other data. */
function isAdopted(bound: ClusterFile, { clusterId, members, kubeSystemUid }: ObservedCluster): boolean {
  return bound.adoptionPending && isDeepStrictEqual([bound.clusterId, bound.members, bound.kubeSystemUid], [clusterId, members, kubeSystemUid]);
}

async function neverBound(repository: Repository, cluster: string, options: CallOptions): Promise<EtcdsafeError> {
  const bound = await listClusters(repository, options);
  const names = bound.length === 0 ? "No name is bound there yet." : `The names there are ${bound.join(", ")}: check --cluster.`;
  return new EtcdsafeError("CLUSTER_NOT_FOUND", `nothing was adopted: the name ${cluster} was never bound in ${repository.storage.location}`, {
    hint: `${names} To use a new name, just save under it: the first save binds it.`,
  });
}

interface Comparable {
  /** The newest good backup. */
  readonly newest: Manifest | undefined;
  /** The newest good one that is older than the snapshot; usually the same. */
  readonly previous: Manifest | undefined;
}

/** Suspect, partial and broken backups are nothing to compare with, and where only signed ones count, neither are those that anybody may have put there. */
async function comparable(storage: Storage, cluster: string, ids: readonly string[], snapshot: SnapshotState, options: CallOptions): Promise<Comparable> {
  let newest: Manifest | undefined;
  for (const id of ids) {
    const manifest = await readIfGood(storage, cluster, id, options);
    if (manifest === undefined) continue;
    newest ??= manifest;
    if (isOlder(manifest, snapshot)) return { newest, previous: manifest };
  }
  return { newest, previous: undefined };
}

/** A save that took longer than a later one is no step back; and a host whose clock is behind saves what is newer all the same. */
function isOlder(manifest: Manifest, snapshot: SnapshotState): boolean {
  const notAbove = (before: string | null, now: string | null) => before === null || now === null || BigInt(before) <= BigInt(now);
  return (
    manifest.createdAt < snapshot.createdAt ||
    (notAbove(manifest.revision, snapshot.revision) && notAbove(manifest.raftIndex, snapshot.raftIndex) && notAbove(manifest.raftTerm, snapshot.raftTerm))
  );
}

function lineageOf(newest: Manifest | undefined, previous: Manifest | undefined, snapshot: SnapshotState): LineageVerdict | undefined {
  // A suspect snapshot is known to differ from what other members hold: that it disagrees with the past as well says nothing new.
  if (snapshot.state === "suspect") return undefined;
  const beside = newest === undefined || newest === previous ? undefined : compareCommonLineage(newest, snapshot);
  if (beside?.verdict === "disagrees") return beside;
  return previous === undefined ? beside : compareLineage(previous, snapshot);
}

async function readIfGood(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Manifest | undefined> {
  const manifest = await unless(UNUSABLE, readManifest(storage, cluster, id, options));
  return manifest?.state === "proven" || manifest?.state === "unconfirmed" ? manifest : undefined;
}

/** When the clusters were restored that are on record under the name, whichever they are. */
async function restoreTimes(storage: Storage, cluster: string, { signal }: CallOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(restoresPrefix(cluster, ""), { signal })) keys.push(key);
  const records = await inTurns(keys, (key) => unless<RestoreRecord>(POWERLESS, readRestoreRecord(storage, key, { signal })));
  return records.flatMap((record) => (record?.purpose === "cluster" ? record.restoredAt : []));
}

/** Undefined where it fails with one of these. */
async function unless<T>(codes: readonly ErrorCode[], reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof EtcdsafeError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!hasCode(error, "STORAGE_CONFLICT") || tries === COMMIT_TRIES_MAX) throw error;
    }
  }
}
