// Which keys were changed again, and when last: all that HashKV has to know of a key to tell whether an older row of it still counts.
// Packed arrays, no objects, and no Map of strings. A key is known by 127 bits of a hash under a random secret: that two of a billion keys
// agree is less likely than 1 in 10^20, whoever chose the keys. Above a budget only a part of the keys is kept, chosen by hash, and the
// caller goes through the rows once for each part.
import { randomFillSync } from "node:crypto";

/** Memory for the entries of one part. */
const BUDGET_SIZE_BYTES: number = 40 * 1024 * 1024;
const FIRST_CAPACITY = 64;
/** How full the table may be: fuller, and looking for a free slot takes long. */
const LOAD_MAX = 0.8;
/** From here on the next step is the largest table, so that two large ones never exist at once. */
const LAST_SMALL_CAPACITY = 2 ** 17;
const TWO_32 = 2 ** 32;
const HASH_WORDS = 4;
/** A hash takes the place of two numbers of 64 bits. */
const HASH_NUMBERS = 2;

export class SupersededKeys {
  /** The revisions asked about. */
  readonly #revisions: readonly number[];
  readonly #capacityMax: number;
  /** Size of a slot in numbers of 64 bits. */
  readonly #slotNumbers: number;
  /** How many parts the keys are split into: a power of two. */
  parts = 1;
  /** Whether keys of the part at hand were dropped, because it had to be made smaller: it must be recorded again from the start. */
  overflowed = false;
  #part = 0;
  #count = 0;
  #capacity = FIRST_CAPACITY;
  /**
   * Open addressing. A slot is four words of a hash, the first of which is 0 when the slot is free, and for each revision asked about the
   * main revision of the newest change at or before it, 0 when there is none: side by side, so that a key costs one miss of the cache.
   */
  #words: Uint32Array;
  #numbers: Float64Array;
  readonly #hash = new SecretHash();

  constructor(revisions: readonly number[], budgetBytes: number = BUDGET_SIZE_BYTES) {
    this.#revisions = revisions;
    this.#slotNumbers = HASH_NUMBERS + revisions.length;
    this.#capacityMax = Math.max(FIRST_CAPACITY, Math.floor(budgetBytes / (8 * this.#slotNumbers)));
    this.#numbers = new Float64Array(FIRST_CAPACITY * this.#slotNumbers);
    this.#words = new Uint32Array(this.#numbers.buffer);
  }

  /** Forgets all keys; from here on those of another part are kept. */
  startPart(part: number): void {
    this.#part = part;
    this.overflowed = false;
    this.#clear();
  }

