// What a restore loses, as far as anything shows how far the cluster went. Pure.
import { type Evidence, highest, type RevisionJump } from "./evidence.ts";
import type { SourceFacts } from "./source.ts";

/** Part of the plan: from the source to the newest evidence. More may be lost, of which nothing is known. */
export interface PlannedLoss {
  /** Null where nothing is known to be newer than the source. */
  readonly newest: Evidence | null;
  /** Changes, decimal; null where nothing newer is known. */
  readonly revisions: string | null;
  readonly secondsBetween: number | null;
  /** `revisions` is the most it can be, not the least. */
  readonly upperBound: boolean;
}

export function planLoss(source: SourceFacts, evidence: readonly Evidence[], jumps: readonly RevisionJump[]): PlannedLoss {
  const before = BigInt(source.revision);
  const newest = highest(evidence);
  if (newest === undefined || BigInt(newest.revision) <= before) return { newest: null, revisions: null, secondsBetween: null, upperBound: false };
  const to = BigInt(newest.revision);
  return {
    newest,
    revisions: (to - before - jumpedOver(jumps, before, to)).toString(),
    secondsBetween: secondsBetween(source.createdAt, newest.at),
    upperBound: newest.isUpperBound,
  };
}

/** How many revisions above `from` and up to `to` never were, because restores jumped over them. */
function jumpedOver(jumps: readonly RevisionJump[], from: bigint, to: bigint): bigint {
  let covered = from;
  let sum = 0n;
  for (const jump of jumps.toSorted((a, b) => (a.from < b.from ? -1 : 1))) {
    const [start, end] = [jump.from > covered ? jump.from : covered, jump.to < to ? jump.to : to];
    if (end <= start) continue;
    sum += end - start;
    covered = end;
  }
  return sum;
}

/** Null where a time is not known, or clocks disagree on which was first. */
function secondsBetween(from: string | null, to: string | null): number | null {
  if (from === null || to === null) return null;
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  return seconds < 0 ? null : seconds;
}
