// Whether a cluster has had the ids that a plan's token makes. They follow from members and token alone: with those of a cluster that was there before, an
// old member that comes back is taken for one of the restored cluster, and brings the log of the former one into it (etcd-formats §4.1).

import { EtcdsafeError } from "../errors.ts";
import { readClusterFile } from "../repository/cluster-file.ts";
import { type RestoreRecord, readRestoreRecords } from "../repository/sidecars.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type FoundMember, isUnstarted, type OwnMember, ownMember } from "./found-member.ts";
import type { RestorePlan } from "./plan.ts";
import type { SnapshotSource } from "./source.ts";

/** Where the ids may be known from. */
export interface KnownClusters {
  readonly source: Pick<SnapshotSource, "members" | "logPosition">;
  /** What lies in the targets on this host. */
  readonly found: readonly FoundMember[];
  /** Null where no repository is named, or it cannot be read. */
  readonly stored: StoredUse | null;
}

/** What a repository knows of one cluster id. */
export interface StoredUse {
  readonly location: string;
  /** Whether the cluster has saved there. */
  readonly hasSaved: boolean;
  readonly restores: readonly { readonly key: string; readonly record: RestoreRecord }[];
}

export async function storedUse(storage: Storage, cluster: string, clusterId: string, options: CallOptions): Promise<StoredUse> {
  const bound = await readClusterFile(storage, cluster, options);
  return {
    location: storage.location,
    hasSaved: bound?.file.bindings.some((each) => each.clusterId === clusterId) ?? false,
    restores: await readRestoreRecords(storage, cluster, clusterId, options),
  };
}

/**
 * Pure. Throws TOKEN_USED. What other runs of the same restore have written, on this host or on record, is no use before; but whether that of a record was
 * started since, nobody here knows, and a warning says so.
 */
export function requireUnusedToken(plan: RestorePlan, known: KnownClusters): string[] {
  const use = useOf(plan, known);
  if (use !== undefined) throw tokenUsed(plan, use);
  const [record] = known.stored?.restores ?? [];
  return record === undefined ? [] : [onRecord(known.stored!.location, record, "Take a new token then.")];
}

/**
 * The same of a saved plan, whose ids no other restore has, and of which nothing is in the targets of this run. Throws TOKEN_USED where one run writes all of its
 * members, and one did.
 */
export function requireNotCarriedOut(plan: RestorePlan, stored: StoredUse | null): string[] {
  const [record] = stored?.restores ?? [];
  if (record === undefined) return [];
  const { location } = stored!;
  if (plan.members.some(({ dataDir }) => dataDir === null)) return [onRecord(location, record, "Make a new plan then, and use it on every host.")];
  throw new EtcdsafeError(
    "TOKEN_USED",
    `this plan was carried out at ${record.record.restoredAt} (${location}: ${record.key}), and what it wrote is not in its place any more`,
    {
      hint: "Make a new plan: it goes beyond what the cluster may have served since, and an old member that comes back is not taken for one of the new cluster's.",
    },
  );
}

function onRecord(location: string, { key, record }: StoredUse["restores"][number], way: string): string {
  return (
    `A run of this restore is on record since ${record.restoredAt} (${location}: ${key}): right where the members that it wrote were not started, or still run. ` +
    `IF ONE THAT WAS STARTED IS LOST, or is run from a copy, STOP: when it comes back, its log is mixed with the restored data. ${way}`
  );
}

export function tokenUsed({ token, clusterId }: Pick<RestorePlan, "token" | "clusterId">, use: string): EtcdsafeError {
  return new EtcdsafeError("TOKEN_USED", `the token ${JSON.stringify(token)} was used before: with these members it makes cluster ${clusterId}, and ${use}`);
}

/** All members of the plan are here, as an earlier run has restored them. */
function isAllUnstarted(plan: RestorePlan, { found }: Pick<KnownClusters, "found">): boolean {
  return plan.members.every(({ name }) => found.some((each) => each.target === name && ownMember(plan, each) !== undefined && isUnstarted(plan, each)));
}

export function usedBy({ memberDir, revision }: OwnMember): string {
  return `${memberDir} is a member of it${revision === null ? "" : `, at revision ${revision}`}`;
}

function useOf(plan: RestorePlan, { source, found, stored }: KnownClusters): string | undefined {
  const { clusterId, members, revision } = plan;
  const ids = new Set(members.map(({ id }) => id));
  if (source.logPosition?.clusterId === clusterId) return "the source is of that very cluster";
  const former = source.members.find(({ id }) => ids.has(id));
  if (former !== undefined) return `the source knows its member ${former.name || former.id} (${former.id}) already`;
  const writesAll = members.every(({ dataDir }) => dataDir !== null);
  for (const each of found) {
    const own = ownMember(plan, each);
    // Of members that nobody has started, all may be written anew, and some at no other revision than the others.
    if (own === undefined || own.state === "as restored" || (writesAll && isUnstarted(plan, each))) continue;
    return usedBy(own);
  }
  if (stored === null) return undefined;
  if (stored.hasSaved) return `that has saved to ${stored.location}`;
  if (isAllUnstarted(plan, { found })) return undefined; // It is being restored again, and nobody has used it.
  const other = stored.restores.find(({ record }) => record.revisionAfter !== revision.after || record.parent.revision !== revision.before);
  if (other === undefined) return undefined;
  return `${stored.location}: ${other.key} says that it was restored at ${other.record.restoredAt}, to begin at revision ${other.record.revisionAfter}`;
}
