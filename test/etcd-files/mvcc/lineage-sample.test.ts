import { expect, test } from "vitest";
import type { Row } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { compareLineage, type LineagePoint, type LineageSample, LineageSampler } from "../../../src/etcd-files/mvcc/lineage-sample.ts";
import { runs, SEED } from "../../support/counts.ts";
import { droppedByCompaction, randomHistory } from "../../support/random-history.ts";
import { isTombstone, revisionOf } from "../../support/reference-store.ts";
import { putRow, text } from "../../support/rows.ts";

function pointOf(rows: readonly Row[], compactRevision = -1n): LineagePoint & { sample: LineageSample } {
  const revision = rows.map((row) => revisionOf(row).main).reduce((most, each) => (each > most ? each : most));
  const sampler = new LineageSampler(Number(revision));
  for (const row of rows) {
    const { main, sub } = revisionOf(row);
    const bytes = Buffer.concat([Buffer.from("before"), row.key, row.value]);
    sampler.offer(bytes, 6, bytes.length, Number(main), Number(sub), isTombstone(row));
  }
  return { sample: sampler.finish(), revision, compactRevision, finishedCompactRevision: compactRevision };
}

const keyValueAt = (main: number, value = "v") => ({
  key: text(`k${main}`),
  createRevision: main,
  modRevision: main,
  version: 1,
  value: text(value),
  lease: 0n,
});
const put = (main: number, value = "v"): Row => putRow(keyValueAt(main, value));
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);
const puts = (count: number): Row[] => Array.from({ length: count }, (_, index) => put(index + 2));

test("lineage sample: all rows of a small keyspace, in order, each with its revision and hash", () => {
  const { sample } = pointOf([put(3), put(2)]);
  expect(sample.threshold).toBe("ffffffffffffffff");
  expect(sample.hashes).toEqual([expect.stringMatching(/^2:[0-9a-f]{16}$/), expect.stringMatching(/^3:[0-9a-f]{16}$/)]);
  // Part of the repository format: these never change.
  expect(sample.hashes[0]).toBe("2:c858f5034a618062");
});

test("lineage sample: of a large keyspace between 1,000 and 2,000 rows, the same in whatever order they come", () => {
  const rows = puts(10_000);
  const { sample } = pointOf(rows);
  expect(sample.hashes.length).toBeGreaterThan(900);
  expect(sample.hashes.length).toBeLessThanOrEqual(2000);
  expect(sample.threshold).toBe("1fffffffffffffff");
  expect(sample.hashes.every((entry) => (entry.split(":")[1] ?? "") <= sample.threshold)).toBe(true);
  expect(pointOf(rows.toReversed()).sample).toEqual(sample);
});

test("lineage sample: of the newest 256 revisions all rows, in order, and of a large transaction the first 4", () => {
  const large = Array.from({ length: 40 }, (_, sub) => putRow({ ...keyValueAt(800), key: text(`k800-${sub}`) }, sub));
  const rows = [...puts(798), ...large, ...Array.from({ length: 200 }, (_, index) => put(801 + index))];
  const { newest } = pointOf(rows).sample;
  const mains = newest.map((entry) => Number(entry.split(":")[0]));
  expect(mains).toEqual([...range(745, 799), ...Array.from({ length: 4 }, () => 800), ...range(801, 1000)]);
  expect(new Set(newest).size).toBe(newest.length);
  // As the same row is named in the sample of a keyspace that holds few rows.
  expect(newest.at(-1)).toBe(pointOf([put(1000)]).sample.hashes[0]);
});

test("lineage: a keyspace that went on, and was compacted, continues itself", () => {
  for (let seed = SEED; seed < SEED + runs(20, 500); seed++) {
    const history = randomHistory(seed, { revisions: 400, compaction: "none" });
    const half = history.rows.filter((row) => revisionOf(row).main <= 200n);
    const compaction = 50 + (seed % 300);
    const dropped = droppedByCompaction(history.rows, compaction);
    const newer = pointOf(
      history.rows.filter((row) => !dropped.has(row)),
      BigInt(compaction),
    );
    const { compared, differing } = compareLineage(pointOf(half), newer);
    expect(differing).toEqual([]);
    // Compacted beyond the older one, it may hold none of its rows any more.
    if (compaction < 200) expect(compared).toBeGreaterThan(0);
  }
});

test("lineage: a large keyspace that went on continues itself, although both are sampled and thresholds differ", () => {
  const older = pointOf(puts(5000));
  const newer = pointOf(puts(25_000));
  expect(older.sample.threshold).not.toBe(newer.sample.threshold);
  const { compared, differing } = compareLineage(older, newer);
  expect([differing, compared > 50]).toEqual([[], true]);
});

test("lineage: a keyspace whose past has another value does not continue", () => {
  const newer = puts(40).map((row, index) => (index === 20 ? put(22, "other") : row));
  expect(compareLineage(pointOf(puts(30)), pointOf(newer)).differing.map((entry) => entry.split(":")[0])).toEqual(["22", "22"]);
});

test("lineage: a keyspace that lacks a row which no compaction removed does not continue", () => {
  const newer = puts(40).filter((_, index) => index !== 25);
  expect(compareLineage(pointOf(puts(30)), pointOf(newer)).differing.map((entry) => entry.split(":")[0])).toEqual(["27"]);
  expect(compareLineage(pointOf(puts(30)), pointOf(newer, 27n)).differing).toEqual([]);
});
