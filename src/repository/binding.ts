// Whether a cluster may write under a name: docs/repository-format.md, "Binding", whose order of rules this keeps. Pure.
import { EtcdsafeError } from "../errors.ts";
import type { ClusterFile, ObservedCluster } from "./cluster-file.ts";
import type { LineageVerdict } from "./lineage.ts";
import type { RestoreRecord } from "./sidecars.ts";

export interface BindingFacts {
  readonly cluster: string;
  /** What the name is bound to, if it is. */
  readonly bound: ClusterFile | undefined;
  readonly hasBackups: boolean;
  readonly observed: ObservedCluster;
  /** The restore records of the observed cluster id. */
  readonly restores: readonly { readonly key: string; readonly record: RestoreRecord }[];
  /** The new snapshot against the newest backup before it; undefined while there is no snapshot yet, or none to compare with. */
  readonly lineage: LineageVerdict | undefined;
}

export type BindingDecision =
  | { readonly allowed: true; readonly restore: string | null }
  | { readonly allowed: false; readonly reason: BindingRefusal; readonly message: string; readonly hint?: string };

export type BindingRefusal =
  | "binding-missing"
  | "drill"
  | "kube-system-differs"
  | "cluster-id-differs"
  | "peer-urls-differ"
  | "members-replaced"
  | "lineage-disagrees";

/** Adopting it unseen would make a damaged member's data the cluster's. */
const COMPARE_MEMBERS_FIRST =
  "First compare the members (`etcdctl endpoint hashkv --cluster --rev N`, with the smallest revision that `etcdctl endpoint status --cluster -w json` shows). Where they differ, save from one that a majority agrees with (without --member). " +
  "Where all agree, either this cluster or the one that saved last is a copy of the other: the copy gets a --cluster name of its own, and the right one, where it is refused, takes the name back with `etcdsafe repo adopt`.";

/** Decides. `restore` is the key of the unused restore record that makes this cluster the successor, if there is one. */
export function checkBinding(facts: BindingFacts): BindingDecision {
  const { cluster, bound, hasBackups, observed, restores, lineage } = facts;
  if (bound === undefined && hasBackups) return refuse("binding-missing", `${cluster} holds backups, but no cluster.json says of which cluster`);
  const used = new Set(bound?.bindings.map(({ restore }) => restore));
  const unused = restores.filter(({ key, record }) => record.purpose === "cluster" && !used.has(key));
  const restore = unused.find(({ record }) => !isOutdated(record.restoredAt, bound))?.key ?? null;
  if (observed.clusterId !== bound?.clusterId && restores.some(({ record }) => record.purpose === "drill")) {
    return refuse("drill", `cluster ${observed.clusterId} was restored as a drill, and drills never write to the repository they came from`);
  }
  if (bound === undefined) return { allowed: true, restore };
  if (bound.kubeSystemUid !== null && observed.kubeSystemUid !== null && bound.kubeSystemUid !== observed.kubeSystemUid) {
    return refuse(
      "kube-system-differs",
      `${cluster} belongs to the Kubernetes cluster whose kube-system has UID ${bound.kubeSystemUid}; this one's has ${observed.kubeSystemUid}`,
    );
  }
  if (observed.clusterId !== bound.clusterId) {
    if (restore !== null) return { allowed: true, restore };
    return refuse(
      "cluster-id-differs",
      `${cluster} belongs to cluster ${bound.clusterId}; this is cluster ${observed.clusterId}${notSuccessor(facts, bound, unused)}`,
    );
  }
  const replaced = membersRefusal(bound, observed);
  if (replaced !== undefined) return replaced;
  if (lineage?.verdict === "disagrees" && restore === null && !bound.adoptionPending) {
    return refuse(
      "lineage-disagrees",
      `this snapshot and the newest backup of ${cluster} hold different data at revision ${lineage.firstDifference} though both come from cluster ${bound.clusterId}: ` +
        "a copy of the cluster, a restore that is not on record, or a member whose data is damaged",
      COMPARE_MEMBERS_FIRST,
    );
  }
  return { allowed: true, restore };
}

/**
 * Whether a cluster that was restored then has been overtaken: since, the name was bound to another one, or once more, and what was restored before that is
 * abandoned. Clocks that differ do not mislead it: a binding is dated after every restore on record, and a restore not before the binding that it has seen.
 */
export function isOutdated(restoredAt: string, bound: Pick<ClusterFile, "bindings"> | undefined): boolean {
  const last = bound?.bindings.at(-1);
  return last !== undefined && Date.parse(restoredAt) < Date.parse(last.boundAt);
}

/** Throws CLUSTER_MISMATCH for a refusal. */
export function assertAllowed(decision: BindingDecision): asserts decision is Extract<BindingDecision, { allowed: true }> {
  if (decision.allowed) return;
  const { message, hint } = decision;
  throw new EtcdsafeError("CLUSTER_MISMATCH", message, hint === undefined ? {} : { hint });
}

function notSuccessor({ observed }: BindingFacts, bound: ClusterFile, unused: BindingFacts["restores"]): string {
  if (bound.bindings.some(({ clusterId }) => clusterId === observed.clusterId)) return ", which it succeeded";
  const [outdated] = unused;
  if (outdated === undefined) return ", and no restore on record makes that its successor";
  return `, which was restored (${outdated.record.restoredAt}) before the name passed to that one (${bound.bindings.at(-1)!.boundAt})`;
}

/** Members come and go, but one that kept its id and moved, or a wholly new set, looks like a cluster built elsewhere. */
function membersRefusal(bound: ClusterFile, observed: ObservedCluster): BindingDecision | undefined {
  const known = new Map(bound.members.map((member) => [member.id, member]));
  const common = observed.members.filter(({ id }) => known.has(id));
  for (const member of common) {
    const before = known.get(member.id)!.peerUrls;
    if (!member.peerUrls.some((url) => before.includes(url))) {
      return refuse(
        "peer-urls-differ",
        `member ${member.id} of cluster ${bound.clusterId} had the peer URLs ${before.join(", ")} and now has ${member.peerUrls.join(", ")}`,
      );
    }
  }
  if (common.length > 0 || bound.members.length === 0) return undefined;
  return refuse("members-replaced", `none of the members that cluster ${bound.clusterId} had at its last backup is left: ${[...known.keys()].join(", ")}`);
}

function refuse(reason: BindingRefusal, message: string, hint?: string): BindingDecision {
  return { allowed: false, reason, message, ...(hint === undefined ? {} : { hint }) };
}
