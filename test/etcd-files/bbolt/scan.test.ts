import { expect, test } from "vitest";
import { readBuckets } from "../../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { Findings } from "../../../src/etcd-files/bbolt/finding.ts";
import { PageSet } from "../../../src/etcd-files/bbolt/page-set.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { type LeafVisitor, TreeScan } from "../../../src/etcd-files/bbolt/scan.ts";
import { type PageRange, runWalk } from "../../../src/etcd-files/bbolt/walk.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import { runs, SEED } from "../../support/counts.ts";
import { plainRows, randomHistory, randomNumbers } from "../../support/random-history.ts";
import { revisionKey } from "../../support/rows.ts";
import { shufflePages } from "../../support/shuffled-pages.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

interface Visit {
  readonly pageId: number;
  readonly slot: number;
  readonly firstKey: string;
  readonly first: boolean;
}

/** Scans of one bucket of an image; every scan's visits, batch by batch. */
function scanner(image: Uint8Array, batchSlots: number) {
  const source = bufferPageSource(image);
  const database = openDatabase(source);
  const findings = new Findings();
  const pages = { pageSizeBytes: database.pageSizeBytes, highWaterMark: database.meta.highWaterMark };
  const bucket = readBuckets(database).find(({ name }) => Buffer.from(name).toString() === "key");
  if (bucket === undefined) throw new Error("no bucket key");
  const scan = new TreeScan({ pages, findings, used: new PageSet(pages.highWaterMark), onLeafBytes() {}, batchSlots }, bucket);
  runWalk(scan.outline(), source);
  return {
    findings,
    lastKey: () => runWalk(scan.lastKey(), source),
    visits(range: Parameters<TreeScan["scan"]>[1] = {}): { readonly batches: Visit[][]; readonly ranges: PageRange[] } {
      const batches: Visit[][] = [[]];
      const ranges: PageRange[] = [];
      const visitor: LeafVisitor = {
        leaf: (page, slot, packed, first) => {
          expect(packed).toBe(true);
          batches.at(-1)?.push({ pageId: page.id, slot, firstKey: Buffer.from(page.key(0)).toString("hex"), first });
        },
        batchEnd: () => batches.push([]),
      };
      const walk = scan.scan(visitor, range);
      for (let step = walk.next(); !step.done; step = walk.next(source.read(step.value.offset, step.value.sizeBytes))) ranges.push(step.value);
      return { batches: batches.filter((batch) => batch.length > 0), ranges };
    },
  };
}

const inKeyOrder = (batches: readonly Visit[][]): string[] =>
  batches.flatMap((batch) => [...batch].sort((a, b) => a.slot - b.slot).map(({ firstKey }) => firstKey));
const ordered = (keys: readonly string[]): boolean => keys.every((key, index) => index === 0 || (keys[index - 1] as string) < key);

const image = buildSnapshot({ pageSizeBytes: 1024, rows: plainRows(6000, { valueSizeBytes: 60 }), trailer: false });

test("scan: each leaf once, in the order of the file, and by their slots in the order of keys", () => {
  const scan = scanner(shufflePages(image, randomNumbers(1)), 1_000_000);
  const { batches, ranges } = scan.visits();
  expect(scan.findings.list()).toEqual([]);
  const visits = batches.flat();
  expect(visits.length).toBeGreaterThan(500);
  expect(new Set(visits.map(({ pageId }) => pageId)).size).toBe(visits.length);
  expect(visits.map(({ pageId }) => pageId)).toEqual(visits.map(({ pageId }) => pageId).toSorted((a, b) => a - b));
  expect(ordered(inKeyOrder(batches))).toBe(true);
  // Neighbours are read together.
  expect(ranges.length).toBeLessThan(visits.length / 10);
});

test("scan: in batches it gives the same, each batch after the other in keys", () => {
  const shuffled = shufflePages(image, randomNumbers(2));
  const whole = inKeyOrder(scanner(shuffled, 1_000_000).visits().batches);
  const { batches } = scanner(shuffled, 100).visits();
  expect(batches.length).toBeGreaterThan(5);
  expect(inKeyOrder(batches)).toEqual(whole);
});

test("scan: an upper and a lower scan see every leaf first exactly once, whatever the bounds", () => {
  for (const [low, high] of [
    [0, 0],
    [2, 2],
    [1000, 1000],
    [1000, 1001],
    [1500, 4000],
    [3000, 6001],
    [7000, 7000],
    [1, 7000],
  ] as const) {
    const scan = scanner(shufflePages(image, randomNumbers(low)), 200);
    const from = revisionKey(low);
    const to = revisionKey(high);
    const upper = scan.visits({ from, firstFrom: to }).batches.flat();
    const lower = scan.visits({ to }).batches.flat();
    expect(scan.findings.list()).toEqual([]);
    const first = [...upper, ...lower].filter((visit) => visit.first).map(({ pageId }) => pageId);
    expect(first.length).toBe(scanner(image, 200).visits().batches.flat().length);
    expect(new Set(first).size).toBe(first.length);
    // What lies wholly below `from` is not looked at, nor what lies wholly behind `to`; what is seen first above holds nothing below `to`.
    expect(upper.filter(({ first: seen }) => seen).every(({ firstKey }) => firstKey >= Buffer.from(to).toString("hex"))).toBe(true);
    expect(lower.every((visit) => visit.first)).toBe(true);
    if (low > 100) expect(upper.length).toBeLessThan(first.length);
  }
});

test("scan: a repetition is no first look, and finds nothing twice", () => {
  const damaged = image.slice();
  new DataView(damaged.buffer).setUint16(5 * 1024 + 8, 0, true);
  const scan = scanner(damaged, 1_000_000);
  scan.visits();
  expect(scan.findings.list().length).toBe(1);
  expect(
    scan
      .visits({ again: true })
      .batches.flat()
      .some(({ first }) => first),
  ).toBe(false);
  expect(scan.findings.list().length).toBe(1);
});

test("scan: the last key, of a deep tree, a single leaf, an inline bucket and an empty one", () => {
  for (const count of [6000, 20, 1, 0]) {
    const built = buildSnapshot({ pageSizeBytes: 1024, rows: plainRows(count, { valueSizeBytes: 60 }), trailer: false });
    expect(scanner(built, 1000).lastKey()).toEqual(count === 0 ? undefined : Uint8Array.from(revisionKey(count + 1)));
  }
});

test("scan: whatever the order of the pages, a snapshot's facts are the same", () => {
  const random = randomNumbers(SEED);
  for (let seed = SEED; seed < SEED + runs(15, 500); seed++) {
    const history = randomHistory(seed, {
      revisions: 400,
      keys: 60,
      valueSizeBytesMax: seed % 5 === 0 ? 3000 : 40,
      compaction: seed % 3 === 0 ? "interrupted" : seed % 3 === 1 ? "finished" : "none",
    });
    const built = buildSnapshot({ pageSizeBytes: random.pick([1024, 4096, 65_536]), ...history, trailer: false });
    const hashes = [{ revision: 0n }, { revision: BigInt(history.revision - 3) }, { revision: 0n, compactRevision: BigInt(history.revision - 5) }];
    const expected = checkSnapshot(bufferPageSource(built), { hashes });
    const shuffled = shufflePages(built, random);
    const { findings, facts } = checkSnapshot(bufferPageSource(shuffled), { hashes });
    expect(findings).toEqual([]);
    expect({ ...facts, sizeBytes: 0 }).toEqual({ ...expected.facts, sizeBytes: 0 });
    expect(facts?.sizeBytes).toBe(shuffled.length);
  }
});
