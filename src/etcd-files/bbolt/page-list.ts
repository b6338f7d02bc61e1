// One level of a tree: page ids with the keys that bound them, packed, so that half a million of them take a few megabytes.
// Slot i holds a page and the smallest key it may have; the key of slot i + 1 is the one it must stay below. An empty key bounds nothing.
// A slot with page id 0 only ends the slot before it: between the last child of one branch and the first of the next lies the bound of
// the first branch, which is lower than the first key of the second one.
import { compareRanges } from "./page.ts";

export class PageList {
  length = 0;
  #ids = new Float64Array(64);
  /** Where each slot's key starts in `#keys`; one more for the end of the last. */
  #starts = new Uint32Array(65);
  #keys = new Uint8Array(2048);

  pageId(slot: number): number {
    return this.#ids[slot] as number;
  }

  push(pageId: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.length === this.#ids.length) this.#grow();
    const keyStart = this.#starts[this.length] as number;
    const keyEnd = keyStart + end - start;
    if (keyEnd > this.#keys.length) this.#keys = resized(this.#keys, Math.max(keyEnd, this.#keys.length * 2));
    for (let index = 0; index < end - start; index++) this.#keys[keyStart + index] = bytes[start + index] as number;
    this.#ids[this.length] = pageId;
    this.length += 1;
    this.#starts[this.length] = keyEnd;
  }

  /** Ends the slot before with the bound of `slot` of `other`. */
  pushBoundOf(other: PageList, slot: number): void {
    this.push(0, other.#keys, other.#starts[slot] as number, other.#starts[slot + 1] as number);
  }

  clear(): void {
    this.length = 0;
  }

  hasKey(slot: number): boolean {
    return this.#starts[slot] !== this.#starts[slot + 1];
  }

  /** Compares the key of `slot` with `bytes[start, end)` as bbolt orders keys. */
  compareKey(slot: number, bytes: Uint8Array, start: number, end: number): number {
    return compareRanges(this.#keys, this.#starts[slot] as number, this.#starts[slot + 1] as number, bytes, start, end);
  }

  /** Whether the page of `slot` may hold a key below `key`. */
  startsBelow(slot: number, key: Uint8Array): boolean {
    return this.compareKey(slot, key, 0, key.length) < 0;
  }

  /** Whether the page of `slot` may hold `key` or a greater one. */
  endsAbove(slot: number, key: Uint8Array): boolean {
    return !this.hasKey(slot + 1) || this.compareKey(slot + 1, key, 0, key.length) > 0;
  }

  #grow(): void {
    const capacity = this.#ids.length * 2;
    const ids = new Float64Array(capacity);
    ids.set(this.#ids);
    this.#ids = ids;
    const starts = new Uint32Array(capacity + 1);
    starts.set(this.#starts);
    this.#starts = starts;
  }
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(sizeBytes);
  larger.set(bytes);
  return larger;
}
