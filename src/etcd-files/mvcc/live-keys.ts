// How many keys are live, without remembering keys. Up to the compaction every key has one row that a compaction there would leave, and is
// live when that is a put. After it each put of version 1 makes one key live, and each tombstone ends one.
import type { HashPlan } from "./hash-kv.ts";
import type { KeyRowCursor } from "./key-row.ts";

export class LiveKeys {
  readonly #plan: HashPlan;
  #atCompaction = 0;
  /** What the rows after the compaction change, up to each revision of the plan. */
  readonly #changes: Float64Array;
  #changesInAll = 0;
  /** Markers of --bump-revision are all puts of the empty key, and have no version. */
  #markerAtCompaction = false;
  #firstMarkerAfter = Number.POSITIVE_INFINITY;

  constructor(plan: HashPlan) {
    this.#plan = plan;
    this.#changes = new Float64Array(plan.revisions.length);
  }

  /** Adds a row. `bits` says at which revisions of the plan it is superseded. Answers by how much its key's liveness changes: 1, 0 or -1. */
  add({ main, tombstone, marker, keyValue }: KeyRowCursor, bits: number): number {
    const { compacted, unfinishedBit, revisions } = this.#plan;
    if (main <= compacted) {
      if (tombstone || (unfinishedBit !== undefined && (bits & (1 << unfinishedBit)) !== 0)) return 0;
      this.#atCompaction += 1;
      if (marker) this.#markerAtCompaction = true;
      return marker ? 0 : 1;
    }
    if (marker) {
      this.#firstMarkerAfter = Math.min(this.#firstMarkerAfter, main);
      return 0;
    }
    const change = tombstone ? -1 : keyValue.version === 1 ? 1 : 0;
    if (change === 0) return 0;
    this.#changesInAll += change;
    for (let index = 0; index < revisions.length; index++) {
      if (main <= (revisions[index] as number)) this.#changes[index] = (this.#changes[index] as number) + change;
    }
    return change;
  }

  /** At the file's own revision, after all rows. */
  get count(): number {
    return this.#countAt(Number.MAX_SAFE_INTEGER, this.#changesInAll);
  }

  /** At revision number `bit` of the plan, which is not before the compaction. */
  countAt(bit: number): number {
    return this.#countAt(this.#plan.revisions[bit] ?? 0, this.#changes[bit] ?? 0);
  }

  #countAt(revision: number, changes: number): number {
    return this.#atCompaction + changes + (!this.#markerAtCompaction && this.#firstMarkerAfter <= revision ? 1 : 0);
  }
}
