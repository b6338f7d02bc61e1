// Which keys were changed again, and when last: all that HashKV has to know of a key to tell whether an older row of it still counts.
// Packed arrays, no objects, and no Map of strings: an entry takes its key's bytes and about 30 more. Keys are compared byte for byte, so
// the answer does not hang on a hash. Above a budget only a part of the keys is kept, chosen by hash, and the caller goes through the
// rows once for each part.

/** Memory for the entries of one part. */
const BUDGET_SIZE_BYTES: number = 48 * 1024 * 1024;
const PARTS_MAX = 65_536;
const NO_ENTRY = -1;
/** Room to begin with; it doubles when it is used up. */
const FIRST_ENTRIES = 64;
const FIRST_KEYS_SIZE_BYTES = 2048;

export class SupersededKeys {
  /** The revisions asked about. */
  readonly #revisions: readonly number[];
  readonly #budgetBytes: number;
  /** How many parts the keys are split into: a power of two. Grows while the first part is recorded. */
  parts = 1;
  #part = 0;
  #count = 0;
  #keysSize = 0;
  /** Open addressing: an entry's number plus one, or 0. */
  #slots = new Int32Array(2 * FIRST_ENTRIES);
  #hashes = new Uint32Array(FIRST_ENTRIES);
  #keyStarts = new Uint32Array(FIRST_ENTRIES);
  #keySizes = new Uint32Array(FIRST_ENTRIES);
  /** Of each entry, for each revision asked about, the main revision of the newest change at or before it; 0 when there is none. */
  #newest: Float64Array;
  #keys = new Uint8Array(FIRST_KEYS_SIZE_BYTES);

  constructor(revisions: readonly number[], budgetBytes: number = BUDGET_SIZE_BYTES) {
    this.#revisions = revisions;
    this.#budgetBytes = budgetBytes;
    this.#newest = new Float64Array(FIRST_ENTRIES * revisions.length);
  }

  /** Starts recording another part; `parts` no longer changes then. */
  startPart(part: number): void {
    this.#part = part;
    this.#count = 0;
    this.#keysSize = 0;
    this.#slots.fill(0);
  }

