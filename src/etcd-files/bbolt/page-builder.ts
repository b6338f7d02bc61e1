// One leaf or branch page under construction: elements are collected in reused buffers, then laid out in the page's place.
// Layout: header, elements, then key‖value‖key‖value without gaps (etcd-formats §2.4, §2.5). When a page is full is for the caller to say.
import { EtcdsafeError } from "../../errors.ts";
import { ELEMENT_SIZE_BYTES, KEY_SIZE_BYTES_MAX, type PAGE_BRANCH, PAGE_HEADER_SIZE_BYTES, PAGE_LEAF, VALUE_SIZE_BYTES_MAX } from "./constants.ts";

/** One row of a bucket. Writers copy both before they ask for the next row, so a source may hand out the same object and buffers again. */
export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A page as its parent's element names it: `key` is its first key. */
export interface Child {
  readonly key: Uint8Array;
  readonly pageId: number;
}

export class PageBuilder {
  count = 0;
  readonly #pageFlags: number;
  readonly #elementFlags: number;
  #data = new Uint8Array(8192);
  #dataSizeBytes = 0;
  #keySizes = new Uint32Array(64);
  /** Of a leaf the sizes of the values, of a branch the children's page ids. */
  #numbers = new Float64Array(64);
  /** Where the last added key lies in `#data`. It outlives `clear`, so that order is checked across pages. */
  #lastKeyStart = 0;
  #lastKeySizeBytes = 0;

  /** `elementFlags` go into every element of a leaf: LEAF_ELEMENT_BUCKET in the tree of buckets, else 0. */
  constructor(pageFlags: typeof PAGE_LEAF | typeof PAGE_BRANCH, elementFlags = 0) {
    this.#pageFlags = pageFlags;
    this.#elementFlags = elementFlags;
  }

  /** What the page takes up so far, header included; more than a page means overflow pages. */
  get sizeBytes(): number {
    return PAGE_HEADER_SIZE_BYTES + this.count * ELEMENT_SIZE_BYTES + this.#dataSizeBytes;
  }

