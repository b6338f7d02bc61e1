// cluster.json: which etcd cluster may write under a name, and which timeline it is on. docs/repository-format.md, "Cluster file".
import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type DocumentKind, encodeDocument, readDocument } from "./document.ts";
import type { Manifest } from "./manifest.ts";
import { clusterFileKey } from "./names.ts";
import { clusterFileSchema } from "./schemas/cluster-file.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";

export type ClusterFile = z.infer<typeof clusterFileSchema>;
export type TimelineReason = NonNullable<ClusterFile["timeline"]>["reason"];

/** A cluster as its members and its keyspace show it now. */
export interface ObservedCluster {
  readonly clusterId: string;
  readonly members: ClusterFile["members"];
  /** UID of the namespace kube-system, where the keyspace holds one. */
  readonly kubeSystemUid: string | null;
}

const CLUSTER_FILE: DocumentKind<typeof clusterFileSchema> = {
  schema: clusterFileSchema,
  label: "cluster file",
  invalid: "REPOSITORY_INVALID",
  wayOut:
    "Backups are listed, verified and restored without it. To save again, put it back from a copy, or move it away and bind the name with `etcdsafe repo adopt`.",
};

const FILE_HEAD: Pick<ClusterFile, "format" | "requires"> = { format: FORMAT_VERSION, requires: [] };

/** The stored file and the version to replace it by, or undefined where the name was never bound. */
export async function readClusterFile(
  storage: Storage,
  cluster: string,
  options: CallOptions,
): Promise<{ readonly file: ClusterFile; readonly version: string } | undefined> {
  const key = clusterFileKey(cluster);
  // In this order: a version older than the content only fails the compare-and-swap, the other way round it would pass wrongly.
  const info = await storage.stat(key, options);
  if (info === undefined) return undefined;
  const file = await readDocument(storage, CLUSTER_FILE, key, options);
  if (file.cluster !== cluster) throw new EtcdsafeError("REPOSITORY_INVALID", `${key} belongs to the cluster name ${file.cluster}`);
  return { file, version: info.version };
}

/** Creates the file, or replaces the one of `version`. Throws STORAGE_CONFLICT when somebody else did meanwhile. */
export async function writeClusterFile(storage: Storage, file: ClusterFile, version: string | undefined, { signal }: CallOptions): Promise<void> {
  const key = clusterFileKey(file.cluster);
  await storage.put(key, streamOf(encodeDocument(CLUSTER_FILE, key, file)), {
    signal,
    ...(version === undefined ? { ifAbsent: true } : { ifVersion: version }),
  });
}

export interface PlacedBackup {
  readonly cluster: string;
  readonly bound: ClusterFile | undefined;
  readonly observed: ObservedCluster;
  /** Key of the restore record that allows this cluster. */
  readonly restore: string | null;
  readonly decision: { readonly timeline: string; readonly began: Manifest["timelineBegan"] };
}

/** When something is bound. */
export interface BindingMoment {
  readonly now: Date;
  /** Of every record under the name that says `cluster`: `restoredAt`. Only a new binding depends on it. */
  readonly restoredAt: readonly string[];
}

/** Whether the file gets another binding: a name's first one, or that of a restored cluster. Pure. */
export function isNewBinding({ bound, observed, restore, decision }: PlacedBackup): boolean {
  return bound === undefined || observed.clusterId !== bound.clusterId || (decision.began !== null && restore !== null);
}

/** The file as it has to be once a backup is stored, or undefined when it is so already. Pure. */
export function nextClusterFile(placed: PlacedBackup, moment: BindingMoment): ClusterFile | undefined {
  const { cluster, bound, observed, restore, decision } = placed;
  const { now } = moment;
  const time = now.toISOString();
  const { timeline, began } = decision;
  const next = {
    clusterId: observed.clusterId,
    members: observed.members,
    kubeSystemUid: observed.kubeSystemUid ?? bound?.kubeSystemUid ?? null,
    adoptionPending: false,
    timeline:
      began === null || timeline === bound?.timeline?.id
        ? (bound?.timeline ?? null)
        : { id: timeline, reason: began.reason, after: began.after?.backup ?? null, beganAt: time },
  };
  const boundAt = bindingTime(bound, moment);
  if (bound === undefined) {
    return {
      ...FILE_HEAD,
      cluster,
      ...next,
      updatedAt: time,
      bindings: [{ clusterId: observed.clusterId, boundAt, by: restore === null ? "first-save" : "restore", restore }],
    };
  }
  const binding = { clusterId: observed.clusterId, boundAt, by: "restore" as const, restore };
  const file = { ...bound, ...next, bindings: isNewBinding(placed) ? [...bound.bindings, binding] : bound.bindings };
  return isDeepStrictEqual(file, bound) ? undefined : { ...file, updatedAt: time };
}

/** The file after `repo adopt`: the cluster at hand is the name's, whatever was there before. Pure. */
export function adoptedClusterFile(cluster: string, bound: ClusterFile | undefined, observed: ObservedCluster, moment: BindingMoment): ClusterFile {
  const binding = { clusterId: observed.clusterId, boundAt: bindingTime(bound, moment), by: "adopt" as const, restore: null };
  return {
    ...(bound ?? { ...FILE_HEAD, cluster, timeline: null }),
    clusterId: observed.clusterId,
    members: observed.members,
    kubeSystemUid: observed.kubeSystemUid,
    updatedAt: moment.now.toISOString(),
    bindings: [...(bound?.bindings ?? []), binding],
    adoptionPending: true,
  };
}

/**
 * After all that was bound and restored before, though clocks of other hosts be ahead of this one: what was restored before a binding is abandoned by it
 * (isOutdated in binding.ts). Where a clock was that far ahead that nothing comes after it, at the same time.
 */
function bindingTime(bound: ClusterFile | undefined, { now, restoredAt }: BindingMoment): string {
  const earlier = [...(bound?.bindings ?? []).map(({ boundAt }) => boundAt), ...restoredAt];
  return new Date(Math.min(LAST_TIME, Math.max(now.getTime(), ...earlier.map((time) => Date.parse(time) + 1)))).toISOString();
}

/** Later ones are written with more digits, and are no times of a document. */
const LAST_TIME = Date.parse("9999-12-31T23:59:59.999Z");
