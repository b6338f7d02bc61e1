// A set of page ids, one bit each: which pages a tree has used, which are free.

export class PageSet {
  readonly #bits: Uint32Array;
  readonly #highWaterMark: number;

  constructor(highWaterMark: number) {
    this.#highWaterMark = highWaterMark;
    this.#bits = new Uint32Array(Math.ceil(highWaterMark / 32));
  }

  has(id: number): boolean {
    return ((this.#bits[id >>> 5] as number) & (1 << (id & 31))) !== 0;
  }

  /** Adds `count` pages from `id` on; false when one of them was in the set already, or lies beyond the high-water mark. */
  add(id: number, count = 1): boolean {
    let fresh = id + count <= this.#highWaterMark;
    const end = Math.min(id + count, this.#highWaterMark);
    for (let page = id; page < end; page++) {
      const word = page >>> 5;
      const bit = 1 << (page & 31);
      if (((this.#bits[word] as number) & bit) !== 0) fresh = false;
      this.#bits[word] = (this.#bits[word] as number) | bit;
    }
    return fresh;
  }
}
