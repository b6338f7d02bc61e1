// Whether a snapshot continues the history of an earlier one, by what manifests hold: docs/repository-format.md, "Lineage sample". Pure.
import { compareLineage as compareSamples, type LineagePoint, type LineageSample as Sample } from "../etcd-files/mvcc/lineage-sample.ts";
import type { LineageSample, Manifest } from "./manifest.ts";

/** What is needed of each of two snapshots; a manifest has it. */
export type LineageState = Pick<Manifest, "revision" | "compactRevision" | "lineageSample">;

export interface LineageVerdict {
  /** `unknown` when one of them has no sample, or no row could tell. */
  readonly verdict: "agrees" | "disagrees" | "unknown";
  /** Rows that could tell. */
  readonly compared: number;
  /** The lowest revision at which they differ. */
  readonly firstDifference: string | null;
}

/** As a manifest holds it, from what the check of a snapshot found. */
export function lineageSampleOf({ threshold, hashes }: Sample): LineageSample {
  return { threshold, rows: [...hashes] };
}

/** Compares the newest known snapshot of a history with a new one that is said to continue it. */
export function compareLineage(older: LineageState, newer: LineageState): LineageVerdict {
  // That a revision went back is another finding (timeline.ts): only what both had the time to hold is compared.
  const revision = BigInt(newer.revision);
  return verdictOf(pointOf(older, -1n, revision), pointOf(newer, -1n, revision));
}

/** Compares two snapshots of which nobody knows which one is older: by the rows that neither may have compacted, and both had the time to hold. */
export function compareCommonLineage(a: LineageState, b: LineageState): LineageVerdict {
  const floors = [a, b].map(({ compactRevision, revision }) => BigInt(compactRevision ?? revision));
  const floor = floors[0]! > floors[1]! ? floors[0]! : floors[1]!;
  const ceiling = BigInt(a.revision) < BigInt(b.revision) ? BigInt(a.revision) : BigInt(b.revision);
  return verdictOf(pointOf(a, floor, ceiling), pointOf(b, floor, ceiling));
}

/** A snapshot's sampled rows above `floor` and up to `ceiling`; undefined where it has no sample. */
function pointOf({ revision, compactRevision, lineageSample }: LineageState, floor: bigint, ceiling: bigint): LineagePoint | undefined {
  if (lineageSample === null) return undefined;
  const hashes = lineageSample.rows.filter((row) => revisionOf(row) > floor && revisionOf(row) <= ceiling);
  // Of an unknown compaction revision, nothing old must be left.
  return { sample: { threshold: lineageSample.threshold, hashes }, revision: BigInt(revision), compactRevision: BigInt(compactRevision ?? revision) };
}

function verdictOf(older: LineagePoint | undefined, newer: LineagePoint | undefined): LineageVerdict {
  if (older === undefined || newer === undefined) return { verdict: "unknown", compared: 0, firstDifference: null };
  const { compared, differing } = compareSamples(older, newer);
  if (differing.length === 0) return { verdict: compared === 0 ? "unknown" : "agrees", compared, firstDifference: null };
  const [lowest] = differing.map(revisionOf).sort((a, b) => (a < b ? -1 : 1));
  return { verdict: "disagrees", compared, firstDifference: String(lowest) };
}

function revisionOf(row: string): bigint {
  return BigInt(row.slice(0, row.indexOf(":")));
}
