// What shows how far a cluster's revisions went: its newest one is never known for sure, only what can be found of it.

/** Plain JSON, part of the plan. The cluster has served at least `revision`, or with `isUpperBound` at most that, where nothing newer is known. */
export interface Evidence {
  readonly kind: "source" | "backup" | "restore-record" | "data-directory" | "given";
  /** For people: a backup, a file, the option that gave it. */
  readonly where: string;
  /** Decimal. */
  readonly revision: string;
  readonly isUpperBound: boolean;
  /** When that was so, RFC 3339; null where it is not known. */
  readonly at: string | null;
}

/** A restore took the cluster from revision `from` to `to`: between them there is none. */
export interface RevisionJump {
  readonly from: bigint;
  readonly to: bigint;
}

export interface GatheredEvidence {
  readonly found: readonly Evidence[];
  readonly jumps: readonly RevisionJump[];
  /** What could not be read, and what that means; one text each. */
  readonly warnings: readonly string[];
}

export const NO_EVIDENCE: GatheredEvidence = { found: [], jumps: [], warnings: [] };

export function joinEvidence(parts: readonly GatheredEvidence[]): GatheredEvidence {
  return { found: parts.flatMap(({ found }) => found), jumps: parts.flatMap(({ jumps }) => jumps), warnings: parts.flatMap(({ warnings }) => warnings) };
}

/** The one with the highest revision; of equal ones the first, and one that is certain before an upper bound. Undefined for none. */
export function highest(evidence: readonly Evidence[]): Evidence | undefined {
  return evidence.reduce<Evidence | undefined>((most, each) => (most === undefined || isAbove(each, most) ? each : most), undefined);
}

function isAbove(a: Evidence, b: Evidence): boolean {
  const [left, right] = [BigInt(a.revision), BigInt(b.revision)];
  return left > right || (left === right && b.isUpperBound && !a.isUpperBound);
}
