// In which order the leaves of a scan are read, and how many of them at once.
import type { PageList } from "./page-list.ts";
import type { Pages } from "./walk.ts";

/** Which leaves are scanned: those that may hold a key in [from, to). */
export interface ScanRange {
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
  /** Leaves whose bound is below this are scanned a second time: they have been, or will be, checked by another scan. */
  readonly firstFrom?: Uint8Array;
  /** The whole scan is a repetition. */
  readonly again?: boolean;
}

/** Slots stay below this, and page ids below 2^33, so that a page and its slot fit one double, which sorts fast. */
const SLOT_LIMIT: number = 2 ** 20;
/** Measured best with the processor's caches; a larger page is read whole. */
const WINDOW_SIZE_BYTES = 256 * 1024;
/** Reading this much that is not wanted costs no more than another system call, and less on a disk that has to seek. */
const GAP_SIZE_BYTES = 64 * 1024;

/** The leaves of a list that are in range, by their place in the file. */
export class LeafOrder {
  length = 0;
  #entries = new Float64Array(0);

  fill(list: PageList, range: ScanRange): void {
    if (this.#entries.length < list.length) this.#entries = new Float64Array(list.length);
    this.length = 0;
    let sorted = true;
    for (let slot = 0; slot < list.length; slot++) {
      const id = list.pageId(slot);
      if (id === 0 || !inRange(list, slot, range)) continue;
      const entry = id * SLOT_LIMIT + slot;
      if (this.length > 0 && entry < (this.#entries[this.length - 1] as number)) sorted = false;
      this.#entries[this.length] = entry;
      this.length += 1;
    }
    if (!sorted) this.#entries.subarray(0, this.length).sort();
  }

  pageIdAt(index: number): number {
    return Math.floor((this.#entries[index] as number) / SLOT_LIMIT);
  }

  slotAt(index: number): number {
    return (this.#entries[index] as number) % SLOT_LIMIT;
  }

  /** How many bytes to read from the leaf at `index` on: as many of the following leaves as lie close enough, each thought to have `overflow`. */
  windowSize(index: number, overflow: number, { pageSizeBytes, highWaterMark }: Pages): number {
    const likelySize = (overflow + 1) * pageSizeBytes;
    const start = this.pageIdAt(index) * pageSizeBytes;
    let end = start + likelySize;
    for (let next = index + 1; next < this.length; next++) {
      const offset = this.pageIdAt(next) * pageSizeBytes;
      if (offset - end > GAP_SIZE_BYTES || offset + likelySize - start > WINDOW_SIZE_BYTES) break;
      end = Math.max(end, offset + likelySize);
    }
    return Math.min(end, highWaterMark * pageSizeBytes) - start;
  }
}

export function inRange(list: PageList, slot: number, { from, to }: ScanRange): boolean {
  return (from === undefined || list.endsAbove(slot, from)) && (to === undefined || list.startsBelow(slot, to));
}

/** Whether a scan of this range is the one that checks the leaf. */
export function isFirst(list: PageList, slot: number, { again, firstFrom }: ScanRange): boolean {
  return !again && (firstFrom === undefined || !list.startsBelow(slot, firstFrom));
}
