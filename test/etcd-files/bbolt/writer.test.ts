import fc from "fast-check";
import { expect, test } from "vitest";
import { readBuckets, rowsOf } from "../../../src/etcd-files/bbolt/buckets.ts";
import { checkStructure } from "../../../src/etcd-files/bbolt/check.ts";
import { KEY_SIZE_BYTES_MAX } from "../../../src/etcd-files/bbolt/constants.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import type { Row } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { writeDatabase } from "../../../src/etcd-files/bbolt/writer.ts";
import { type Audit, type AuditedBucket, auditDatabase } from "../../support/bbolt-audit.ts";
import { runs, SEED } from "../../support/counts.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";
import { randomBuckets } from "../../support/random-buckets.ts";
import { revisionKey, rowDifference, text } from "../../support/rows.ts";

const NOTHING = new Uint8Array(0);

function write(buckets: Readonly<Record<string, Iterable<Row>>>, pageSizeBytes = 4096): { image: Uint8Array; audit: Audit } {
  const file = memoryPageFile();
  const named = Object.entries(buckets).map(([name, rows]) => ({ name: text(name), rows }));
  const { sizeBytes, highWaterMark } = writeDatabase(file, named, { pageSizeBytes });
  expect([file.sizeBytes, sizeBytes]).toEqual([highWaterMark * pageSizeBytes, highWaterMark * pageSizeBytes]);
  const audit = auditDatabase(file.bytes());
  expect(audit.faults).toEqual([]);
  expect(checkStructure(bufferPageSource(file.bytes()))).toEqual([]);
  expect([audit.freePages, audit.branchesWithOneChild, audit.pageSizeBytes]).toEqual([0, 0, pageSizeBytes]);
  return { image: file.bytes(), audit };
}

/** `key` with rows of the given sizes (key of 17 bytes and value), audited. */
function keyBucket(valueSizes: readonly number[], pageSizeBytes = 4096): AuditedBucket {
  const rows = valueSizes.map((sizeBytes, index) => ({ key: revisionKey(index + 2), value: new Uint8Array(sizeBytes).fill(index) }));
  const bucket = write({ key: rows }, pageSizeBytes).audit.buckets.get("key") as AuditedBucket;
  expect(bucket.rows.map(({ value }) => value.length)).toEqual(valueSizes);
  return bucket;
}

test("writer: any buckets with any rows, on pages of any size, are read back as they were given", () => {
  fc.assert(
    fc.property(randomBuckets, fc.constantFrom(1024, 2048, 4096, 16384, 65536), (buckets, pageSizeBytes) => {
      const { image, audit } = write(buckets, pageSizeBytes);
      const database = openDatabase(bufferPageSource(image));
      expect(readBuckets(database).map(({ name }) => Buffer.from(name).toString())).toEqual(Object.keys(buckets));
      for (const [name, rows] of Object.entries(buckets)) {
        expect(rowDifference(rowsOf(database, name), rows)).toBeUndefined();
        expect(rowDifference(audit.buckets.get(name)?.rows ?? [], rows)).toBeUndefined();
      }
    }),
    { seed: SEED, numRuns: runs(60, 2000) },
  );
});

test("writer: a source may hand out the same object and buffers for every row", () => {
  const key = Buffer.alloc(4);
  const row = { key, value: key };
  function* rows(): Generator<Row> {
    for (let number = 0; number < 1000; number++) {
      key.writeUInt32BE(number);
      yield row;
    }
  }
  const { audit } = write({ b: rows() });
  expect(audit.buckets.get("b")?.rows.map((each) => Buffer.from(each.value).readUInt32BE())).toEqual(Array.from({ length: 1000 }, (_, number) => number));
});

test.each([1024, 4096, 65536])("writer: a page of %i bytes is filled to its last byte, and one byte more starts the next", (pageSizeBytes) => {
  const room = pageSizeBytes - 16 - 2 * (16 + 17);
  const first = Math.floor(room / 2);
  expect(keyBucket([first, room - first], pageSizeBytes)).toMatchObject({ leaves: 1, depth: 1 });
  expect(keyBucket([first, room - first + 1], pageSizeBytes)).toMatchObject({ leaves: 2, depth: 2 });
});

