// What an earlier snapshot named as its newest rows, found again in a later one of the same history.
import { expect, test } from "vitest";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource, type PageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import { newestRowsAt } from "../../../src/etcd-files/mvcc/newest-rows.ts";
import { runs, SEED } from "../../support/counts.ts";
import { droppedByCompaction, randomHistory } from "../../support/random-history.ts";
import { revisionOf } from "../../support/reference-store.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

const newestOf = (image: Uint8Array) => checkSnapshot(bufferPageSource(image), { hashes: [] }).facts!.lineageSample.newest;

test("newest rows: a later snapshot of the same history answers what the earlier one named, but for what was compacted", () => {
  for (let seed = SEED; seed < SEED + runs(12, 400); seed++) {
    const { rows } = randomHistory(seed, { revisions: 900, keys: 60, compaction: "none" });
    const at = 20 + ((seed * 37) % 860);
    const pageSizeBytes = seed % 2 === 0 ? 1024 : 4096;
    const earlier = rows.filter((row) => revisionOf(row).main <= BigInt(at));
    const named = newestOf(buildSnapshot({ pageSizeBytes, rows: earlier }));
    const later = buildSnapshot({ pageSizeBytes, rows });
    expect(named.length).toBeGreaterThan(0);
    expect(newestRowsAt(openDatabase(bufferPageSource(later)), at), `seed ${seed}`).toEqual(named);
    const dropped = droppedByCompaction(rows, at + 10);
    const left = rows.filter((row) => !dropped.has(row));
    const kept = new Set(newestOf(buildSnapshot({ pageSizeBytes, rows: earlier.filter((row) => !dropped.has(row)) })));
    const found = newestRowsAt(openDatabase(bufferPageSource(buildSnapshot({ pageSizeBytes, rows: left, compactRevision: at + 10 }))), at);
    expect(found, `seed ${seed}`).toEqual(named.filter((entry) => kept.has(entry)));
  }
});

test("newest rows: none where the database has no rows, nor before its first", () => {
  expect(newestRowsAt(openDatabase(bufferPageSource(buildSnapshot({ rows: [] }))), 100)).toEqual([]);
  const { rows } = randomHistory(SEED, { revisions: 900, keys: 60, compaction: "none" });
  const late = buildSnapshot({ rows: rows.filter((row) => revisionOf(row).main > 500n) });
  expect(newestRowsAt(openDatabase(bufferPageSource(late)), 400)).toEqual([]);
});

test("newest rows: only the leaves that hold them are read", () => {
  const { rows } = randomHistory(SEED, { revisions: 20_000, keys: 500, compaction: "none" });
  const inner = bufferPageSource(buildSnapshot({ pageSizeBytes: 4096, rows }));
  let readBytes = 0;
  const source: PageSource = {
    ...inner,
    sizeBytes: inner.sizeBytes,
    read: (offset, size) => {
      readBytes += size;
      return inner.read(offset, size);
    },
  };
  expect(newestRowsAt(openDatabase(source), 10_000).length).toBeGreaterThanOrEqual(256);
  expect(readBytes).toBeLessThan(inner.sizeBytes / 10);
});
