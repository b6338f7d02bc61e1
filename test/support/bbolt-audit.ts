// Reads a whole database the slow and obvious way, independently of src: every row of every bucket, what the trees look like,
// and all that is wrong with them (etcd-formats §2.8). The judge of what the writers wrote.
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";

export interface Audit {
  readonly faults: readonly string[];
  readonly pageSizeBytes: number;
  readonly txid: bigint;
  readonly highWaterMark: number;
  /** By the latin1 text of the name, in the order of the file. */
  readonly buckets: ReadonlyMap<string, AuditedBucket>;
  readonly rootDepth: number;
  /** Pages that no tree uses, pages 0 and 1 not counted. */
  readonly freePages: number;
  readonly branchesWithOneChild: number;
}

export interface AuditedBucket {
  readonly rows: readonly Row[];
  readonly inline: boolean;
  /** Levels of pages; 0 when inline. */
  readonly depth: number;
  readonly leaves: number;
  /** The value of the bucket's element, and where it lies in the file. */
  readonly value: Uint8Array;
  readonly valueOffset: number;
}

export function auditDatabase(image: Uint8Array): Audit {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.length);
  const faults: string[] = [];
  const slots = [0, 4096, 1024, 2048, 8192, 16384, 32768, 65536, 131072, 2 ** 18, 2 ** 19, 2 ** 20, 2 ** 21].flatMap((at) => metaAt(bytes, at));
  const meta = slots.toSorted((a, b) => Number(b.txid - a.txid))[0];
  if (meta === undefined) throw new Error("no meta page");
  if (slots.length !== 2) faults.push(`${slots.length} valid meta pages`);
  const { pageSizeBytes, highWaterMark } = meta;
  const walker = new Walker(bytes, pageSizeBytes, highWaterMark, faults);
  const root = walker.tree(meta.root);
  const buckets = new Map<string, AuditedBucket>();
  for (const { key, value, flags, valueOffset } of root.elements) {
    if (flags !== 1) faults.push("an element of the root tree is no bucket");
    const rootPage = Number(value.readBigUInt64LE(0));
    const tree = rootPage === 0 ? walker.inline(value.subarray(16)) : walker.tree(rootPage);
    for (const row of tree.elements) if (row.flags !== 0) faults.push("a row is flagged as a bucket");
    const { depth, leaves } = tree;
    buckets.set(key.toString("latin1"), { rows: tree.elements, inline: rootPage === 0, depth, leaves, value, valueOffset });
  }
  if (bytes.length < highWaterMark * pageSizeBytes) faults.push("the file is shorter than its high-water mark");
  const { branchesWithOneChild, used } = walker;
  return {
    faults,
    pageSizeBytes,
    txid: meta.txid,
    highWaterMark,
    buckets,
    rootDepth: root.depth,
    freePages: highWaterMark - 2 - used.size,
    branchesWithOneChild,
  };
}

interface Element {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly flags: number;
  readonly valueOffset: number;
}

interface Tree {
  readonly elements: Element[];
  depth: number;
  leaves: number;
}

class Walker {
  readonly used = new Set<number>();
  branchesWithOneChild = 0;
  readonly #bytes: Buffer;
  readonly #pageSizeBytes: number;
  readonly #highWaterMark: number;
  readonly #faults: string[];

  constructor(bytes: Buffer, pageSizeBytes: number, highWaterMark: number, faults: string[]) {
    this.#bytes = bytes;
    this.#pageSizeBytes = pageSizeBytes;
    this.#highWaterMark = highWaterMark;
    this.#faults = faults;
  }

  tree(rootPageId: number): Tree {
    const tree: Tree = { elements: [], depth: 0, leaves: 0 };
    this.#page(rootPageId, 1, undefined, undefined, tree);
    return tree;
  }

  inline(page: Buffer): Tree {
    const tree: Tree = { elements: [], depth: 0, leaves: 0 };
    if (page.readBigUInt64LE(0) !== 0n || page.readUInt16LE(8) !== 2 || page.readUInt32LE(12) !== 0) this.#faults.push("a wrong header of an inline page");
    this.#leaf(page, undefined, undefined, tree);
    return tree;
  }

