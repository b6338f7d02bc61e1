// Some bits for each row, in the order in which a scan meets the rows; a repetition of the scan meets them in the same order.

export class RowBits {
  readonly #width: number;
  #bits = new Uint32Array(1024);

  constructor(width: number) {
    this.#width = width;
  }

  /** Sets those of `bits` that are set for row number `row`. */
  set(row: number, bits: number): void {
    if (bits === 0) return;
    const first = row * this.#width;
    if (first + this.#width > this.#bits.length * 32) this.#grow(first + this.#width);
    for (let index = 0; index < this.#width; index++) {
      if ((bits & (1 << index)) === 0) continue;
      const word = (first + index) >>> 5;
      this.#bits[word] = (this.#bits[word] as number) | (1 << ((first + index) & 31));
    }
  }

  get(row: number): number {
    const first = row * this.#width;
    if (first + this.#width > this.#bits.length * 32) return 0;
    let bits = 0;
    for (let index = 0; index < this.#width; index++) {
      if (((this.#bits[(first + index) >>> 5] as number) & (1 << ((first + index) & 31))) !== 0) bits |= 1 << index;
    }
    return bits;
  }

  #grow(bits: number): void {
    const larger = new Uint32Array(Math.max(Math.ceil(bits / 32), this.#bits.length * 2));
    larger.set(this.#bits);
    this.#bits = larger;
  }
}