  /** The key in `bytes[start, end)` was changed at `main`. `view` is over the same memory as `bytes`. */
  record(view: DataView, bytes: Uint8Array, start: number, end: number, main: number): void {
    this.#hash.of(view, bytes, start, end);
    if ((this.#hash.d & (this.parts - 1)) !== this.#part) return;
    let slot = this.#slot();
    if (this.#words[slot * 2] === 0) {
      if (this.#count >= this.#capacity * LOAD_MAX) {
        if (!this.#makeRoom()) return;
        slot = this.#slot();
      }
      this.#count += 1;
      this.#words[slot * 2] = this.#hash.a;
      this.#words[slot * 2 + 1] = this.#hash.b;
      this.#words[slot * 2 + 2] = this.#hash.c;
      this.#words[slot * 2 + 3] = this.#hash.d;
    }
    for (let index = 0; index < this.#revisions.length; index++) {
      const at = slot + HASH_NUMBERS + index;
      if (main <= (this.#revisions[index] as number) && main > (this.#numbers[at] as number)) this.#numbers[at] = main;
    }
  }

  /** Bit i is set when the key's row at `main` is not its newest at or before revision i. Keys of other parts answer 0. */
  supersededBits(view: DataView, bytes: Uint8Array, start: number, end: number, main: number): number {
    if (this.#count === 0) return 0;
    this.#hash.of(view, bytes, start, end);
    const slot = this.#slot() + HASH_NUMBERS;
    let bits = 0;
    for (let index = 0; index < this.#revisions.length; index++) if ((this.#numbers[slot + index] as number) > main) bits |= 1 << index;
    return bits;
  }

  /** Where the hash at hand is, or belongs, in `#numbers`; the double of it in `#words`. A free slot's revisions are 0. */
  #slot(): number {
    const { a, b, c, d } = this.#hash;
    const words = this.#words;
    for (let index = Math.floor((b / TWO_32) * this.#capacity); ; index++) {
      if (index === this.#capacity) index = 0;
      const slot = index * this.#slotNumbers;
      const first = words[slot * 2];
      if (first === 0 || (first === a && words[slot * 2 + 1] === b && words[slot * 2 + 2] === c && words[slot * 2 + 3] === d)) return slot;
    }
  }

  /** False when the key at hand now belongs to another part. */
  #makeRoom(): boolean {
    if (this.#capacity < this.#capacityMax) {
      this.#grow(this.#capacity < LAST_SMALL_CAPACITY ? Math.min(this.#capacity * 4, this.#capacityMax) : this.#capacityMax);
      return true;
    }
    this.parts *= 2;
    this.overflowed = true;
    this.#clear();
    return (this.#hash.d & (this.parts - 1)) === this.#part;
  }

  #grow(capacity: number): void {
    const { a, b, c, d } = this.#hash;
    const [words, numbers] = [this.#words, this.#numbers];
    this.#capacity = capacity;
    this.#numbers = new Float64Array(capacity * this.#slotNumbers);
    this.#words = new Uint32Array(this.#numbers.buffer);
    for (let from = 0; from < numbers.length; from += this.#slotNumbers) {
      if (words[from * 2] === 0) continue;
      this.#hash.become(words.subarray(from * 2, from * 2 + HASH_WORDS));
      // Copied as words: a hash read as a number may be one of the NaNs, which do not keep their bits.
      this.#words.set(words.subarray(from * 2, (from + this.#slotNumbers) * 2), this.#slot() * 2);
    }
    this.#hash.become([a, b, c, d]);
  }

  #clear(): void {
    this.#count = 0;
    this.#words.fill(0);
  }
}

/**
 * Four lanes of 32 bits, each multiplied by a secret odd number for every word; they shift differently, so that no difference of two keys
 * vanishes from more than one of them. The secret changes no result; it keeps whoever writes keys from choosing ones with equal hashes.
 */
class SecretHash {
  a = 0;
  b = 0;
  c = 0;
  d = 0;
  readonly #secret = randomFillSync(new Uint32Array(8)).map((word, index) => (index < HASH_WORDS ? word | 1 : word));

  of(view: DataView, bytes: Uint8Array, start: number, end: number): void {
    const secret = this.#secret;
    const ka = secret[0] as number;
    const kb = secret[1] as number;
    const kc = secret[2] as number;
    const kd = secret[3] as number;
    let a = secret[4] as number;
    let b = secret[5] as number;
    let c = secret[6] as number;
    let d = secret[7] as number;
    let position = start;
    let last = false;
    while (!last) {
      let word = 0;
      if (position + 4 <= end) {
        word = view.getUint32(position, true);
        position += 4;
      } else {
        // The rest, and the length: keys of different lengths never hash the same words.
        for (let shift = 0; position < end; position++, shift += 8) word |= (bytes[position] as number) << shift;
        word = (word ^ Math.imul(end - start, 0x9e3779b1)) | 0;
        last = true;
      }
      a = Math.imul(a ^ word, ka);
      a ^= a >>> 15;
      b = Math.imul(b ^ word, kb);
      b ^= b >>> 13;
      c = Math.imul((c + word) | 0, kc);
      c = (c << 11) | (c >>> 21);
      d = Math.imul((d + word) | 0, kd);
      d ^= d >>> 17;
    }
    // 0 marks a free slot.
    this.a = (mixed(a ^ (c << 1)) | 1) >>> 0;
    this.b = mixed(b ^ d);
    this.c = mixed(c + b);
    this.d = mixed(d ^ a);
  }

  /** Takes a hash computed before. */
  become(words: ArrayLike<number>): void {
    this.a = words[0] as number;
    this.b = words[1] as number;
    this.c = words[2] as number;
    this.d = words[3] as number;
  }
}

/** The finalizer of MurmurHash3: each bit depends on all. */
function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
