// Whether a snapshot continues the history of an earlier one, by what manifests hold: docs/repository-format.md, "Lineage sample". Pure.
import { compareLineage as compareSamples, type LineageSample as Sample } from "../etcd-files/mvcc/lineage-sample.ts";
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
  if (older.lineageSample === null || newer.lineageSample === null) return { verdict: "unknown", compared: 0, firstDifference: null };
  const newerRevision = BigInt(newer.revision);
  // That a revision went back is another finding (timeline.ts): only what both had the time to hold is compared.
  const olderRows = older.lineageSample.rows.filter((row) => revisionOf(row) <= newerRevision);
  const { compared, differing } = compareSamples(
    { sample: { ...older.lineageSample, hashes: olderRows }, revision: BigInt(older.revision), compactRevision: BigInt(older.compactRevision ?? -1) },
    // Of an unknown compaction revision, nothing old must be left.
    {
      sample: { ...newer.lineageSample, hashes: newer.lineageSample.rows },
      revision: newerRevision,
      compactRevision: BigInt(newer.compactRevision ?? newer.revision),
    },
  );
  if (differing.length === 0) return { verdict: compared === 0 ? "unknown" : "agrees", compared, firstDifference: null };
  const [lowest] = differing.map(revisionOf).sort((a, b) => (a < b ? -1 : 1));
  return { verdict: "disagrees", compared, firstDifference: String(lowest) };
}

function revisionOf(row: string): bigint {
  return BigInt(row.slice(0, row.indexOf(":")));
}
