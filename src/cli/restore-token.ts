// The token that is given with a restore: the ids that it makes are those of runs of the same restore, and must be no other cluster's.
import { formatId } from "../bytes/u64.ts";
import type { Config } from "../config/config.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { StoredUse } from "../restore/used-token.ts";
import type { Invocation } from "./command.ts";
import { openForReading } from "./repository.ts";
import type { RestoreMembers } from "./restore-members.ts";

/**
 * The cluster id that all runs of this restore have, where each run gets to it by itself: a token is given, and so is the amount that the revision is moved by.
 * With `auto`, what is on record of that id counts as all else. Throws MEMBERS_INVALID.
 */
export async function clusterOfRuns(config: Config, { cluster, token }: RestoreMembers): Promise<string | undefined> {
  if (token === undefined || config.get("bump-revision") === "auto") return undefined;
  const { planCluster } = await import("../etcd-files/membership/plan-cluster.ts");
  return formatId(planCluster(cluster, token).clusterId);
}

/**
 * Throws TOKEN_USED where the source, the targets on this host or the repository know the plan's ids of another cluster than the one that it restores. Gives
 * what is to be known where they cannot tell.
 */
export async function requireNewCluster(invocation: Invocation, plan: RestorePlan, source: SnapshotSource): Promise<string[]> {
  const [{ foundMembers }, { findUnfinished }, { requireUnusedToken }, { targetsOf }] = await Promise.all([
    import("../restore/found-member.ts"),
    import("../restore/unfinished.ts"),
    import("../restore/used-token.ts"),
    import("../restore/targets.ts"),
  ]);
  try {
    const unfinished = await findUnfinished(targetsOf(plan).map(({ dataDir }) => dataDir));
    // A restore that was interrupted while it put these very members in place is settled first.
    if (unfinished.some(({ journal }) => journal.result.plan.clusterId === plan.clusterId)) return [];
    const found = await foundMembers(plan, invocation);
    return requireUnusedToken(plan, { source, found, stored: await useInRepository(invocation, plan) });
  } catch (error) {
    if (hasCode(error, "RESTORE_UNFINISHED")) return []; // Who writes there says so.
    throw error;
  }
}

/** What the repository knows of a plan's cluster; null where none is named, or it cannot be read. */
export async function useInRepository(invocation: Invocation, { clusterId }: RestorePlan): Promise<StoredUse | null> {
  const { config, signal } = invocation;
  if (config.get("repository") === undefined) return null;
  const { storedUse } = await import("../restore/used-token.ts");
  try {
    const { storage } = await openForReading(invocation);
    return await storedUse(storage, config.get("cluster"), clusterId, { signal });
  } catch (error) {
    // Whatever keeps it from being read, or that it is another tool's, was said when it was looked at for evidence.
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    return null;
  }
}
