import fc from "fast-check";
import { expect, test } from "vitest";
import { checkStructure } from "../../../src/etcd-files/bbolt/check.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { type DatabaseEdits, editDatabase } from "../../../src/etcd-files/bbolt/edit.ts";
import { readMeta } from "../../../src/etcd-files/bbolt/meta.ts";
import type { Row } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { type Audit, auditDatabase } from "../../support/bbolt-audit.ts";
import { runs, SEED } from "../../support/counts.ts";
import { type MemoryPageFile, memoryPageFile } from "../../support/memory-page-file.ts";
import { randomBuckets, randomRows } from "../../support/random-buckets.ts";
import { plainRows, randomHistory } from "../../support/random-history.ts";
import { rowDifference, sortedByKey, text } from "../../support/rows.ts";
import { buildSnapshot, snapshotBuckets, withTrailer } from "../../support/snapshots.ts";

const ROW_INVALID = expect.objectContaining({ code: "BBOLT_ROW_INVALID" });

/** Edits a copy and audits what comes out. */
function edit(image: Uint8Array, edits: DatabaseEdits): { file: MemoryPageFile; audit: Audit } {
  const file = memoryPageFile(image);
  const { highWaterMark, sizeBytes } = editDatabase(file, edits);
  const audit = auditDatabase(file.bytes());
  expect(audit.faults).toEqual([]);
  expect(checkStructure(bufferPageSource(file.bytes()))).toEqual([]);
  expect([audit.highWaterMark, file.sizeBytes, sizeBytes]).toEqual([highWaterMark, highWaterMark * audit.pageSizeBytes, highWaterMark * audit.pageSizeBytes]);
  return { file, audit };
}

function plain(count: number, valueSizeBytes: number, firstRevision = 2): Row[] {
  return [...plainRows(count, { firstRevision, valueSizeBytes })];
}

function keyImage(rows: readonly Row[], pageSizeBytes: number): Uint8Array {
  return buildSnapshot({ rows, pageSizeBytes });
}