  /** Adds a row to a leaf. Throws BBOLT_ROW_INVALID for a size bbolt does not allow, or a key that is not greater than the row before, also before a `clear`. */
  addRow(row: Row): void {
    const valueSizeBytes = row.value.length;
    if (row.key.length === 0 || row.key.length > KEY_SIZE_BYTES_MAX) throw rowInvalid(`a key of ${row.key.length} bytes is not possible in bbolt`);
    if (valueSizeBytes > VALUE_SIZE_BYTES_MAX) throw rowInvalid(`a value of ${valueSizeBytes} bytes is too long for bbolt`);
    if (!this.#isNext(row.key)) throw rowInvalid(`the key ${hex(row.key)} does not come after the one before it`);
    this.#add(row.key, valueSizeBytes, valueSizeBytes);
    this.#data.set(row.value, this.#dataSizeBytes);
    this.#dataSizeBytes += valueSizeBytes;
  }

  /** Adds an element to a branch. */
  addChild(child: Child): void {
    this.#add(child.key, child.pageId, 0);
  }

  /** Lets only rows after `key` follow: the last key of what this builder's rows are appended to. The page must be empty. */
  startAfter(key: Uint8Array): void {
    this.#reserve(key.length);
    this.#data.set(key);
    this.#lastKeyStart = 0;
    this.#lastKeySizeBytes = key.length;
  }

  /** A copy of the first key. */
  firstKey(): Uint8Array {
    return this.#data.slice(0, this.#keySizes[0]);
  }

  /** Takes the last element of a branch out again. */
  removeLastChild(): Child {
    this.count -= 1;
    this.#dataSizeBytes -= this.#keySizes[this.count] as number;
    const key = this.#data.slice(this.#dataSizeBytes, this.#dataSizeBytes + (this.#keySizes[this.count] as number));
    return { key, pageId: this.#numbers[this.count] as number };
  }

  /** Lays the page out in `target`, which is as long as the page with its overflow, and clears what is left of it. An inline bucket's page has id 0. */
  writeTo(target: Uint8Array, pageId: number, overflow: number): void {
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    view.setBigUint64(0, BigInt(pageId), true);
    view.setUint16(8, this.#pageFlags, true);
    view.setUint16(10, this.count, true);
    view.setUint32(12, overflow, true);
    const dataStart = PAGE_HEADER_SIZE_BYTES + this.count * ELEMENT_SIZE_BYTES;
    if (this.#pageFlags === PAGE_LEAF) this.#writeLeafElements(view, dataStart);
    else this.#writeBranchElements(view, dataStart);
    target.set(this.#data.subarray(0, this.#dataSizeBytes), dataStart);
    target.fill(0, dataStart + this.#dataSizeBytes);
  }

  /** Starts the next page. */
  clear(): void {
    this.count = 0;
    this.#dataSizeBytes = 0;
  }

  #add(key: Uint8Array, number: number, valueSizeBytes: number): void {
    this.#reserve(key.length + valueSizeBytes);
    this.#keySizes[this.count] = key.length;
    this.#numbers[this.count] = number;
    this.#lastKeyStart = this.#dataSizeBytes;
    this.#lastKeySizeBytes = key.length;
    this.#data.set(key, this.#dataSizeBytes);
    this.#dataSizeBytes += key.length;
    this.count += 1;
  }

  #isNext(key: Uint8Array): boolean {
    const data = this.#data;
    const start = this.#lastKeyStart;
    const commonSizeBytes = Math.min(key.length, this.#lastKeySizeBytes);
    for (let index = 0; index < commonSizeBytes; index++) {
      const difference = (key[index] as number) - (data[start + index] as number);
      if (difference !== 0) return difference > 0;
    }
    return key.length > this.#lastKeySizeBytes;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#dataSizeBytes + sizeBytes;
    if (needed > this.#data.length) {
      const grown = new Uint8Array(Math.max(needed, this.#data.length * 2));
      grown.set(this.#data);
      this.#data = grown;
    }
    if (this.count === this.#keySizes.length) {
      const keySizes = new Uint32Array(this.count * 2);
      keySizes.set(this.#keySizes);
      this.#keySizes = keySizes;
      const numbers = new Float64Array(this.count * 2);
      numbers.set(this.#numbers);
      this.#numbers = numbers;
    }
  }

  #writeLeafElements(view: DataView, dataStart: number): void {
    let data = dataStart;
    let element = PAGE_HEADER_SIZE_BYTES;
    for (let index = 0; index < this.count; index++) {
      const keySizeBytes = this.#keySizes[index] as number;
      const valueSizeBytes = this.#numbers[index] as number;
      view.setUint32(element, this.#elementFlags, true);
      view.setUint32(element + 4, data - element, true);
      view.setUint32(element + 8, keySizeBytes, true);
      view.setUint32(element + 12, valueSizeBytes, true);
      data += keySizeBytes + valueSizeBytes;
      element += ELEMENT_SIZE_BYTES;
    }
  }

  #writeBranchElements(view: DataView, dataStart: number): void {
    let data = dataStart;
    let element = PAGE_HEADER_SIZE_BYTES;
    for (let index = 0; index < this.count; index++) {
      const keySizeBytes = this.#keySizes[index] as number;
      view.setUint32(element, data - element, true);
      view.setUint32(element + 4, keySizeBytes, true);
      view.setBigUint64(element + 8, BigInt(this.#numbers[index] as number), true);
      data += keySizeBytes;
      element += ELEMENT_SIZE_BYTES;
    }
  }
}

function rowInvalid(what: string): EtcdsafeError {
  return new EtcdsafeError("BBOLT_ROW_INVALID", what);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 32)).toString("hex") + (bytes.length > 32 ? "…" : "");
}
