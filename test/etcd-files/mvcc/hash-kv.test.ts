import fc from "fast-check";
import { expect, test } from "vitest";
import type { Row } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import type { SnapshotFacts } from "../../../src/etcd-files/check/facts.ts";
import type { HashKvRequest } from "../../../src/etcd-files/mvcc/hash-kv.ts";
import { runs, SEED } from "../../support/counts.ts";
import { bumpMarkerRow, randomHistory } from "../../support/random-history.ts";
import { ReferenceStore, revisionOf } from "../../support/reference-store.ts";
import { putRow, tombstoneRow } from "../../support/rows.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

function factsOf(store: ReferenceStore, hashes: readonly HashKvRequest[], pageSizeBytes = 1024): SnapshotFacts {
  const image = buildSnapshot({
    pageSizeBytes,
    rows: store.rows,
    buckets: {
      meta: [
        ...(store.finished === undefined ? [] : [metaRevision("finishedCompactRev", store.finished)]),
        ...(store.scheduled === undefined ? [] : [metaRevision("scheduledCompactRev", store.scheduled)]),
      ],
    },
  });
  const { findings, facts } = checkSnapshot(bufferPageSource(image), { hashes });
  expect(findings).toEqual([]);
  return facts as SnapshotFacts;
}

function metaRevision(name: string, revision: bigint): Row {
  return { key: Buffer.from(name), value: bumpMarkerRow(Number(revision)).key };
}

interface Life {
  readonly seed: number;
  readonly revisions: number;
  readonly keys: number;
  /** Compactions before the last one: where writing stopped for it and how far back it reaches, as parts of the history. */
  readonly compactions: readonly { readonly at: number; readonly back: number; readonly dropsTombstone: boolean }[];
  /** The last compaction is stopped after this part of its rows; undefined: it is finished. */
  readonly stopped: number | undefined;
  readonly markers: number;
}

const life = fc.record<Life>({
  seed: fc.nat(),
  revisions: fc.integer({ min: 1, max: 60 }),
  keys: fc.integer({ min: 1, max: 12 }),
  compactions: fc.array(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), back: fc.double({ min: 0, max: 1, noNaN: true }), dropsTombstone: fc.boolean() }),
    { maxLength: 3 },
  ),
  stopped: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  markers: fc.integer({ min: 0, max: 2 }),
});

/** A member that lived through a history with compactions in between. */
function live({ seed, revisions, keys, compactions, stopped, markers }: Life): ReferenceStore {
  const history = randomHistory(seed, { revisions, keys, compaction: "none" });
  const store = new ReferenceStore([]);
  const planned = [...compactions].sort((a, b) => a.at - b.at);
  const compactUpTo = (main: bigint): void => {
    for (let next = planned[0]; next !== undefined && BigInt(Math.floor(next.at * revisions)) + 2n <= main; next = planned[0]) {
      planned.shift();
      const target = BigInt(Math.ceil(Number(store.currentRevision) * (1 - next.back * next.back)));
      if (target <= store.compactRevision || target < 1n) continue;
      const rows = store.rows.filter((row) => revisionOf(row).main <= target).length;
      const last = planned.length === 0;
      store.compact(target, { dropsTombstone: next.dropsTombstone, ...(last && stopped !== undefined ? { steps: Math.floor(stopped * rows) } : {}) });
    }
  };
  let before = 0n;
  for (const row of history.rows) {
    const { main } = revisionOf(row);
    if (main !== before) compactUpTo(main);
    before = main;
    store.write(row);
  }
  compactUpTo(1n << 60n);
  for (let count = 1; count <= markers; count++) store.write(bumpMarkerRow(Number(store.currentRevision) + 1000 * count));
  return store;
}

/**
 * Whether members with equal data may answer differently: without live keys every row counts that is still there, so it may matter whether a
 * compaction that the file has not finished has removed any.
 */
