// Which revision a restored cluster starts from. Pure.
// A client that saw a higher one misses changes in silence, or fails, when revisions go back and are given out anew to other changes. So the
// revision is moved beyond all that the cluster can have served, and everything before it marked as compacted: watches from before then fail
// at once, and their clients begin anew (etcd-formats §4.6).
import { EtcdsafeError } from "../errors.ts";
import { type Evidence, highest } from "./evidence.ts";
import type { SourceFacts } from "./source.ts";

/** `auto`: beyond all evidence. A decimal amount: added to the source's revision, as etcdutl does. `none`: the source's revision stays. */
export type RevisionBump = "auto" | "none" | (string & {});

/** Part of the plan. Revisions are decimal strings. */
export interface PlannedRevision {
  readonly before: string;
  readonly after: string;
  readonly bump: RevisionBump;
  /** after − before; null where it stays. */
  readonly bumpedBy: string | null;
  readonly markCompacted: boolean;
  /** The source's first. */
  readonly evidence: readonly Evidence[];
}

/** The distance that etcd's documentation uses: more than a cluster writes between two backups, in years of 30 changes a second. */
const AUTO_DISTANCE = 1_000_000_000n;
/** The check of rows counts to 2^53 (key-row.ts); half of that is left for revisions to come. */
const AFTER_MAX = 2n ** 52n;

/**
 * `added` is how many revisions the restore itself writes behind the source's last, before the revision is moved.
 * Throws USAGE where that leaves no room for revisions to come, or for the added ones.
 */
export function planRevision(source: SourceFacts, bump: RevisionBump, found: readonly Evidence[], added: 0 | 1 = 0): PlannedRevision {
  const evidence = [sourceEvidence(source), ...found];
  const before = BigInt(source.revision);
  const most = highest(evidence)!;
  const after = bump === "none" ? before + BigInt(added) : bump === "auto" ? BigInt(most.revision) + AUTO_DISTANCE : before + BigInt(bump);
  if (bump !== "none" && after > AFTER_MAX) throw noRoom(bump, most);
  if (bump !== "none" && after <= before + BigInt(added)) throw noRoomForAdded(bump);
  const bumpedBy = bump === "none" ? null : (after - before).toString();
  return { before: before.toString(), after: after.toString(), bump, bumpedBy, markCompacted: bump !== "none", evidence };
}

/** What to know of clients before the cluster is started: nothing where the revision is beyond all evidence, as `auto` makes it. */
export function revisionWarnings({ after, bump, evidence }: PlannedRevision): string[] {
  const most = highest(evidence)!;
  const seen = `${most.isUpperBound ? "up to " : ""}${most.revision} (${most.where})`;
  if (bump === "none") {
    const back =
      BigInt(most.revision) > BigInt(after)
        ? `The revision goes back: the cluster has served ${seen}, and will start at ${after}.`
        : `The revision stays at ${after}.`;
    return [`${back} ${CLIENTS_THAT_BREAK}`];
  }
  // At the very revision too: a watch that goes on behind it would not be told that it missed something.
  if (BigInt(most.revision) >= BigInt(after))
    return [`--bump-revision ${bump} IS TOO LITTLE: it ends at ${after}, but the cluster has served ${seen}. Give --bump-revision auto. ${CLIENTS_THAT_BREAK}`];
  return [];
}

const CLIENTS_THAT_BREAK =
  "Clients that saw a higher revision than that miss changes in silence or fail: Kubernetes API servers with their watch caches, and behind them controllers, " +
  "schedulers, kubelets and operators with informers; anything else that watches, or compares revisions (Patroni, Cilium, Calico, locks and elections). " +
  "Stop all of them before the restored cluster starts, and start them after it.";

function sourceEvidence({ location, revision, createdAt }: SourceFacts): Evidence {
  return { kind: "source", where: location, revision, isUpperBound: false, at: createdAt };
}

function noRoomForAdded(bump: RevisionBump): EtcdsafeError {
  return new EtcdsafeError("USAGE", `--bump-revision ${bump} leaves no room for the revision in which keys lose their leases`, {
    hint: "Give a larger amount; 1000000000 is customary.",
  });
}

function noRoom(bump: RevisionBump, most: Evidence): EtcdsafeError {
  if (bump === "auto") {
    return new EtcdsafeError("USAGE", `--bump-revision auto leaves no room for revisions to come: ${most.where} shows revision ${most.revision}`, {
      hint: "If that cannot be true, give the amount yourself: --bump-revision 1000000000 moves the source's revision ahead by so many.",
    });
  }
  return new EtcdsafeError("USAGE", `--bump-revision ${bump} leaves no room for revisions to come`, { hint: "1000000000 is customary." });
}