test.each([1024, 4096, 65536])("writer: with pages of %i bytes a bucket is inline up to a quarter of one", (pageSizeBytes) => {
  const room = pageSizeBytes / 4 - 16 - 16 - 17;
  expect(keyBucket([room - 1], pageSizeBytes)).toMatchObject({ inline: true });
  expect(keyBucket([room], pageSizeBytes)).toMatchObject({ inline: true });
  expect(keyBucket([room + 1], pageSizeBytes)).toMatchObject({ inline: false, leaves: 1 });
});

test.each([1024, 4096, 65536])("writer: a row larger than a page of %i bytes gets overflow pages of its own", (pageSizeBytes) => {
  const alone = pageSizeBytes - 16 - 16 - 17;
  for (const sizeBytes of [alone, alone + 1, 2 * pageSizeBytes - 49, 2 * pageSizeBytes - 48, 1_500_000]) {
    expect(keyBucket([10, sizeBytes, 10], pageSizeBytes)).toMatchObject({ leaves: 3 });
  }
});

test("writer: no page has 65535 elements, which would mean something else", () => {
  const rows = Array.from({ length: 65535 }, (_, index) => ({ key: Buffer.from([1 + (index >> 16), (index >> 8) & 255, index & 255]), value: NOTHING }));
  const last = write({ b: rows.slice(0, 65534) }, 2 ** 21).audit.buckets.get("b");
  expect(last).toMatchObject({ leaves: 1, depth: 1 });
  expect(write({ b: rows }, 2 ** 21).audit.buckets.get("b")).toMatchObject({ leaves: 2, depth: 2 });
});

test("writer: however many leaves there are, every branch has two children or more", () => {
  // One row fills a leaf of 1 KiB, and a branch has room for 30 children.
  const valueSizes = Array.from({ length: 62 * 30 }, () => 900);
  const counts = [1, 2, 3, 29, 30, 31, 32, 59, 60, 61, 62, 90, 91, 899, 900, 901, 902, 930, 931, 932, 1800, 1801];
  const depths = counts.map((count) => keyBucket(valueSizes.slice(0, count), 1024).depth);
  expect(depths).toEqual([1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]);
});

test("writer: branches of keys larger than a page still make a tree", () => {
  const rows = Array.from({ length: 9 }, (_, index) => ({ key: new Uint8Array(KEY_SIZE_BYTES_MAX).fill(index), value: NOTHING }));
  for (let count = 1; count <= rows.length; count++) {
    expect(write({ b: rows.slice(0, count) }, 1024).audit.buckets.get("b")).toMatchObject({ leaves: count });
  }
});

test("writer: buckets without rows, and a database without buckets, are possible", () => {
  expect(write({}).audit).toMatchObject({ highWaterMark: 3, rootDepth: 1 });
  const { audit } = write({ alarm: [], key: [] });
  expect([...audit.buckets].map(([name, { rows, inline }]) => [name, rows.length, inline])).toEqual([
    ["alarm", 0, true],
    ["key", 0, true],
  ]);
});

test("writer: buckets that do not fit one page make a tree of buckets", () => {
  const row = { key: text("k"), value: new Uint8Array(200) };
  const buckets = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`bucket-${String(index).padStart(3, "0")}`, [row]]));
  const { audit } = write(buckets, 1024);
  expect(audit.rootDepth).toBe(3);
  expect([...audit.buckets.keys()]).toEqual(Object.keys(buckets));
});

test("writer: refuses names and keys out of order", () => {
  const invalid = expect.objectContaining({ code: "BBOLT_ROW_INVALID" });
  const row = (key: string): Row => ({ key: text(key), value: NOTHING });
  expect(() => write({ b: [], a: [] })).toThrow(invalid);
  expect(() => write({ b: [row("2"), row("1")] })).toThrow(invalid);
  expect(() => write({ b: [row("1"), row("1")] })).toThrow(invalid);
});

test("writer: what a row source throws comes through, and no meta page makes the file look finished", () => {
  const file = memoryPageFile();
  function* rows(): Generator<Row> {
    for (let index = 0; index < 50_000; index++) yield { key: revisionKey(index), value: new Uint8Array(100) };
    throw new Error("the source broke");
  }
  expect(() => writeDatabase(file, [{ name: text("key"), rows: rows() }], { pageSizeBytes: 4096 })).toThrow("the source broke");
  expect(file.sizeBytes).toBeGreaterThan(1024 * 1024);
  expect(() => openDatabase(bufferPageSource(file.bytes()))).toThrow(expect.objectContaining({ code: "BBOLT_META_INVALID" }));
});
