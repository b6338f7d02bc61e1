// Counts of keys by their first two path elements: `/registry/pods/`, `/registry/leases/`, …: what a keyspace consists of, at a glance.
// Counting allocates nothing per key; there is room for a thousand prefixes, and keys of further ones are not counted here.
import { compareRanges } from "../bbolt/page.ts";

export interface PrefixCount {
  /** Ends with `/`, or is empty for keys without one. Bytes that are no UTF-8 appear as U+FFFD. */
  readonly prefix: string;
  readonly keys: number;
}

const PREFIXES_MAX = 1024;
const SLOTS = 4096;
const PREFIX_SIZE_BYTES_MAX = 256;
const ELEMENTS = 2;
const SLASH = 0x2f;

export class KeyPrefixes {
  #count = 0;
  readonly #slots = new Int32Array(SLOTS);
  readonly #prefixes: Uint8Array[] = [];
  readonly #counts = new Float64Array(PREFIXES_MAX);

  /** Adds `change`, 1 or -1, to the prefix of the key in `bytes[start, end)`. */
  add(bytes: Uint8Array, start: number, end: number, change: number): void {
    // FNV-1a over the bytes, remembered at each slash that ends an element.
    let hash = 0x811c9dc5;
    let prefixHash = hash;
    let prefixEnd = start;
    let elements = 0;
    const limit = Math.min(end, start + PREFIX_SIZE_BYTES_MAX);
    for (let position = start; position < limit; position++) {
      const byte = bytes[position] as number;
      hash = Math.imul(hash ^ byte, 0x01000193);
      if (byte !== SLASH) continue;
      prefixHash = hash;
      prefixEnd = position + 1;
      if (position === start) continue; // A leading slash begins the first element.
      elements += 1;
      if (elements === ELEMENTS) break;
    }
    const index = this.#indexOf(prefixHash, bytes, start, prefixEnd);
    if (index >= 0) this.#counts[index] = (this.#counts[index] as number) + change;
  }

  /** The most frequent ones, at most `limit`. */
  top(limit: number): PrefixCount[] {
    return this.#prefixes
      .map((prefix, index) => ({ prefix: Buffer.from(prefix).toString(), keys: this.#counts[index] as number }))
      .filter(({ keys }) => keys > 0)
      .sort((a, b) => b.keys - a.keys || (a.prefix < b.prefix ? -1 : 1))
      .slice(0, limit);
  }

  #indexOf(hash: number, bytes: Uint8Array, start: number, end: number): number {
    let slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    for (;;) {
      const index = (this.#slots[slot] as number) - 1;
      if (index < 0) break;
      const prefix = this.#prefixes[index] as Uint8Array;
      if (compareRanges(prefix, 0, prefix.length, bytes, start, end) === 0) return index;
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.#count === PREFIXES_MAX) return -1;
    this.#prefixes.push(bytes.slice(start, end));
    this.#slots[slot] = this.#count + 1;
    this.#count += 1;
    return this.#count - 1;
  }
}
