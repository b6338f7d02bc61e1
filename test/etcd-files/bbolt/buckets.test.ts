import { expect, test } from "vitest";
import { readBuckets, rowsOf } from "../../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { writeDatabase } from "../../../src/etcd-files/bbolt/writer.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";
import { text } from "../../support/rows.ts";

const rows = (count: number, sizeBytes: number): { key: Uint8Array; value: Uint8Array }[] =>
  Array.from({ length: count }, (_, index) => ({ key: text(String(index).padStart(6, "0")), value: new Uint8Array(sizeBytes).fill(index) }));

function database(buckets: Record<string, { key: Uint8Array; value: Uint8Array }[]>): Uint8Array {
  const file = memoryPageFile();
  const named = Object.entries(buckets).map(([name, bucketRows]) => ({ name: text(name), rows: bucketRows }));
  writeDatabase(file, named, { pageSizeBytes: 4096 });
  return file.bytes();
}

test("buckets: reads inline, one-leaf and several-level buckets, and values larger than a page", () => {
  const all = { empty: [], inline: rows(3, 10), large: rows(2000, 30), overflow: rows(3, 10_000) };
  const opened = openDatabase(bufferPageSource(database(all)));
  expect(readBuckets(opened).map(({ name, inline }) => [Buffer.from(name).toString(), inline !== undefined])).toEqual([
    ["empty", true],
    ["inline", true],
    ["large", false],
    ["overflow", false],
  ]);
  for (const [name, expected] of Object.entries(all)) expect([...rowsOf(opened, name)]).toEqual(expected);
});

test("buckets: gives no rows of a bucket that is not there", () => {
  expect([...rowsOf(openDatabase(bufferPageSource(database({ a: rows(1, 1) }))), "b")]).toEqual([]);
});

test("buckets: reads a root tree of several levels", () => {
  const names = Array.from({ length: 500 }, (_, index) => `bucket-${String(index).padStart(4, "0")}`);
  const opened = openDatabase(bufferPageSource(database(Object.fromEntries(names.map((name, index) => [name, rows(index % 3, 5)])))));
  expect(readBuckets(opened).map(({ name }) => Buffer.from(name).toString())).toEqual(names);
});

test("buckets: refuses a tree that leads back to itself", () => {
  const bytes = database({ a: rows(2000, 30) });
  const opened = openDatabase(bufferPageSource(bytes));
  const root = readBuckets(opened)[0]?.rootPageId ?? 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset + root * 4096, 4096);
  view.setBigUint64(16 + 8, BigInt(root), true);
  expect(() => [...rowsOf(opened, "a")]).toThrow(new RegExp(`page ${root} is referenced twice`));
});

test("buckets: refuses an element of the root tree that is no bucket", () => {
  const bytes = database({ a: rows(2, 30) });
  const opened = openDatabase(bufferPageSource(bytes));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(opened.meta.rootPageId * 4096 + 16, 0, true);
  expect(() => readBuckets(opened)).toThrow(/element 0 of the root tree is no bucket at byte/);
});
