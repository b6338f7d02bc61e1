// One page as bbolt lays it out: header, elements, data (etcd-formats §2.1, §2.4, §2.5; bbolt `internal/common/page.go`).
// `checkPage` tests every bound once; after it the accessors cannot leave the page. Nothing here copies or reads a file.
import { FormatError } from "../../errors.ts";
import { BUCKET_HEADER_SIZE_BYTES, ELEMENT_SIZE_BYTES, ELEMENTS_MAX, KEY_SIZE_BYTES_MAX, PAGE_BRANCH, PAGE_HEADER_SIZE_BYTES, PAGE_LEAF } from "./constants.ts";

const TWO_32 = 2 ** 32;

/** A page with its overflow, somewhere in a buffer: `bytes[start, end)`. Positions the accessors return count from the start of `bytes`. */
export class Page {
  readonly bytes: Uint8Array;
  /** Over the same memory as `bytes`, from its first byte. */
  readonly view: DataView;
  readonly start: number;
  /** Exclusive. Until `checkPage` has passed, what the header says may lie beyond it. */
  readonly end: number;
  /** Where the page starts in its file. */
  readonly fileOffset: number;
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  /** Extra pages that belong to this one. */
  readonly overflow: number;

  /** Reads the header; `bytes` must hold it whole. `end` is where the page's bytes stop at the latest. */
  constructor(bytes: Uint8Array, view: DataView, start: number, end: number, fileOffset: number) {
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.end = end;
    this.fileOffset = fileOffset;
    this.id = view.getUint32(start, true) + view.getUint32(start + 4, true) * TWO_32;
    this.flags = view.getUint16(start + 8, true);
    this.count = view.getUint16(start + 10, true);
    this.overflow = view.getUint32(start + 12, true);
  }

  get isLeaf(): boolean {
    return this.flags === PAGE_LEAF;
  }

  get isBranch(): boolean {
    return this.flags === PAGE_BRANCH;
  }

  /** Where element `index` itself (not its data) starts. */
  elementStart(index: number): number {
    return this.start + PAGE_HEADER_SIZE_BYTES + index * ELEMENT_SIZE_BYTES;
  }

  /** Leaf: the element's flags; LEAF_ELEMENT_BUCKET marks a bucket. */
  elementFlags(index: number): number {
    return this.view.getUint32(this.elementStart(index), true);
  }

  keyStart(index: number): number {
    const element = this.elementStart(index);
    return element + this.view.getUint32(this.isLeaf ? element + 4 : element, true);
  }

  keySize(index: number): number {
    const element = this.elementStart(index);
    return this.view.getUint32(this.isLeaf ? element + 8 : element + 4, true);
  }

  /** Leaf: the value starts where the key ends. */
  valueStart(index: number): number {
    return this.keyStart(index) + this.keySize(index);
  }

  /** Leaf. */
  valueSize(index: number): number {
    return this.view.getUint32(this.elementStart(index) + 12, true);
  }

  /** A view of the key, not a copy. */
  key(index: number): Uint8Array {
    const start = this.keyStart(index);
    return this.bytes.subarray(start, start + this.keySize(index));
  }

  /** Leaf: a view of the value, not a copy. */
  value(index: number): Uint8Array {
    const start = this.valueStart(index);
    return this.bytes.subarray(start, start + this.valueSize(index));
  }

  /** Branch: the page the element points to. Beyond 2^53 the number is rounded, and larger than any high-water mark. */
  childId(index: number): number {
    const element = this.elementStart(index);
    return this.view.getUint32(element + 8, true) + this.view.getUint32(element + 12, true) * TWO_32;
  }

  /** The file offset of a position in `bytes`. */
  offsetOf(position: number): number {
    return this.fileOffset + position - this.start;
  }
}

/** The page that fills `bytes`: for pages read one at a time. Throws FormatError BBOLT_PAGE_INVALID when `bytes` cannot hold a header. */
export function pageOf(bytes: Uint8Array, fileOffset: number): Page {
  if (bytes.length < PAGE_HEADER_SIZE_BYTES) throw new FormatError("BBOLT_PAGE_INVALID", `page header cut short: ${bytes.length} bytes`, fileOffset);
  return new Page(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, fileOffset);
}

/**
 * The page of an inline bucket, in the value of the element that names the bucket: the bucket header, then a leaf with page id 0.
 * Throws FormatError BBOLT_PAGE_INVALID when the value is too short for one.
 */