  /** The key in `bytes[start, end)` was changed at `main`. `view` is over the same memory as `bytes`. */
  record(view: DataView, bytes: Uint8Array, start: number, end: number, main: number): void {
    const hash = hashOf(view, start, end);
    if (this.parts > 1 && partOf(hash, this.parts) !== this.#part) return;
    let entry = this.#find(hash, bytes, start, end);
    if (entry === NO_ENTRY) {
      entry = this.#add(hash, bytes, start, end);
      if (entry === NO_ENTRY) return;
    }
    const revisions = this.#revisions.length;
    for (let index = 0; index < revisions; index++) {
      const at = entry * revisions + index;
      if (main <= (this.#revisions[index] as number) && main > (this.#newest[at] as number)) this.#newest[at] = main;
    }
  }

  /** Bit i is set when the key's row at `main` is not its newest at or before revision i. Keys of other parts answer 0. */
  supersededBits(view: DataView, bytes: Uint8Array, start: number, end: number, main: number): number {
    if (this.#count === 0) return 0;
    const entry = this.#find(hashOf(view, start, end), bytes, start, end);
    if (entry === NO_ENTRY) return 0;
    let bits = 0;
    const revisions = this.#revisions.length;
    for (let index = 0; index < revisions; index++) if ((this.#newest[entry * revisions + index] as number) > main) bits |= 1 << index;
    return bits;
  }

  #find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] as number) - 1;
      if (entry === NO_ENTRY) return NO_ENTRY;
      if (this.#hashes[entry] === hash && this.#keySizes[entry] === end - start && this.#sameKey(entry, bytes, start, end)) return entry;
    }
  }

  #sameKey(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const keyStart = this.#keyStarts[entry] as number;
    for (let index = 0; index < end - start; index++) if (this.#keys[keyStart + index] !== bytes[start + index]) return false;
    return true;
  }

  /** NO_ENTRY when making room left the key to another part. */
  #add(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const size = end - start;
    if (this.#count === this.#hashes.length || this.#keysSize + size > this.#keys.length) {
      this.#makeRoom(size);
      if (partOf(hash, this.parts) !== this.#part) return NO_ENTRY;
    }
    const entry = this.#count;
    this.#count += 1;
    this.#hashes[entry] = hash;
    this.#keyStarts[entry] = this.#keysSize;
    this.#keySizes[entry] = size;
    this.#newest.fill(0, entry * this.#revisions.length, (entry + 1) * this.#revisions.length);
    for (let index = 0; index < size; index++) this.#keys[this.#keysSize + index] = bytes[start + index] as number;
    this.#keysSize += size;
    this.#link(entry);
    return entry;
  }

  #link(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[entry] as number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #makeRoom(keySize: number): void {
    const entries = this.#hashes.length * (this.#count === this.#hashes.length ? 2 : 1);
    let keys = this.#keys.length;
    while (keys < this.#keysSize + keySize) keys *= 2;
    const neededBytes = entries * (8 + 12 + 8 * this.#revisions.length) + keys;
    // Later parts are as large as the first one, give or take; a key that alone exceeds the budget is kept all the same.
    if (neededBytes > this.#budgetBytes && this.#part === 0 && this.parts < PARTS_MAX && this.#count > 1) this.#split();
    else this.#grow(entries, keys);
    if (this.#count === this.#hashes.length || this.#keysSize + keySize > this.#keys.length) this.#makeRoom(keySize);
  }

  #grow(entries: number, keys: number): void {
    this.#keys = copied(new Uint8Array(keys), this.#keys);
    if (entries === this.#hashes.length) return;
    this.#hashes = copied(new Uint32Array(entries), this.#hashes);
    this.#keyStarts = copied(new Uint32Array(entries), this.#keyStarts);
    this.#keySizes = copied(new Uint32Array(entries), this.#keySizes);
    this.#newest = copied(new Float64Array(entries * this.#revisions.length), this.#newest);
    this.#slots = new Int32Array(entries * 2);
    for (let entry = 0; entry < this.#count; entry++) this.#link(entry);
  }

  /** Twice as many parts: about half of the entries go. */
  #split(): void {
    this.parts *= 2;
    const all = this.#count;
    const revisions = this.#revisions.length;
    this.#count = 0;
    this.#keysSize = 0;
    this.#slots.fill(0);
    for (let from = 0; from < all; from++) {
      const hash = this.#hashes[from] as number;
      if (partOf(hash, this.parts) !== this.#part) continue;
      const keyStart = this.#keyStarts[from] as number;
      const keySize = this.#keySizes[from] as number;
      const to = this.#count;
      this.#count += 1;
      this.#hashes[to] = hash;
      this.#keyStarts[to] = this.#keysSize;
      this.#keySizes[to] = keySize;
      this.#newest.copyWithin(to * revisions, from * revisions, (from + 1) * revisions);
      this.#keys.copyWithin(this.#keysSize, keyStart, keyStart + keySize);
      this.#keysSize += keySize;
      this.#link(to);
    }
  }
}

/** By the upper bits: the lower ones choose the slot. */
function partOf(hash: number, parts: number): number {
  return (hash >>> 16) & (parts - 1);
}

/** MurmurHash3, 32 bits (Austin Appleby, public domain). Only its spread matters here. */
function hashOf(view: DataView, start: number, end: number): number {
  let hash = 0;
  let position = start;
  for (; position + 4 <= end; position += 4) {
    hash ^= scrambled(view.getUint32(position, true));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let shift = 0; position < end; position++, shift += 8) rest |= view.getUint8(position) << shift;
  hash ^= scrambled(rest) ^ (end - start);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

function copied<A extends Uint8Array | Uint32Array | Float64Array>(to: A, from: A): A {
  to.set(from);
  return to;
}
