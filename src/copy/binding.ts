// Whose backups a name of the target holds once it has been copied to, and whether that may be: docs/repository-format.md, "Copies". Pure.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import type { ClusterFile } from "../repository/cluster-file.ts";
import type { Manifest } from "../repository/manifest.ts";

export interface BindingSides {
  readonly cluster: string;
  readonly source: ClusterFile | undefined;
  readonly target: ClusterFile | undefined;
  /** Of the backups on either side that can be read. */
  readonly sourceManifests: readonly Pick<Manifest, "clusterId">[];
  readonly targetManifests: readonly Pick<Manifest, "clusterId">[];
  /** Where the target is, for messages. */
  readonly location: string;
}

/** The cluster file that the target has to have; undefined where it stays as it is. Throws CLUSTER_MISMATCH where two clusters' backups would be mixed. */
export function carriedBinding({ cluster, source, target, sourceManifests, targetManifests, location }: BindingSides): ClusterFile | undefined {
  const ours = idsOf(source, sourceManifests);
  const theirs = idsOf(target, targetManifests);
  if (theirs.size > 0 && ours.size > 0 && ours.isDisjointFrom(theirs)) {
    throw mismatch(`${cluster} in ${location} belongs to cluster ${[...theirs].at(-1)}, and the backups to be copied are of ${[...ours].at(-1)}`);
  }
  const [uid, uidThere] = [source?.kubeSystemUid ?? null, target?.kubeSystemUid ?? null];
  if (uid !== null && uidThere !== null && uid !== uidThere) {
    throw mismatch(`${cluster} in ${location} belongs to the Kubernetes cluster whose kube-system has UID ${uidThere}, and what is to be copied to ${uid}`);
  }
  if (source === undefined || target === undefined) return source;
  return isContinuedBy(target, source) ? source : undefined;
}

/** Whether the target's file is an older state of the source's: nobody has bound anything there since. */
function isContinuedBy(target: ClusterFile, source: ClusterFile): boolean {
  return isDeepStrictEqual(source.bindings.slice(0, target.bindings.length), target.bindings) && source.updatedAt > target.updatedAt;
}

/** Every cluster that is known to be behind the name, the present one last. */
function idsOf(file: ClusterFile | undefined, manifests: readonly Pick<Manifest, "clusterId">[]): ReadonlySet<string> {
  const bound = file === undefined ? [] : [...file.bindings.map(({ clusterId }) => clusterId), file.clusterId];
  return new Set(file === undefined ? manifests.flatMap(({ clusterId }) => clusterId ?? []) : bound);
}

function mismatch(message: string): EtcdsafeError {
  return new EtcdsafeError("CLUSTER_MISMATCH", `${message}: the two have never been the same cluster`, {
    hint: "Copy to a repository of its own, or to another prefix: a backup keeps its cluster's name. Nothing was written.",
  });
}