export function inlinePageOf(bucketValue: Uint8Array, fileOffset: number): Page {
  return pageOf(bucketValue.subarray(BUCKET_HEADER_SIZE_BYTES), fileOffset + BUCKET_HEADER_SIZE_BYTES);
}

/**
 * Tests what any branch or leaf page must satisfy by itself: its id, one type flag, and every element's data inside the page.
 * Throws FormatError BBOLT_PAGE_INVALID. Order of keys and where the page sits in the tree are the walk's to test.
 * Answers whether the data area is packed: each key directly after the value before it, so that it can be hashed in one piece.
 */
export function checkPage(page: Page, expectedId: number): boolean {
  const { view, start, end, count } = page;
  if (page.id === 0 && page.flags === 0 && page.count === 0 && page.overflow === 0)
    throw new FormatError("BBOLT_PAGE_INVALID", `${nameOf(expectedId)} was never written or is lost: it begins with zeros`, page.fileOffset);
  if (page.id !== expectedId) throw new FormatError("BBOLT_PAGE_INVALID", `${nameOf(expectedId)} says that it is page ${page.id}`, page.fileOffset);
  const leaf = page.flags === PAGE_LEAF;
  if (!leaf && page.flags !== PAGE_BRANCH)
    throw new FormatError("BBOLT_PAGE_INVALID", `${nameOf(expectedId)} is neither branch nor leaf (flags 0x${page.flags.toString(16)})`, page.fileOffset + 8);
  const elementsEnd = start + PAGE_HEADER_SIZE_BYTES + count * ELEMENT_SIZE_BYTES;
  if (count === ELEMENTS_MAX || elementsEnd > end)
    throw new FormatError("BBOLT_PAGE_INVALID", `${nameOf(expectedId)} claims ${count} elements, more than fit in it`, page.fileOffset + 10);
  if (!leaf && count === 0) throw new FormatError("BBOLT_PAGE_INVALID", `${nameOf(expectedId)}, a branch, is empty`, page.fileOffset + 10);
  let packed = true;
  let previousEnd = -1;
  let dataSize = 0;
  for (let element = start + PAGE_HEADER_SIZE_BYTES; element < elementsEnd; element += ELEMENT_SIZE_BYTES) {
    const keyStart = element + view.getUint32(leaf ? element + 4 : element, true);
    const keySize = view.getUint32(leaf ? element + 8 : element + 4, true);
    const dataEnd = keyStart + keySize + (leaf ? view.getUint32(element + 12, true) : 0);
    if (keyStart < elementsEnd || dataEnd > end)
      throw new FormatError("BBOLT_PAGE_INVALID", `an element of ${nameOf(expectedId)} points outside its page`, page.offsetOf(element));
    if (keySize === 0 || keySize > KEY_SIZE_BYTES_MAX)
      throw new FormatError("BBOLT_PAGE_INVALID", `a key of ${keySize} bytes in ${nameOf(expectedId)}`, page.offsetOf(element));
    if (previousEnd !== keyStart && previousEnd !== -1) packed = false;
    previousEnd = dataEnd;
    dataSize += dataEnd - keyStart;
  }
  // Else a small page could stand for any amount of data, and reading it would take as long as its author likes.
  if (dataSize > end - elementsEnd) throw new FormatError("BBOLT_PAGE_INVALID", `elements of ${nameOf(expectedId)} share their data`, page.fileOffset);
  return packed;
}

/** What messages call a page: that of an inline bucket has no number. */
function nameOf(expectedId: number): string {
  return expectedId === 0 ? "the page of an inline bucket" : `page ${expectedId}`;
}

/** Compares two byte ranges as bbolt orders keys (Go bytes.Compare): negative, 0 or positive. */
export function compareRanges(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart);
  for (let index = 0; index < shared; index++) {
    const difference = (a[aStart + index] as number) - (b[bStart + index] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/** Compares two keys as bbolt orders them. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

/** The element of a checked branch page whose child may hold `key`: the last one that is not greater, else the first. */
export function branchIndexFor(page: Page, key: Uint8Array): number {
  let low = 0;
  let high = page.count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const start = page.keyStart(middle);
    if (compareRanges(page.bytes, start, start + page.keySize(middle), key, 0, key.length) <= 0) low = middle;
    else high = middle - 1;
  }
  return low;
}
