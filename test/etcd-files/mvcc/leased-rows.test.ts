import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketLeaves, readBuckets } from "../../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { leasedRows } from "../../../src/etcd-files/mvcc/leased-rows.ts";
import { SupersededKeys } from "../../../src/etcd-files/mvcc/superseded-keys.ts";
import { runs, SEED } from "../../support/counts.ts";
import { type History, randomHistory } from "../../support/random-history.ts";
import { putRow, text } from "../../support/rows.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

/** `revision key`, of each key that is bound to a lease, in order. */
function leased(snapshot: Uint8Array, finished: number, superseded?: SupersededKeys): string[] {
  const database = openDatabase(bufferPageSource(snapshot));
  const bucket = readBuckets(database).find(({ name }) => Buffer.from(name).toString() === "key")!;
  const found: string[] = [];
  for (const { page, row } of leasedRows(() => bucketLeaves(database, bucket), finished, superseded)) {
    const { keyStart, keyEnd } = row.keyValue;
    found.push(`${row.main} ${Buffer.from(page.bytes.subarray(keyStart, keyEnd)).toString("latin1")}`);
  }
  return found;
}

function leasedByModel({ live }: History): string[] {
  return [...live].filter(([, { lease }]) => lease !== 0n).map(([key, { modRevision }]) => `${modRevision} ${key}`);
}

test("leased rows: those of the keys whose last change names a lease, however much of the history is compacted", () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom("none", "finished", "interrupted" as const), (seed, compaction) => {
      const history = randomHistory(seed, { revisions: 300, keys: 40, compaction });
      const found = leased(buildSnapshot(history), history.compactRevision ?? -1);
      expect(found.toSorted()).toEqual(leasedByModel(history).sort());
    }),
    { seed: SEED, numRuns: runs(40, 2_000) },
  );
});

test("leased rows: the same when the changed keys do not fit in memory at once", () => {
  const history = randomHistory(7, { revisions: 6_000, keys: 2_500, valueSizeBytesMax: 10, compaction: "none" });
  const superseded = new SupersededKeys([Number.MAX_SAFE_INTEGER], 1);
  const found = leased(buildSnapshot(history), -1, superseded);
  expect(superseded.parts).toBeGreaterThan(8);
  expect(found.toSorted()).toEqual(leasedByModel(history).sort());
  expect(found.length).toBeGreaterThan(80);
});

test("leased rows: a row that is none is told with its place", () => {
  const put = putRow({ key: text("a"), createRevision: 2, modRevision: 2, version: 1, value: text("v"), lease: 5n });
  const broken = { key: put.key, value: Uint8Array.of(0xff) };
  expect(() => leased(buildSnapshot({ rows: [broken] }), -1)).toThrow(/the value of revision 2 is no KeyValue at byte \d+/);
});
