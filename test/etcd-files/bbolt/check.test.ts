import { expect, test } from "vitest";
import { readBuckets } from "../../../src/etcd-files/bbolt/buckets.ts";
import { checkStructure } from "../../../src/etcd-files/bbolt/check.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { encodeMetaPage, type Meta } from "../../../src/etcd-files/bbolt/meta.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { writeDatabase } from "../../../src/etcd-files/bbolt/writer.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";
import { plainRows } from "../../support/random-history.ts";
import { text } from "../../support/rows.ts";

const PAGE = 1024;
const BRANCH = 1;
const LEAF = 2;

/** A database whose bucket `key` has four levels, with a bucket of one leaf before it and an inline one behind it. */
function image(): Uint8Array {
  return imageOf([
    { name: text("auth"), rows: rows(5) },
    { name: text("key"), rows: rows(8000) },
    { name: text("meta"), rows: rows(1) },
  ]);
}

function imageOf(buckets: Parameters<typeof writeDatabase>[1]): Uint8Array {
  const file = memoryPageFile();
  writeDatabase(file, buckets, { pageSizeBytes: PAGE });
  return file.bytes().slice();
}

function rows(count: number) {
  return [...plainRows(count, { valueSizeBytes: 30 })].map(({ key, value }) => ({ key, value: value.slice() }));
}

const pristine = image();

interface Damaged {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Ids of the pages of a kind, in order of the file. */
  pages(flags: number): number[];
}

function damaged(): Damaged {
  const bytes = pristine.slice();
  const view = new DataView(bytes.buffer);
  const pages = (flags: number): number[] =>
    Array.from({ length: bytes.length / PAGE }, (_, id) => id).filter((id) => id > 1 && view.getUint16(id * PAGE + 8, true) === flags);
  return { bytes, view, pages };
}

const errorsOf = (bytes: Uint8Array): string[] =>
  checkStructure(bufferPageSource(bytes)).map(({ severity, offset, text: found }) => `${severity} ${offset}: ${found}`);

test("check: finds nothing in a sound database", () => {
  expect(errorsOf(pristine)).toEqual([]);
});

/** Damages done to a leaf in the middle, a branch above the leaves, or the metas, and what must be found. */
const damages: [string, (database: Damaged, leaf: number, branch: number) => void, RegExp][] = [
  ["a page that says it is another", ({ view }, leaf) => view.setUint32(leaf, 77, true), /page \d+ says that it is page 77/],
  ["a page of an unknown type", ({ view }, leaf) => view.setUint16(leaf + 8, 0x40, true), /neither branch nor leaf/],
  ["a page with two types", ({ view }, leaf) => view.setUint16(leaf + 8, BRANCH | LEAF, true), /neither branch nor leaf/],
  ["a zeroed page", ({ bytes }, leaf) => bytes.fill(0, leaf, leaf + PAGE), /^error \d+: page \d+ was never written or is lost: it begins with zeros/],
  ["a page of another number", ({ view }, leaf) => view.setUint32(leaf, 77, true), /page \d+ says that it is page 77/],
  [
    "a branch among the leaves",
    ({ view, bytes }, leaf, branch) => bytes.copyWithin(leaf + 8, branch + 8, branch + PAGE) && view,
    /is a branch where the tree has leaves/,
  ],
  ["a leaf among the branches", ({ bytes }, leaf, branch) => bytes.copyWithin(branch + 8, leaf + 8, leaf + PAGE), /is a leaf where the tree has branches/],
  ["an empty leaf", ({ view }, leaf) => view.setUint16(leaf + 10, 0, true), /leaf page \d+ is empty/],
  ["a page referenced twice", ({ view }, _, branch) => view.setBigUint64(branch + 24, view.getBigUint64(branch + 40, true), true), /is referenced twice/],
  ["a page in its own overflow", ({ view }, leaf) => view.setUint32(leaf + 12, 1, true), /or its overflow is referenced twice/],
  [
    "a page that leads back to the root",
    ({ view, pages }, _, branch) => view.setBigUint64(branch + 24, BigInt(pages(BRANCH).at(-1) ?? 0), true),
    /is referenced twice|is a branch where/,
  ],
  [
    "a reference beyond the end",
    ({ view }, _, branch) => view.setBigUint64(branch + 24, 2n ** 40n, true),
    /refers to page 1099511627776, which the database does not have/,
  ],
  ["a reference to a meta page", ({ view }, _, branch) => view.setBigUint64(branch + 24, 1n, true), /refers to page 1, which/],
  ["keys out of order", ({ view, bytes }, leaf) => setKey(bytes, view, leaf, 1, 0x7fff_ffffn), /key 2 of page \d+ is not above the key before it/],
  ["a key twice", ({ view, bytes }, leaf) => setKey(bytes, view, leaf, 1, keyAt(bytes, view, leaf, 0)), /key 1 of page \d+ is not above/],
  ["a first key below its bound", ({ view, bytes }, leaf) => setKey(bytes, view, leaf, 0, 1n), /the first key of page \d+ is below the one its parent has/],
  [
    "a last key above its bound",
    ({ view, bytes }, leaf) => setKey(bytes, view, leaf, view.getUint16(leaf + 10, true) - 1, 2n ** 40n),
    /is not below the next key of its parent/,
  ],
  [
    "branch keys out of order",
    ({ view, bytes }, _, branch) => bytes.fill(0xff, branch + 32 + view.getUint32(branch + 32, true), branch + 32 + view.getUint32(branch + 32, true) + 8),
    /key 2 of page \d+ is not above/,
  ],
  ["a bucket inside a bucket", ({ view }, leaf) => view.setUint32(leaf + 16, 1, true), /a bucket inside a bucket/],
  ["overflow beyond the end", ({ view }, leaf) => view.setUint32(leaf + 12, 0xffff_fff0, true), /claims 4294967280 overflow pages/],
  ["an element outside its page", ({ view }, leaf) => view.setUint32(leaf + 16 + 12, 5000, true), /points outside its page/],
];