test("edit: any edits of any database give the rows of both, and nothing else changes", () => {
  const step = fc.record({ replace: randomBuckets, append: randomRows, drop: fc.boolean() });
  fc.assert(
    fc.property(
      randomBuckets,
      randomRows,
      fc.array(step, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(1024, 4096, 65536),
      (others, keyRows, steps, pageSizeBytes) => {
        const expected: Record<string, Row[] | null> = { ...others, key: keyRows };
        let image = buildSnapshot({ pageSizeBytes, buckets: expected });
        for (const { replace, append, drop } of steps) {
          const last = expected["key"]?.at(-1)?.key ?? new Uint8Array(0);
          // Rows behind the last one: its key, and the row's own behind that.
          const appended = append.map(({ key, value }) => ({ key: Buffer.concat([last, key]), value }));
          const { key: _, ...replaced } = replace;
          if (drop) for (const name of Object.keys(others).slice(0, 1)) replaced[name] = [];
          const { file, audit } = edit(image, { replace: new Map(Object.entries(replaced)), appendKeyRows: appended });
          Object.assign(expected, replaced, { key: [...(expected["key"] ?? []), ...appended] });
          for (const { name, rows } of snapshotBuckets({ buckets: expected })) {
            expect(rowDifference(audit.buckets.get(Buffer.from(name).toString("latin1"))?.rows ?? [], rows)).toBeUndefined();
          }
          expect([...audit.buckets.keys()]).toEqual(snapshotBuckets({ buckets: expected }).map(({ name }) => Buffer.from(name).toString("latin1")));
          image = file.bytes();
        }
      },
    ),
    { seed: SEED, numRuns: runs(40, 1500) },
  );
});

test("edit: histories cut in two and appended are the histories", () => {
  for (let seed = 0; seed < runs(20, 500); seed++) {
    const { rows } = randomHistory(seed, { revisions: 400, compaction: "none" });
    const cut = (seed * 7919) % rows.length;
    const { audit } = edit(keyImage(rows.slice(0, cut), [1024, 4096, 65536][seed % 3] as number), { appendKeyRows: rows.slice(cut) });
    expect(rowDifference(audit.buckets.get("key")?.rows ?? [], rows)).toBeUndefined();
  }
});

// With pages of 1 KiB and values of 800 bytes each row is a leaf, and a branch has room for 30 children.
test.each([
  ["missing", null, 10],
  ["empty", 0, 10],
  ["empty, and stays inline", 0, 0.1],
  ["inline", 0.1, 10],
  ["a lone leaf", 1, 10],
  ["one branch with room", 10, 5],
  ["one branch that becomes full", 10, 20],
  ["one branch that splits", 10, 21],
  ["one full branch", 30, 1],
  ["one full branch, with a second one's worth", 30, 31],
  ["two levels of branches", 100, 50],
  ["two full levels of branches", 900, 1],
  ["three levels of branches", 2000, 3000],
])("edit: appends to a `key` that is %s", (_, before, added) => {
  const rows = before === null ? null : before < 1 ? plain(before * 10, 10) : plain(before, 800);
  const count = rows?.length ?? 0;
  const appended = added < 1 ? plain(added * 10, 10, count + 2) : plain(added, 800, count + 2);
  const image = buildSnapshot({ pageSizeBytes: 1024, buckets: { key: rows } });
  const { audit } = edit(image, { appendKeyRows: appended });
  const bucket = audit.buckets.get("key");
  expect(rowDifference(bucket?.rows ?? [], [...(rows ?? []), ...appended])).toBeUndefined();
  expect(audit.branchesWithOneChild).toBe(0);
  expect(bucket?.inline).toBe(added < 1);
});

test("edit: a `key` whose root is an empty leaf takes rows", () => {
  const image = buildSnapshot({ pageSizeBytes: 1024, rows: plain(1, 800), trailer: false });
  const root = Number(Buffer.from(auditDatabase(image).buckets.get("key")?.value ?? []).readBigUInt64LE());
  image.fill(0, root * 1024 + 10, root * 1024 + 12);
  expect(auditDatabase(image).buckets.get("key")).toMatchObject({ rows: [], inline: false });
  const rows = plain(5, 800);
  expect(rowDifference(edit(image, { appendKeyRows: rows }).audit.buckets.get("key")?.rows ?? [], rows)).toBeUndefined();
});

test.each([1024, 65536])("edit: with pages of %i bytes, rows larger than a page can be appended and appended to", (pageSizeBytes) => {
  const rows = [0, 1, 2, 3].flatMap((index) => plain(1, index % 2 === 1 ? 1_500_000 : 20, index + 2));
  for (let cut = 0; cut <= rows.length; cut++) {
    const { audit } = edit(keyImage(rows.slice(0, cut), pageSizeBytes), { appendKeyRows: rows.slice(cut) });
    expect(rowDifference(audit.buckets.get("key")?.rows ?? [], rows)).toBeUndefined();
  }
});

test.each([
  ["the last one again", 0],
  ["one before it", -1],
])("edit: refuses to append %s, whatever `key` looks like, and the database is as before", (_, step) => {
  for (const [count, valueSizeBytes] of [
    [2, 10],
    [1, 800],
    [30, 800],
    [1000, 800],
  ] as const) {
    const image = keyImage(plain(count, valueSizeBytes), 1024);
    const file = memoryPageFile(image);
    expect(() => editDatabase(file, { appendKeyRows: plain(1, 10, count + 1 + step) })).toThrow(ROW_INVALID);
    const { sizeBytes } = openDatabase(bufferPageSource(image));
    expect(Buffer.compare(file.bytes().subarray(0, sizeBytes), image.subarray(0, sizeBytes))).toBe(0);
  }
});

test("edit: rows behind the first are in order too, and replaced rows", () => {
  const image = keyImage(plain(10, 100), 4096);
  const [first, second] = plain(2, 10, 12) as [Row, Row];
  expect(() => edit(image, { appendKeyRows: [second, first] })).toThrow(ROW_INVALID);
  expect(() => edit(image, { replace: new Map([["members", [second, first]]]) })).toThrow(ROW_INVALID);
});

test("edit: refuses to replace `key` and append to it at once", () => {
  const edits = { replace: new Map([["key", plain(1, 10)]]), appendKeyRows: plain(1, 10, 3) };
  expect(() => edit(keyImage([], 4096), edits)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
});

test("edit: `key` itself can be replaced", () => {
  const rows = plain(500, 100, 7);
  const { audit } = edit(keyImage(plain(3000, 100), 4096), { replace: new Map([["key", rows]]) });
  expect(rowDifference(audit.buckets.get("key")?.rows ?? [], rows)).toBeUndefined();
});

test("edit: both metas name the new state, with the next two transaction ids in their slots and no freelist", () => {
  for (const newerSlot of [0, 1] as const) {
    const image = keyImage(plain(100, 100), 4096);
    // As in a streamed snapshot: page 0 is the newer one whatever its transaction id, and a freelist that will be stale.
    setMetas(image, newerSlot === 0 ? [41n, 40n] : [40n, 41n], 7n);
    const { file, audit } = edit(image, { appendKeyRows: plain(1, 10, 102) });
    const metas = [0, 4096].map((at) => readMeta(file.bytes(), at));
    const common = { rootPageId: expect.any(Number), highWaterMark: audit.highWaterMark, freelistPageId: 2n ** 64n - 1n, pageSizeBytes: 4096 };
    expect(metas).toEqual([expect.objectContaining({ ...common, txid: 42n }), expect.objectContaining({ ...common, txid: 43n })]);
    expect((metas[0] as { rootPageId: number }).rootPageId).toBe((metas[1] as { rootPageId: number }).rootPageId);
  }
});

test("edit: starts from the older meta when the newer one is damaged", () => {
  const rows = plain(100, 100);
  const image = keyImage(rows, 4096);
  image.fill(0xff, 16, 80);
  const { audit } = edit(image, { appendKeyRows: plain(1, 10, 102) });
  expect(audit.buckets.get("key")?.rows.length).toBe(101);
});

test("edit: buckets that stay are copied byte for byte, with a sequence that etcd never sets", () => {
  const image = keyImage(plain(100, 100), 4096);
  for (const { valueOffset } of auditDatabase(image).buckets.values()) image.fill(0xa5, valueOffset + 8, valueOffset + 16);
  const before = auditDatabase(image).buckets;
  const { audit } = edit(image, { replace: new Map([["members", plain(1, 10)]]) });
  for (const [name, { value }] of audit.buckets) {
    if (name !== "members") expect(Buffer.compare(value, before.get(name)?.value ?? new Uint8Array(0))).toBe(0);
  }
});

test("edit: a tree of buckets of several pages is taken over", () => {
  const buckets = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`extra-${index}`, plain(1, 100)]));
  const image = buildSnapshot({ pageSizeBytes: 1024, buckets });
  expect(auditDatabase(image).rootDepth).toBeGreaterThan(1);
  const { audit } = edit(image, { replace: new Map([["a-new-one", plain(2, 10)]]) });
  expect([...audit.buckets.keys()]).toEqual(sortedNames(["a-new-one", ...auditDatabase(image).buckets.keys()]));
});