  #page(id: number, depth: number, min: Buffer | undefined, end: Buffer | undefined, tree: Tree): void {
    const start = id * this.#pageSizeBytes;
    const overflow = this.#bytes.readUInt32LE(start + 12);
    const page = this.#bytes.subarray(start, start + (overflow + 1) * this.#pageSizeBytes);
    if (Number(page.readBigUInt64LE(0)) !== id) this.#faults.push(`page ${id} has another page's id`);
    for (let each = id; each <= id + overflow; each++) {
      if (this.used.has(each) || each < 2 || each >= this.#highWaterMark) this.#faults.push(`page ${each} is used twice or impossible`);
      this.used.add(each);
    }
    const flags = page.readUInt16LE(8);
    const count = page.readUInt16LE(10);
    if (flags === 2) {
      tree.leaves += 1;
      if (tree.depth !== 0 && tree.depth !== depth) this.#faults.push("leaves at different depths");
      tree.depth = depth;
      if (count === 0 && depth > 1) this.#faults.push(`leaf ${id} is empty`);
      this.#leaf(page, min, end, tree);
      return;
    }
    if (flags !== 1 || count === 0) this.#faults.push(`page ${id} is no branch with children (flags ${flags})`);
    if (count === 1) this.branchesWithOneChild += 1;
    const children = Array.from({ length: count }, (_, index) => {
      const element = 16 + 16 * index;
      const keyStart = element + page.readUInt32LE(element);
      return { key: page.subarray(keyStart, keyStart + page.readUInt32LE(element + 4)), id: Number(page.readBigUInt64LE(element + 8)) };
    });
    children.forEach(({ key, id: child }, index) => {
      if (index > 0 && Buffer.compare((children[index - 1] as { key: Buffer }).key, key) >= 0) this.#faults.push(`branch ${id} is out of order`);
      if ((min !== undefined && Buffer.compare(key, min) < 0) || (end !== undefined && Buffer.compare(key, end) >= 0))
        this.#faults.push(`a key of branch ${id} is out of bounds`);
      this.#page(child, depth + 1, key, children[index + 1]?.key ?? end, tree);
    });
  }

  #leaf(page: Buffer, min: Buffer | undefined, end: Buffer | undefined, tree: Tree): void {
    const count = page.readUInt16LE(10);
    if (count === 0xffff) this.#faults.push("a leaf with 65535 elements");
    for (let element = 16; element < 16 + 16 * count; element += 16) {
      const keyStart = element + page.readUInt32LE(element + 4);
      const valueStart = keyStart + page.readUInt32LE(element + 8);
      const valueEnd = valueStart + page.readUInt32LE(element + 12);
      if (valueEnd > page.length) this.#faults.push("a row behind the end of its page");
      const key = page.subarray(keyStart, valueStart);
      const last = tree.elements.at(-1)?.key;
      if (last !== undefined && Buffer.compare(last, key) >= 0) this.#faults.push("rows out of order");
      if ((min !== undefined && Buffer.compare(key, min) < 0) || (end !== undefined && Buffer.compare(key, end) >= 0))
        this.#faults.push("a row out of its branch's bounds");
      const value = page.subarray(valueStart, valueEnd);
      tree.elements.push({ key, value, flags: page.readUInt32LE(element), valueOffset: value.byteOffset - this.#bytes.byteOffset });
    }
  }
}

function metaAt(bytes: Buffer, pageStart: number): { pageSizeBytes: number; root: number; highWaterMark: number; txid: bigint }[] {
  if (bytes.length < pageStart + 80 || bytes.readUInt32LE(pageStart + 16) !== 0xed0cdaed || bytes.readUInt16LE(pageStart + 8) !== 4) return [];
  let checksum = 0xcbf29ce484222325n;
  for (const byte of bytes.subarray(pageStart + 16, pageStart + 72)) checksum = ((checksum ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
  if (bytes.readBigUInt64LE(pageStart + 72) !== checksum || bytes.readBigUInt64LE(pageStart + 48) !== 2n ** 64n - 1n) return [];
  const pageSizeBytes = bytes.readUInt32LE(pageStart + 24);
  if (pageStart !== 0 && pageStart !== pageSizeBytes) return [];
  if (Number(bytes.readBigUInt64LE(pageStart)) !== pageStart / pageSizeBytes) return [];
  return [
    {
      pageSizeBytes,
      root: Number(bytes.readBigUInt64LE(pageStart + 32)),
      highWaterMark: Number(bytes.readBigUInt64LE(pageStart + 56)),
      txid: bytes.readBigUInt64LE(pageStart + 64),
    },
  ];
}