function isAmbiguous(store: ReferenceStore, revision: bigint, compactRevision: bigint): boolean {
  if (compactRevision <= (store.finished ?? 0n)) return false;
  const upTo = new ReferenceStore(store.rows.filter((row) => revisionOf(row).main <= revision));
  return upTo.liveKeys().size === 0 && store.rows.some((row) => revisionOf(row).main <= compactRevision);
}

const revisionsOf = (store: ReferenceStore): bigint[] => [...new Set(store.rows.map((row) => revisionOf(row).main))];

test("HashKV: equals what the member itself answers, at every revision and state of compaction", () => {
  fc.assert(
    fc.property(life, (each) => {
      const store = live(each);
      const asked = [0n, 1n, ...revisionsOf(store), store.currentRevision, store.currentRevision + 1n];
      const facts = factsOf(
        store,
        asked.slice(-30).map((revision) => ({ revision })),
      );
      for (const answer of facts.hashes) {
        const expected = store.hashByRev(answer.revision);
        if (typeof expected === "string" || isAmbiguous(store, answer.revision, store.compactRevision)) expect(answer).toHaveProperty("notComparable");
        else expect(answer).toEqual({ revision: answer.revision, ...expected });
      }
      expect(facts.revision).toBe(store.currentRevision);
      expect(facts.keys).toBe(store.liveKeys().size);
    }),
    { seed: SEED, numRuns: runs(80, 5000) },
  );
}, 600_000);

test("HashKV: equals that of a server started from the file, which resumes the compaction", () => {
  fc.assert(
    fc.property(life, (each) => {
      const store = live(each);
      const restarted = new ReferenceStore(store.rows, store);
      const finished = new ReferenceStore(store.rows, store, Number.POSITIVE_INFINITY);
      const facts = factsOf(store, [{ revision: 0n }]);
      fc.pre(!isAmbiguous(store, store.currentRevision, store.compactRevision));
      for (const server of [restarted, finished]) expect(facts.hashes).toEqual([{ revision: server.currentRevision, ...(server.hashByRev(0n) as object) }]);
    }),
    { seed: SEED, numRuns: runs(60, 5000) },
  );
}, 600_000);

test("HashKV: equals that of a member that has compacted further than the file", () => {
  fc.assert(
    fc.property(life, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (each, part, done) => {
      const store = live(each);
      const member = store.clone();
      const target = BigInt(Math.ceil(Number(store.currentRevision) * part));
      fc.pre(target > store.compactRevision && target >= 1n);
      member.compact(target, { steps: Math.floor(done * store.rows.length * 1.2) });
      const asked = [...revisionsOf(store), store.currentRevision].filter((revision) => revision >= target && !isAmbiguous(store, revision, target));
      const requests = asked.slice(-25).map((revision) => ({ revision, compactRevision: target }));
      const expected = requests.map(({ revision }) => ({ revision, ...(member.hashByRev(revision) as object) }));
      expect(factsOf(store, requests).hashes).toEqual(expected);
    }),
    { seed: SEED, numRuns: runs(80, 5000) },
  );
}, 600_000);

test("HashKV: says why it cannot be computed", () => {
  const store = live({ seed: 2, revisions: 30, keys: 5, compactions: [{ at: 0.8, back: 0.3, dropsTombstone: false }], stopped: undefined, markers: 0 });
  const compacted = store.compactRevision;
  const { hashes } = factsOf(store, [
    { revision: store.currentRevision + 1n },
    { revision: compacted - 1n },
    { revision: compacted + 1n, compactRevision: compacted + 2n },
    { revision: 0n, compactRevision: compacted - 1n },
    { revision: 0n, compactRevision: -1n },
  ]);
  expect(hashes.map((answer) => ("notComparable" in answer ? answer.notComparable : ""))).toEqual([
    `revision ${store.currentRevision + 1n} is not in the file, whose revision is ${store.currentRevision}`,
    `revision ${compacted - 1n} is compacted away at ${compacted}`,
    `revision ${compacted + 1n} is compacted away at ${compacted + 2n}`,
    `the file is compacted at ${compacted}, and the hash to compare was taken before that, over rows that are gone`,
    `the file is compacted at ${compacted}, and the hash to compare was taken before that, over rows that are gone`,
  ]);
});