test("edit: nothing to append leaves `key` as it is", () => {
  const image = keyImage(plain(5000, 100), 4096);
  const before = auditDatabase(image).buckets.get("key");
  const { audit } = edit(image, { appendKeyRows: [] });
  expect(audit.buckets.get("key")?.value).toEqual(before?.value);
  expect(audit.freePages).toBe(1); // The old root leaf.
});

test("edit: a hash at the end goes, and so does the space bbolt took ahead", () => {
  const rows = plain(100, 100);
  const image = buildSnapshot({ rows, trailer: false });
  const added = plain(50, 100, 102);
  const plainEdit = edit(image, { appendKeyRows: added }).file.bytes();
  for (const longer of [withTrailer(image), Buffer.concat([image, new Uint8Array(16 * 1024 * 1024).fill(0x5a)])]) {
    expect(Buffer.compare(edit(longer, { appendKeyRows: added }).file.bytes(), plainEdit)).toBe(0);
  }
});

test("edit: reads and writes only what it needs", () => {
  const { file } = edit(keyImage(plain(60_000, 300), 4096), {
    replace: new Map([["members", plain(3, 200)]]),
    appendKeyRows: plain(10, 300, 60_002),
  });
  // The spine of a tree of 23 MB: three pages read and two written, the tree of buckets, ten rows, both metas.
  expect(file.traffic.readBytes).toBeLessThan(40_000);
  expect(file.traffic.writtenBytes).toBeLessThan(40_000);
});