function keyAt(bytes: Uint8Array, view: DataView, page: number, index: number): bigint {
  const element = page + 16 + 16 * index;
  return new DataView(bytes.buffer, element + view.getUint32(element + 4, true), 8).getBigUint64(0);
}

function setKey(bytes: Uint8Array, view: DataView, page: number, index: number, main: bigint): void {
  const element = page + 16 + 16 * index;
  new DataView(bytes.buffer, element + view.getUint32(element + 4, true), 8).setBigUint64(0, main);
}

test.each(damages)("check: finds %s", (_, damage, message) => {
  const database = damaged();
  const leaves = database.pages(LEAF);
  const leaf = (leaves[Math.floor(leaves.length / 2)] ?? 0) * PAGE;
  const branch = (database.pages(BRANCH)[3] ?? 0) * PAGE;
  damage(database, leaf, branch);
  const found = errorsOf(database.bytes);
  expect(found[0]).toMatch(/^error \d+: /);
  expect(found.join("\n")).toMatch(message);
});

test("check: goes on behind a damage, and gives each one its place", () => {
  const { bytes, view, pages } = damaged();
  const leaves = pages(LEAF);
  for (const index of [10, 20, 30]) view.setUint16((leaves[index] ?? 0) * PAGE + 8, 0, true);
  expect(errorsOf(bytes).map((finding) => Number(/\d+/.exec(finding)?.[0]))).toEqual([10, 20, 30].map((index) => (leaves[index] ?? 0) * PAGE + 8));
});

test("check: one bad meta page is a warning, since etcd reads the other", () => {
  const { bytes, view } = damaged();
  bytes[16 + 20] = 9;
  view.setUint16(PAGE + 8, LEAF, true);
  expect(errorsOf(bytes)).toEqual([
    "warning 0: meta page 0 has a checksum that does not match; the other one is used",
    "warning 1024: meta page 1 says that it is page 1 with flags 0x2",
  ]);
});

