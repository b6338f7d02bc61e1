import fc from "fast-check";
import { expect, test } from "vitest";
import { KEY_SIZE_BYTES_MAX, LEAF_ELEMENT_BUCKET, PAGE_BRANCH, PAGE_LEAF } from "../../../src/etcd-files/bbolt/constants.ts";
import { checkPage, pageOf } from "../../../src/etcd-files/bbolt/page.ts";
import { PageBuilder } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { runs, SEED } from "../../support/counts.ts";
import { sortedByKey, text } from "../../support/rows.ts";

const NOTHING = new Uint8Array(0);

const randomRows = fc
  .uniqueArray(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.uint8Array({ maxLength: 300 })), {
    selector: ([key]) => Buffer.from(key).toString("hex"),
    maxLength: 150,
  })
  .map((rows) => sortedByKey(rows.map(([key, value]) => ({ key, value }))));

test("page builder: a leaf reads back as the rows that were added, and the rest of the page is zeros", () => {
  const builder = new PageBuilder(PAGE_LEAF, LEAF_ELEMENT_BUCKET);
  fc.assert(
    fc.property(randomRows, fc.integer({ min: 0, max: 3000 }), (rows, spare) => {
      builder.clear();
      builder.startAfter(NOTHING);
      for (const row of rows) builder.addRow(row);
      const bytes = new Uint8Array(builder.sizeBytes + spare).fill(0xee);
      builder.writeTo(bytes, 77, 5);
      const page = pageOf(bytes, 0);
      expect(checkPage(page, 77)).toBe(true);
      expect([page.count, page.overflow]).toEqual([rows.length, 5]);
      rows.forEach(({ key, value }, index) => {
        expect(Buffer.compare(page.key(index), key)).toBe(0);
        expect(Buffer.compare(page.value(index), value)).toBe(0);
        expect(page.elementFlags(index)).toBe(LEAF_ELEMENT_BUCKET);
      });
      expect(bytes.subarray(builder.sizeBytes).every((byte) => byte === 0)).toBe(true);
    }),
    { seed: SEED, numRuns: runs(40, 1000) },
  );
});

test("page builder: a branch reads back as the children that were added, page ids beyond 32 bits included", () => {
  const builder = new PageBuilder(PAGE_BRANCH);
  const children = [3, 2 ** 32 + 5, 2 ** 41].map((pageId, index) => ({ key: text(`k${index}`), pageId }));
  for (const child of children) builder.addChild(child);
  expect(builder.removeLastChild()).toEqual(children[2]);
  builder.addChild({ key: text("k9"), pageId: 9 });
  const bytes = new Uint8Array(builder.sizeBytes);
  builder.writeTo(bytes, 2, 0);
  const page = pageOf(bytes, 0);
  expect(checkPage(page, 2)).toBe(true);
  expect([0, 1, 2].map((index) => [Buffer.from(page.key(index)).toString(), page.childId(index)])).toEqual([
    ["k0", 3],
    ["k1", 2 ** 32 + 5],
    ["k9", 9],
  ]);
});

test.each([
  ["equal to the last one", "b"],
  ["before the last one", "a"],
  ["a beginning of the last one", ""],
])("page builder: a key %s is refused, on the same page, on the next, and after another file's last key", (_, suffix) => {
  const wrong = { key: text(`key/${suffix}`), value: NOTHING };
  const last = { key: text("key/b"), value: text("value") };
  const samePage = new PageBuilder(PAGE_LEAF);
  samePage.addRow(last);
  const nextPage = new PageBuilder(PAGE_LEAF);
  nextPage.addRow(last);
  nextPage.clear();
  const continued = new PageBuilder(PAGE_LEAF);
  continued.startAfter(last.key);
  for (const builder of [samePage, nextPage, continued]) {
    expect(() => builder.addRow(wrong)).toThrow(expect.objectContaining({ code: "BBOLT_ROW_INVALID" }));
    builder.addRow({ key: text("key/b\0"), value: NOTHING });
  }
});

test("page builder: a key is 1 to 32768 bytes long, a value less than 2 GiB", () => {
  const builder = new PageBuilder(PAGE_LEAF);
  builder.addRow({ key: new Uint8Array(KEY_SIZE_BYTES_MAX), value: NOTHING });
  for (const sizeBytes of [0, KEY_SIZE_BYTES_MAX + 1]) {
    const key = new Uint8Array(sizeBytes).fill(1);
    expect(() => builder.addRow({ key, value: NOTHING })).toThrow(expect.objectContaining({ code: "BBOLT_ROW_INVALID" }));
  }
  const tooLong = { length: 2 ** 31 - 1 } as Uint8Array;
  expect(() => builder.addRow({ key: text("k"), value: tooLong })).toThrow(expect.objectContaining({ code: "BBOLT_ROW_INVALID" }));
});