test("edit: a bucket whose root lies behind the end is refused, since new pages would come to lie there", () => {
  const image = buildSnapshot({ rows: plain(100, 100), trailer: false });
  const { buckets, highWaterMark } = auditDatabase(image);
  Buffer.from(image.buffer).writeBigUInt64LE(BigInt(highWaterMark), buckets.get("key")?.valueOffset);
  expect(() => edit(image, { replace: new Map([["members", []]]) })).toThrow(expect.objectContaining({ code: "BBOLT_PAGE_INVALID" }));
});

test("edit: damage in what it has to read is a FormatError, and the database is as before", () => {
  const image = buildSnapshot({ pageSizeBytes: 1024, rows: plain(200, 300), trailer: false });
  const edits = { replace: new Map([["members", plain(3, 20)]]), appendKeyRows: plain(10, 300, 202) };
  const looked = memoryPageFile(image);
  const ranges: (readonly [number, number])[] = [];
  const read = (offset: number, sizeBytes: number): Uint8Array => {
    ranges.push([offset, Math.min(offset + sizeBytes, image.length) - 1]);
    return looked.read(offset, sizeBytes);
  };
  editDatabase({ ...looked, sizeBytes: image.length, read }, edits);
  const errors = new Map<string, number>();
  fc.assert(
    fc.property(fc.oneof(...ranges.map(([min, max]) => fc.integer({ min, max }))), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = image.slice();
      damaged[at] = (damaged[at] as number) ^ flip;
      const file = memoryPageFile(damaged);
      try {
        editDatabase(file, edits);
      } catch (error) {
        const { name, code } = error as { name: string; code: string };
        // A damaged last key can turn out greater than what is appended; everything else is a fault at an offset.
        expect([name, code]).toEqual(code === "BBOLT_ROW_INVALID" ? ["EtcdsafeError", code] : ["FormatError", code]);
        errors.set(code, (errors.get(code) ?? 0) + 1);
        expect(Buffer.compare(file.bytes().subarray(0, image.length), damaged)).toBe(0);
      }
    }),
    { seed: SEED, numRuns: runs(600, 20_000) },
  );
  expect(errors.get("BBOLT_PAGE_INVALID")).toBeGreaterThan(30);
});

function setMetas(image: Uint8Array, txids: readonly [bigint, bigint], freelistPageId: bigint): void {
  txids.forEach((txid, slot) => {
    const meta = Buffer.from(image.buffer, image.byteOffset + slot * 4096 + 16, 64);
    meta.writeBigUInt64LE(freelistPageId, 32);
    meta.writeBigUInt64LE(txid, 48);
    let checksum = 0xcbf29ce484222325n;
    for (const byte of meta.subarray(0, 56)) checksum = ((checksum ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
    meta.writeBigUInt64LE(checksum, 56);
  });
}

function sortedNames(names: readonly string[]): string[] {
  return sortedByKey(names.map((name) => ({ key: text(name), value: text("") }))).map(({ key }) => Buffer.from(key).toString());
}