/** Written in this order, each at the next revision: `a` puts the key, `-a` deletes it. */
function written(...changes: readonly string[]): ReferenceStore {
  const store = new ReferenceStore([]);
  for (const [index, change] of changes.entries()) {
    const main = index + 2;
    const key = Buffer.from(change.replace("-", ""));
    const value = { createRevision: main, modRevision: main, version: 1, value: Buffer.from("v"), lease: 0n };
    store.write(change.startsWith("-") ? tombstoneRow(key, main) : putRow({ key, ...value }));
  }
  return store;
}

test("HashKV: of a compaction below what the file has finished or scheduled, whichever is greater, nothing can be said", () => {
  const store = written("a", "b", "-a", "c", "d", "-b", "e");
  store.compact(3n);
  store.compact(6n, { steps: 1 });
  expect([store.finished, store.scheduled]).toEqual([3n, 6n]);
  const { hashes } = factsOf(
    store,
    [-1n, 3n, 5n, 6n, 7n].map((compactRevision) => ({ revision: 0n, compactRevision })),
  );
  const gone = "the file is compacted at 6, and the hash to compare was taken before that, over rows that are gone";
  expect(hashes.slice(0, 3).map((answer) => "notComparable" in answer && answer.notComparable)).toEqual([gone, gone, gone]);
  const member = store.clone();
  for (const [index, compactRevision] of [6n, 7n].entries()) {
    member.compact(compactRevision);
    expect(hashes[3 + index]).toEqual({ revision: 8n, ...(member.hashByRev(8n) as object) });
  }
});

test("HashKV: where no key is live, a compaction beyond the file's finished one is not comparable: the answer goes with its deletion", () => {
  const store = written("a", "b", "-a", "-b");
  store.compact(2n);
  // A member that compacts at 4 answers otherwise before and after it has removed rows; etcd leaves out no row where none would be kept.
  const [before, after] = [store.clone(), store.clone()];
  before.compact(4n, { steps: 0 });
  after.compact(4n);
  expect(before.hashByRev(0n)).not.toEqual(after.hashByRev(0n));
  const { hashes } = factsOf(store, [{ revision: 0n, compactRevision: 4n }, { revision: 0n }, { revision: 3n, compactRevision: 3n }]);
  const why = "no key is live at revision 5, and then a member's answer depends on how far its compaction at 4 has come";
  expect(hashes[0]).toEqual({ revision: 5n, compactRevision: 4n, notComparable: why });
  // At the finished compaction nothing is left to delete; and where a key is live, deletion makes no difference.
  expect(hashes[1]).toEqual({ revision: 5n, ...(store.hashByRev(0n) as object) });
  const further = store.clone();
  further.compact(3n, { steps: 0 });
  expect(hashes[2]).toEqual({ revision: 3n, ...(further.hashByRev(3n) as object) });
  // The file's own unfinished compaction is one beyond its finished one too.
  expect(factsOf(before, [{ revision: 0n }]).hashes).toEqual([{ revision: 5n, compactRevision: 4n, notComparable: why }]);
});

test("HashKV: only so many are computed at once", () => {
  const store = live({ seed: 4, revisions: 60, keys: 5, compactions: [], stopped: undefined, markers: 0 });
  const { hashes } = factsOf(
    store,
    Array.from({ length: 40 }, (_, index) => ({ revision: BigInt(20 + index), compactRevision: 10n })),
  );
  const member = store.clone();
  member.compact(10n);
  for (const answer of hashes.slice(0, 30)) expect(answer).toEqual({ revision: answer.revision, ...(member.hashByRev(answer.revision) as object) });
  for (const answer of hashes.slice(30)) expect(answer).toHaveProperty("notComparable", "more than 30 hashes at once");
});