test("check: reports a file without metas, or one that is too short, and reads nothing more", () => {
  expect(errorsOf(new Uint8Array(5000))).toEqual([expect.stringMatching(/^error 0: neither meta page is valid/)]);
  expect(errorsOf(pristine.subarray(0, pristine.length - 1))).toEqual([expect.stringMatching(/the file ends after \d+ of the database's \d+ bytes/)]);
});

test("check: a bucket whose root is no page is one finding, and the others are still read", () => {
  const { bytes, view, pages } = damaged();
  const root = openDatabase(bufferPageSource(bytes)).meta.rootPageId * PAGE;
  const element = root + 16 + 16;
  const value = element + view.getUint32(element + 4, true) + view.getUint32(element + 8, true);
  view.setBigUint64(value, 2n ** 50n, true);
  const auth = (pages(LEAF)[0] ?? 0) * PAGE;
  view.setUint16(auth + 8, 0, true);
  expect(errorsOf(bytes)).toEqual([
    expect.stringMatching(/page \d+ is neither branch nor leaf/),
    `error ${value}: the root of bucket key is page 1125899906842624, which the database does not have`,
  ]);
});

test("check: a page of other things in the place of the list of buckets is one finding", () => {
  const { bytes, pages } = damaged();
  const { meta } = openDatabase(bufferPageSource(bytes));
  const leaf = pages(LEAF).at(-2) ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const count = view.getUint16(leaf * PAGE + 10, true);
  for (const slot of [0, 1] as const) bytes.set(encodeMetaPage({ ...meta, rootPageId: leaf, txid: meta.txid + BigInt(slot) }, slot), slot * PAGE);
  expect(errorsOf(bytes)).toEqual([`error ${leaf * PAGE + 16}: page ${leaf} lists the buckets, but names none in ${count} of its ${count} elements`]);
});

test("check: a branch that is its own first child is one finding: what it and its other children are is told by most of them", () => {
  const { bytes, view, pages } = damaged();
  const [branch = 0] = pages(BRANCH);
  view.setBigUint64(branch * PAGE + 16 + 8, BigInt(branch), true);
  expect(errorsOf(bytes)).toEqual([`error ${branch * PAGE + 8}: page ${branch} is a branch where the tree has leaves`]);
});

test("check: a branch that is named as a child twice is one finding, and its leaves are read once", () => {
  const { bytes, view, pages } = damaged();
  const branches = pages(BRANCH);
  const childOf = (branch: number, index: number) => Number(view.getBigUint64(branch * PAGE + 16 + 16 * index + 8, true));
  const above = branches.find((branch) => branches.includes(childOf(branch, 0))) ?? 0;
  const child = childOf(above, 0);
  view.setBigUint64(above * PAGE + 16 + 16 + 8, BigInt(child), true);
  expect(errorsOf(bytes)).toEqual([`error ${child * PAGE}: page ${child} is referenced twice`]);
});

test("check: the keys of an inline bucket are in order too", () => {
  const bytes = imageOf([{ name: text("meta"), rows: rows(2) }]);
  const { inline } = readBuckets(openDatabase(bufferPageSource(bytes)))[0]!;
  expect(errorsOf(bytes)).toEqual([]);
  setKey(bytes, new DataView(bytes.buffer), inline!.fileOffset, 0, 2n ** 40n);
  expect(errorsOf(bytes)).toEqual([expect.stringMatching(/^error \d+: key 1 of page 0 is not above the key before it$/)]);
});

test("check: a database of more pages than any etcd's is refused before memory is taken for them", () => {
  const { meta } = openDatabase(bufferPageSource(pristine));
  const highWaterMark = 2 ** 28 + 1;
  const bytes = pristine.slice();
  for (const slot of [0, 1] as const) bytes.set(encodeMetaPage({ ...meta, highWaterMark, txid: meta.txid + BigInt(slot) }, slot), slot * PAGE);
  const found = checkStructure({ ...bufferPageSource(bytes), sizeBytes: highWaterMark * PAGE });
  expect(found).toEqual([{ severity: "error", offset: 0, text: "a database of 268435457 pages" }]);
});

/** The sound database with pages after it: the first holds the freelist, `free` pages are listed there. */
function withFreelist(free: readonly number[], { spare = 3, longForm = false, flags = 0x10 } = {}): Uint8Array {
  const { meta } = openDatabase(bufferPageSource(pristine));
  const id = meta.highWaterMark;
  const bytes = new Uint8Array(pristine.length + (1 + spare) * PAGE);
  bytes.set(pristine);
  const view = new DataView(bytes.buffer);
  const start = id * PAGE;
  view.setBigUint64(start, BigInt(id), true);
  view.setUint16(start + 8, flags, true);
  view.setUint16(start + 10, longForm ? 0xffff : free.length, true);
  if (longForm) view.setBigUint64(start + 16, BigInt(free.length), true);
  for (const [index, page] of free.entries()) view.setBigUint64(start + (longForm ? 24 : 16) + 8 * index, BigInt(page), true);
  const changed: Meta = { ...meta, freelistPageId: BigInt(id), highWaterMark: id + 1 + spare };
  bytes.set(encodeMetaPage(changed, 0));
  bytes.set(encodeMetaPage(changed, 1), PAGE);
  return bytes;
}

const end = pristine.length / PAGE;

test.each([false, true])("check: a stored freelist that holds exactly the unused pages is sound (long form: %s)", (longForm) => {
  expect(errorsOf(withFreelist([end + 1, end + 2, end + 3], { longForm }))).toEqual([]);
});

test("check: finds a freelist in a page that belongs to another one", () => {
  const bytes = withFreelist([end + 1, end + 2, end + 3]);
  new DataView(bytes.buffer).setUint32((end - 1) * PAGE + 12, 1, true);
  expect(errorsOf(bytes)).toEqual([`error ${end * PAGE}: page ${end}, the freelist, is in use for something else`]);
});

test.each([
  ["a page that is neither used nor free", withFreelist([end + 1, end + 3]), new RegExp(`page ${end + 2} is neither in use nor free`)],
  ["a free page twice", withFreelist([end + 1, end + 2, end + 2, end + 3]), new RegExp(`page ${end + 2} is in the freelist twice`)],
  ["a free page that is in use", withFreelist([end - 5, end + 1, end + 2, end + 3]), new RegExp(`page ${end - 5} is in use and in the freelist`)],
  ["a free page beyond the end", withFreelist([end + 1, end + 2, end + 3, end + 4]), /the freelist holds page \d+, which the database does not have/],
  ["a freelist that is no freelist", withFreelist([end + 1, end + 2, end + 3], { flags: LEAF }), /is not the freelist/],
  [
    "a freelist that claims too much",
    withFreelist(
      Array.from({ length: 200 }, () => 5),
      { spare: 2 },
    ),
    /the freelist claims 200 pages, more than fit in it/,
  ],
])("check: finds %s", (_, bytes, message) => {
  expect(errorsOf(bytes).join("\n")).toMatch(message);
});
