import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketLeaves, readBuckets } from "../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { editDatabase } from "../../src/etcd-files/bbolt/edit.ts";
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { countLeaseChanges, leaseRows } from "../../src/restore/leases.ts";
import { runs, SEED } from "../support/counts.ts";
import { memoryPageFile } from "../support/memory-page-file.ts";
import { type History, randomHistory } from "../support/random-history.ts";
import { putRow, rowDifference, text, tombstoneRow } from "../support/rows.ts";
import { buildSnapshot } from "../support/snapshots.ts";

/** What a server that has the leases of `history` would change; the order within the revision is not looked at. */
function expectedRows({ live, leases, revision }: History, policy: "expire" | "detach"): Row[] {
  const known = new Set(leases.map(({ id }) => id));
  const bound = [...live.values()].filter(({ lease }) => (policy === "expire" ? known.has(lease) : lease !== 0n));
  return bound.map((each) =>
    policy === "expire" ? tombstoneRow(each.key, revision + 1) : putRow({ ...each, modRevision: revision + 1, version: each.version + 1, lease: 0n }),
  );
}

function databaseOf(history: History) {
  return openDatabase(bufferPageSource(buildSnapshot({ ...history, trailer: false })));
}

/** Everything of the rows but their number within the revision. */
function withoutSubs(rows: Iterable<Row>): string[] {
  return [...rows].map(({ key, value }) => `${Buffer.from(key.subarray(0, 8)).toString("hex")}${key.length} ${Buffer.from(value).toString("hex")}`).sort();
}

test.each(["expire", "detach"] as const)("leases, %s: the added rows are those that a model of the history gives", (policy) => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom("none", "finished", "interrupted" as const), fc.boolean(), (seed, compaction, orphans) => {
      const whole = randomHistory(seed, { revisions: 200, keys: 30, leases: 5, compaction });
      const history = orphans ? { ...whole, leases: whole.leases.slice(1) } : whole;
      const rows = [...leaseRows(databaseOf(history), policy, BigInt(history.revision + 1))];
      expect(withoutSubs(rows)).toEqual(withoutSubs(expectedRows(history, policy)));
      expect(rows.map(({ key }) => Number(Buffer.from(key).readBigUInt64BE(9)))).toEqual(rows.map((_, index) => index));
      expect(countLeaseChanges(databaseOf(history), policy).boundKeys).toBe(rows.length);
    }),
    { seed: SEED, numRuns: runs(30, 1_000) },
  );
});

test("leases, restart: nothing is added", () => {
  expect([...leaseRows(databaseOf(randomHistory(4)), "restart", 500n)]).toEqual([]);
});

test("leases: the rows go behind those of the source while these are still being read, and take the pages that were counted", () => {
  const history = randomHistory(21, { revisions: 8_000, keys: 3_000, leases: 9, valueSizeBytesMax: 300, compaction: "none" });
  const file = memoryPageFile(buildSnapshot({ ...history, trailer: false }));
  const before = file.sizeBytes;
  const main = BigInt(history.revision + 1);
  const rows = [...leaseRows(openDatabase(file), "detach", main)];
  const counted = countLeaseChanges(openDatabase(file), "detach");
  expect(rows.length).toBeGreaterThan(100);
  editDatabase(file, { appendKeyRows: leaseRows(openDatabase(file), "detach", main) });
  const edited = openDatabase(bufferPageSource(file.bytes()));
  const bucket = readBuckets(edited).find(({ name }) => Buffer.from(name).toString() === "key")!;
  const all = Array.from(bucketLeaves(edited, bucket)).flatMap((page) =>
    Array.from({ length: page.count }, (_, index) => ({ key: page.key(index), value: page.value(index) })),
  );
  expect(rowDifference(all, [...history.rows, ...rows])).toBeUndefined();
  // Besides: the tree of buckets, and the branches of `key` at its right edge.
  expect(file.sizeBytes - before).toBeGreaterThanOrEqual(counted.addedBytes);
  expect(file.sizeBytes - before).toBeLessThanOrEqual(counted.addedBytes + 5 * 4096);
});

test("leases: a key of a lease that is not there stays when leases expire, and loses its lease when they are detached", () => {
  const put = (key: string, revision: number, lease: bigint) =>
    putRow({ key: text(key), createRevision: revision, modRevision: revision, version: 1, value: text("v"), lease });
  const snapshot = buildSnapshot({
    rows: [put("held", 2, 7n), put("orphan", 3, -8n), put("free", 4, 0n)],
    leases: [{ id: 7n, ttlSeconds: 60 }],
    trailer: false,
  });
  const database = openDatabase(bufferPageSource(snapshot));
  expect(rowDifference(leaseRows(database, "expire", 5n), [tombstoneRow(text("held"), 5)])).toBeUndefined();
  const detached = (key: string, createRevision: number, sub: number) =>
    putRow({ key: text(key), createRevision, modRevision: 5, version: 2, value: text("v"), lease: 0n }, sub);
  expect(rowDifference(leaseRows(database, "detach", 5n), [detached("held", 2, 0), detached("orphan", 3, 1)])).toBeUndefined();
});
