// Checksums of a bucket's rows, computed leaf by leaf in the order of the file and joined in the order of the keys.
import { crc32c } from "../../bytes/crc32c.ts";
import { combineCrc32c, RunningCrc32c } from "../../bytes/crc32c-combine.ts";
import type { Page } from "../bbolt/page.ts";

/** One checksum over the leaves of a scan. A page is far smaller than 4 GiB (walk.ts), so lengths fit 32 bits. */
export class LeafHashes {
  readonly total: RunningCrc32c = new RunningCrc32c();
  #crcs = new Uint32Array(64);
  #lengths = new Uint32Array(64);

  set(slot: number, crc: number, lengthBytes: number): void {
    if (slot >= this.#crcs.length) this.#grow(slot + 1);
    this.#crcs[slot] = crc;
    this.#lengths[slot] = lengthBytes;
  }

  crc(slot: number): number {
    return this.#crcs[slot] as number;
  }

  lengthBytes(slot: number): number {
    return this.#lengths[slot] as number;
  }

  /** For a hash that differs from this one from some leaf on. */
  copy(): LeafHashes {
    const copy = new LeafHashes();
    copy.#crcs = this.#crcs.slice();
    copy.#lengths = this.#lengths.slice();
    copy.total.append(this.total.crc, this.total.lengthBytes);
    return copy;
  }

  /** Joins the leaves below `slots` to the total, and forgets them. */
  fold(slots: number): void {
    const end = Math.min(slots, this.#crcs.length);
    for (let slot = 0; slot < end; slot++) this.total.append(this.#crcs[slot] as number, this.#lengths[slot] as number);
    this.#lengths.fill(0, 0, end);
  }

  #grow(wanted: number): void {
    const capacity = Math.max(wanted, this.#crcs.length * 2);
    const crcs = new Uint32Array(capacity);
    crcs.set(this.#crcs);
    this.#crcs = crcs;
    const lengths = new Uint32Array(capacity);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }
}

/** The checksum of all rows of a leaf. Their bytes are one range when the page is packed (checkPage). */
export function hashLeaf(hashes: LeafHashes, page: Page, slot: number, packed: boolean): void {
  const { bytes, count } = page;
  if (count === 0) return;
  if (packed) {
    const start = page.keyStart(0);
    const end = page.valueStart(count - 1) + page.valueSize(count - 1);
    hashes.set(slot, crc32c(bytes.subarray(start, end)), end - start);
    return;
  }
  let crc = 0;
  let lengthBytes = 0;
  for (let index = 0; index < count; index++) {
    const start = page.keyStart(index);
    const end = page.valueStart(index) + page.valueSize(index);
    crc = crc32c(bytes.subarray(start, end), crc);
    lengthBytes += end - start;
  }
  hashes.set(slot, crc, lengthBytes);
}

/** At most as many as a mask has bits. */
const runCrcs = new Uint32Array(32);
const runLengths = new Uint32Array(32);

/**
 * The checksums of a leaf when not all rows count for all of them: bit i of `masks[row]` says that the row counts for `hashes[i]`. Its bytes
 * are gone through once: what neighbouring rows have in common is hashed in one piece, and the pieces are joined.
 */
export function hashRuns(hashes: readonly LeafHashes[], page: Page, slot: number, masks: Uint32Array): void {
  runCrcs.fill(0, 0, hashes.length);
  runLengths.fill(0, 0, hashes.length);
  let start = 0;
  let end = 0;
  let mask = 0;
  for (let row = 0; row < page.count; row++) {
    const rowStart = page.keyStart(row);
    if (masks[row] !== mask || rowStart !== end) {
      addRun(page.bytes, start, end, mask, hashes.length);
      mask = masks[row] as number;
      start = rowStart;
    }
    end = page.valueStart(row) + page.valueSize(row);
  }
  addRun(page.bytes, start, end, mask, hashes.length);
  for (let index = 0; index < hashes.length; index++) hashes[index]?.set(slot, runCrcs[index] as number, runLengths[index] as number);
}

function addRun(bytes: Uint8Array, start: number, end: number, mask: number, hashes: number): void {
  if (mask === 0 || start === end) return;
  const crc = crc32c(bytes.subarray(start, end));
  for (let index = 0; index < hashes; index++) {
    if ((mask & (1 << index)) === 0) continue;
    runCrcs[index] = combineCrc32c(runCrcs[index] as number, crc, end - start);
    runLengths[index] = (runLengths[index] as number) + end - start;
  }
}
