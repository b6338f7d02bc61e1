// Whether a snapshot continues the history of an earlier one, by what manifests hold: docs/repository-format.md, "Lineage sample". Pure.
import { compareLineage as compareSamples, type LineagePoint, type LineageSample as Sample } from "../etcd-files/mvcc/lineage-sample.ts";
import type { LineageSample, Manifest } from "./manifest.ts";

/** What is needed of each of two snapshots; a manifest has it. */
export type LineageState = Pick<Manifest, "revision" | "compactRevision" | "lineageSample">;

/** Of the new one, which is at hand. */
export interface NewLineageState extends LineageState {
  /** Below `compactRevision` while a compaction is not finished; of any meaning only where it has a sample. */
  readonly finishedCompactRevision: string;
  /** What it holds of the rows that a snapshot at this revision names as its newest. Only called where it has a sample. */
  newestRowsAt(revision: bigint): readonly string[];
}

export interface LineageVerdict {
  /** `unknown` when one of them has no sample, or no row could tell. */
  readonly verdict: "agrees" | "disagrees" | "unknown";
  /** Rows that could tell. */
  readonly compared: number;
  /** The lowest revision at which they differ. */
  readonly firstDifference: string | null;
}

/** As a manifest holds it, from what the check of a snapshot found. */
export function lineageSampleOf({ threshold, hashes, newest }: Sample): LineageSample {
  return { threshold, rows: [...hashes], newest: [...newest] };
}

/** Compares the newest known snapshot of a history with a new one that is said to continue it. */
export function compareLineage(older: LineageState, newer: NewLineageState): LineageVerdict {
  // That a revision went back is another finding (timeline.ts): only what both had the time to hold is compared.
  return verdictOf(older, newer, { floor: -1n, ceiling: BigInt(newer.revision) });
}

/** Compares with a snapshot that was taken about then, before or after: by the rows that neither may have compacted, and both had the time to hold. */
export function compareCommonLineage(other: LineageState, newer: NewLineageState): LineageVerdict {
  const floors = [other, newer].map(({ compactRevision, revision }) => BigInt(compactRevision ?? revision));
  const floor = floors[0]! > floors[1]! ? floors[0]! : floors[1]!;
  const ceiling = BigInt(other.revision) < BigInt(newer.revision) ? BigInt(other.revision) : BigInt(newer.revision);
  return verdictOf(other, newer, { floor, ceiling });
}

/** By the two samples, and by the newest rows of the older one. */
function verdictOf(older: LineageState, newer: NewLineageState, range: Range): LineageVerdict {
  if (older.lineageSample === null || newer.lineageSample === null) return { verdict: "unknown", compared: 0, firstDifference: null };
  const finished = BigInt(newer.finishedCompactRevision);
  const sampled = compareSamples(pointOf(older, older.lineageSample, range), pointOf(newer, newer.lineageSample, range, finished));
  const { newest } = older.lineageSample;
  const there = newer.newestRowsAt(BigInt(older.revision));
  const late = compareSamples(pointOf(older, all(newest), range), pointOf(newer, all(there), range, finished));
  const compared = sampled.compared + late.compared;
  const [lowest] = [...sampled.differing, ...late.differing].map(revisionOf).sort((a, b) => (a < b ? -1 : 1));
  if (lowest !== undefined) return { verdict: "disagrees", compared, firstDifference: String(lowest) };
  return { verdict: compared === 0 ? "unknown" : "agrees", compared, firstDifference: null };
}

/** Only rows above `floor` and up to `ceiling` are compared. */
interface Range {
  readonly floor: bigint;
  readonly ceiling: bigint;
}

type Rows = Pick<LineageSample, "threshold" | "rows">;

function all(rows: readonly string[]): Rows {
  return { threshold: "f".repeat(16), rows: [...rows] };
}

function pointOf({ revision, compactRevision }: LineageState, { threshold, rows }: Rows, { floor, ceiling }: Range, finished = -1n): LineagePoint {
  const hashes = rows.filter((row) => revisionOf(row) > floor && revisionOf(row) <= ceiling);
  return {
    sample: { threshold, hashes },
    revision: BigInt(revision),
    // Of an unknown compaction revision, nothing old must be left.
    compactRevision: BigInt(compactRevision ?? revision),
    finishedCompactRevision: finished,
  };
}

function revisionOf(row: string): bigint {
  return BigInt(row.slice(0, row.indexOf(":")));
}
