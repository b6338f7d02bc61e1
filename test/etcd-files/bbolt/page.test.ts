import { expect, test } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { PAGE_BRANCH, PAGE_LEAF } from "../../../src/etcd-files/bbolt/constants.ts";
import { branchIndexFor, checkPage, compareKeys, inlinePageOf, pageOf } from "../../../src/etcd-files/bbolt/page.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A page image of 256 bytes; `gap` bytes are left between two elements' data. */
function image(flags: number, id: bigint, rows: readonly (readonly [string, string | bigint])[], gap = 0): Uint8Array {
  const page = new Uint8Array(256);
  const view = new DataView(page.buffer);
  view.setBigUint64(0, id, true);
  view.setUint16(8, flags, true);
  view.setUint16(10, rows.length, true);
  let data = 16 + 16 * rows.length;
  rows.forEach(([key, value], index) => {
    const element = 16 + 16 * index;
    const leaf = typeof value === "string";
    view.setUint32(element + (leaf ? 4 : 0), data - element, true);
    view.setUint32(element + (leaf ? 8 : 4), key.length, true);
    if (leaf) view.setUint32(element + 12, value.length, true);
    else view.setBigUint64(element + 8, value, true);
    page.set(bytesOf(key), data);
    if (leaf) page.set(bytesOf(value), data + key.length);
    data += key.length + (leaf ? value.length : 0) + gap;
  });
  return page;
}

test("page: reads the elements of a leaf", () => {
  const page = pageOf(
    image(PAGE_LEAF, 7n, [
      ["a", "one"],
      ["bb", ""],
    ]),
    7 * 256,
  );
  expect(checkPage(page, 7)).toBe(true);
  expect([page.id, page.count, page.isLeaf, page.isBranch, page.overflow]).toEqual([7, 2, true, false, 0]);
  expect([page.key(0), page.value(0), page.key(1), page.value(1)]).toEqual([bytesOf("a"), bytesOf("one"), bytesOf("bb"), bytesOf("")]);
  expect(page.offsetOf(page.keyStart(0))).toBe(7 * 256 + 16 + 32);
});

test("page: reads a branch and finds the child that may hold a key", () => {
  const page = pageOf(
    image(PAGE_BRANCH, 3n, [
      ["b", 10n],
      ["d", 2n ** 40n],
      ["f", 12n],
    ]),
    0,
  );
  checkPage(page, 3);
  expect([page.childId(0), page.childId(1), page.childId(2)]).toEqual([10, 2 ** 40, 12]);
  expect(["a", "b", "c", "d", "e", "f", "g"].map((key) => branchIndexFor(page, bytesOf(key)))).toEqual([0, 0, 0, 1, 1, 2, 2]);
});

test("page: says that data with gaps is not packed", () => {
  const rows = [
    ["a", "one"],
    ["b", "two"],
  ] as const;
  expect(checkPage(pageOf(image(PAGE_LEAF, 2n, rows, 1), 0), 2)).toBe(false);
});

test("page: reads the leaf inside an inline bucket's value", () => {
  const value = new Uint8Array(16 + 256);
  value.set(image(PAGE_LEAF, 0n, [["k", "v"]]), 16);
  const page = inlinePageOf(value, 1000);
  checkPage(page, 0);
  expect(page.key(0)).toEqual(bytesOf("k"));
  expect(page.fileOffset).toBe(1016);
  expect(() => inlinePageOf(value.subarray(0, 20), 1000)).toThrow(/page header cut short: 4 bytes at byte 1016/);
});

const damaged: [string, (page: Uint8Array, view: DataView) => void, RegExp][] = [
  ["another id", (_, view) => view.setUint32(0, 9, true), /page 5 says that it is page 9 at byte 1280/],
  ["two type flags", (_, view) => view.setUint16(8, 3, true), /neither branch nor leaf \(flags 0x3\) at byte 1288/],
  ["too many elements", (_, view) => view.setUint16(10, 16, true), /claims 16 elements, more than fit in it at byte 1290/],
  ["the count that means overflow", (_, view) => view.setUint16(10, 0xffff, true), /claims 65535 elements/],
  ["data inside the elements", (_, view) => view.setUint32(16 + 4, 0, true), /points outside its page at byte 1296/],
  ["data after the end", (_, view) => view.setUint32(16 + 12, 256, true), /points outside its page at byte 1296/],
  ["an empty key", (_, view) => view.setUint32(16 + 8, 0, true), /key of 0 bytes in page 5 at byte 1296/],
];

test.each(damaged)("page: refuses %s, with the byte offset", (_, damage, message) => {
  const bytes = image(PAGE_LEAF, 5n, [["a", "one"]]);
  damage(bytes, new DataView(bytes.buffer));
  const check = (): boolean => checkPage(pageOf(bytes, 5 * 256), 5);
  expect(check).toThrow(FormatError);
  expect(check).toThrow(message);
});

test("page: refuses an empty branch", () => {
  expect(() => checkPage(pageOf(image(PAGE_BRANCH, 5n, []), 0), 5)).toThrow(/page 5, a branch, is empty/);
});

test("page: orders keys as Go's bytes.Compare does", () => {
  const keys = [new Uint8Array([0xff]), bytesOf("b"), bytesOf("ab"), bytesOf("a"), new Uint8Array([0]), new Uint8Array()];
  expect(keys.toSorted(compareKeys)).toEqual(keys.toReversed());
});

test("page: refuses elements that share their data", () => {
  const bytes = image(PAGE_LEAF, 5n, [
    ["a", "x".repeat(100)],
    ["b", "y".repeat(90)],
  ]);
  const view = new DataView(bytes.buffer);
  view.setUint32(32 + 4, view.getUint32(16 + 4, true) - 16, true);
  view.setUint32(32 + 12, 200 - 1, true);
  expect(() => checkPage(pageOf(bytes, 5 * 256), 5)).toThrow(/elements of page 5 share their data at byte 1280/);
});
