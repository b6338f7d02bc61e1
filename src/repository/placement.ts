// Where a new backup belongs: whether this cluster may write under the name at all, and on which timeline. Decided by binding.ts and
// timeline.ts from what is stored now, and recorded in cluster.json, before the manifest is written.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { scanBackups } from "./backup-scan.ts";
import { assertAllowed, checkBinding } from "./binding.ts";
import { adoptedClusterFile, type ClusterFile, nextClusterFile, type ObservedCluster, readClusterFile, writeClusterFile } from "./cluster-file.ts";
import { compareLineage } from "./lineage.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { randomId } from "./names.ts";
import type { Repository } from "./repository.ts";
import { readRestoreRecords } from "./sidecars.ts";
import { chooseTimeline, type TimelineDecision } from "./timeline.ts";

/** What a manifest will say about the new snapshot. */
export type SnapshotState = Pick<Manifest, "createdAt" | "state" | "revision" | "compactRevision" | "raftIndex" | "raftTerm" | "lineageSample">;

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
    const previous = await newestGoodBefore(storage, cluster, ids, snapshot.createdAt, options);
    const restores = await readRestoreRecords(storage, cluster, observed.clusterId, options);
    // A suspect snapshot holds other data than the cluster's majority: that it disagrees with the past as well says nothing new.
    const lineage = previous === undefined || snapshot.state === "suspect" ? undefined : compareLineage(previous, snapshot);
    const binding = checkBinding({ cluster, bound: bound?.file, hasBackups: ids.length > 0, observed, restores, lineage });
    assertAllowed(binding);
    const decision = chooseTimeline({
      begunLast: bound?.file.timeline ?? null,
      previous,
      current: { ...snapshot, clusterId: observed.clusterId },
      lineage,
      newTimelineId: randomId(options.runtime.randomBytes),
    });
    const next = nextClusterFile({ cluster, bound: bound?.file, observed, restore: binding.restore, decision, now: options.runtime.now() });
    if (next !== undefined) await writeClusterFile(storage, next, bound?.version, options);
    return decision;
  });
}

/** Binds the name to this cluster whatever it was bound to before: `repo adopt`. Returns what is stored now. */
export async function adoptCluster(
  { storage }: Repository,
  cluster: string,
  observed: ObservedCluster,
  options: CallOptions & { readonly runtime: Pick<Runtime, "now"> },
): Promise<ClusterFile> {
  return retryConflicts(async () => {
    const bound = await readClusterFile(storage, cluster, options);
    const file = adoptedClusterFile(cluster, bound?.file, observed, options.runtime.now());
    await writeClusterFile(storage, file, bound?.version, options);
    return file;
  });
}

/** The newest backup that can be compared with and began before `createdAt`: a save that took longer than a later one is no step back. */
async function newestGoodBefore(
  storage: Storage,
  cluster: string,
  ids: readonly string[],
  createdAt: string,
  options: CallOptions,
): Promise<Manifest | undefined> {
  for (const id of ids) {
    try {
      const manifest = await readManifest(storage, cluster, id, options);
      if (manifest.createdAt < createdAt && (manifest.state === "proven" || manifest.state === "unconfirmed")) return manifest;
    } catch (error) {
      const unusable = error instanceof EtcdsafeError && ["MANIFEST_INVALID", "REPOSITORY_UNSUPPORTED", "STORAGE_NOT_FOUND"].includes(error.code);
      if (!unusable) throw error;
    }
  }
  return undefined;
}

async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || error.code !== "STORAGE_CONFLICT" || tries === COMMIT_TRIES_MAX) throw error;
    }
  }
}
