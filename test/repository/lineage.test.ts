import fc from "fast-check";
import { expect, test } from "vitest";
import { compareCommonLineage, compareLineage } from "../../src/repository/lineage.ts";
import { runs, SEED } from "../support/counts.ts";
import { lineageOf, type SampleRows } from "./sample-manifest.ts";

const state = (revision: number, rows: SampleRows, compactRevision: string | null = "-1") => lineageOf(rows, revision, compactRevision);

test.each([
  ["the same rows", state(4, { 2: 1, 3: 1, 4: 1 }), state(4, { 2: 1, 3: 1, 4: 1 }), "agrees", null],
  ["rows added", state(3, { 2: 1, 3: 1 }), state(5, { 2: 1, 3: 1, 4: 1, 5: 1 }), "agrees", null],
  ["rows compacted away", state(4, { 2: 1, 3: 1, 4: 1 }), state(5, { 4: 1, 5: 1 }, "3"), "agrees", null],
  ["all compared rows compacted away", state(3, { 2: 1, 3: 1 }), state(9, { 9: 1 }, "8"), "unknown", null],
  ["other content at a known revision", state(4, { 2: 1, 3: 1, 4: 1 }), state(5, { 2: 1, 3: 2, 4: 1, 5: 1 }), "disagrees", "3"],
  ["a row the older one does not have", state(4, { 2: 1, 4: 1 }), state(5, { 2: 1, 3: 1, 4: 1 }), "disagrees", "3"],
  ["a row lost that no compaction removed", state(4, { 2: 1, 3: 1, 4: 1 }), state(5, { 2: 1, 4: 1, 5: 1 }, "2"), "disagrees", "3"],
  ["a row lost while nobody knows how far it was compacted", state(4, { 2: 1, 3: 1, 4: 1 }), state(5, { 2: 1, 4: 1, 5: 1 }, null), "agrees", null],
  ["a revision that went back, nothing else", state(5, { 2: 1, 3: 1, 4: 1, 5: 1 }), state(3, { 2: 1, 3: 1 }), "agrees", null],
  [
    "a revision that went back and forth again with other content",
    state(5, { 2: 1, 3: 1, 4: 1, 5: 1 }),
    state(6, { 2: 1, 3: 1, 4: 7, 5: 7, 6: 7 }),
    "disagrees",
    "4",
  ],
] as const)("lineage: %s", (_, older, newer, verdict, firstDifference) => {
  expect(compareLineage(older, newer)).toMatchObject({ verdict, firstDifference });
});

test.each([
  ["the same rows", state(3, { 2: 1, 3: 1 }), state(3, { 2: 1, 3: 1 }), "agrees"],
  ["more of the same", state(3, { 2: 1, 3: 1 }), state(4, { 2: 1, 3: 1, 4: 1 }), "agrees"],
  ["rows that one of them compacted", state(4, { 2: 1, 3: 1, 4: 1 }), state(6, { 4: 1, 5: 1, 6: 1 }, "3"), "agrees"],
  ["nothing in common", state(3, { 2: 1, 3: 1 }), state(9, { 9: 1 }, "8"), "unknown"],
  ["a compaction revision nobody knows", state(3, { 2: 1, 3: 1 }), state(4, { 2: 7, 3: 7 }, null), "unknown"],
  ["other content", state(4, { 2: 1, 3: 1, 4: 1 }), state(6, { 3: 1, 4: 2, 5: 1, 6: 1 }, "2"), "disagrees"],
  ["a row too few", state(4, { 2: 1, 4: 1 }), state(4, { 2: 1, 3: 1, 4: 1 }), "disagrees"],
] as const)("lineage: of two snapshots of unknown order, %s", (_, a, b, verdict) => {
  expect(compareCommonLineage(a, b).verdict).toBe(verdict);
  expect(compareCommonLineage(b, a).verdict).toBe(verdict);
});

test("lineage: without a sample nothing is known", () => {
  const sampled = state(3, { 2: 1 });
  expect(compareLineage({ ...sampled, lineageSample: null }, sampled).verdict).toBe("unknown");
  expect(compareLineage(sampled, { ...sampled, lineageSample: null }).verdict).toBe("unknown");
});

test("lineage: rows above either threshold do not count", () => {
  const noNewest = { newest: [], newestRowsAt: () => [] };
  const older = { ...state(3, { 2: 1, 3: 1 }), lineageSample: { threshold: "00000002ffffffff", rows: ["2:0000000200000001"], ...noNewest } };
  expect(compareLineage(older, { ...state(4, { 2: 1, 3: 9, 4: 1 }), ...noNewest }).verdict).toBe("agrees");
  expect(compareLineage(older, { ...state(4, { 2: 9, 3: 1, 4: 1 }), ...noNewest }).verdict).toBe("disagrees");
});

/** Of a keyspace so large that none of these rows is in the sample. */
const unsampled = (revision: number, rows: SampleRows, compactRevision = "-1") => {
  const known = lineageOf(rows, revision, compactRevision);
  return { ...known, lineageSample: { threshold: "0".repeat(16), rows: [], newest: known.lineageSample!.newest } };
};

test.each([
  ["the same history", unsampled(1003, { 900: 1, 1001: 1, 1002: 1, 1003: 1, 1004: 1, 1005: 1 }), "agrees", null],
  ["compacted since", unsampled(1009, { 900: 1, 1002: 1, 1009: 1 }, "1005"), "agrees", null],
  ["compacted since, and nothing left", unsampled(1009, { 700: 1, 1009: 1 }, "1005"), "unknown", null],
  ["one row that differs", unsampled(1005, { 900: 1, 1001: 1, 1002: 7, 1003: 1, 1004: 1, 1005: 1 }), "disagrees", "1002"],
  ["one row that differs, which a compaction has left", unsampled(1009, { 900: 1, 1003: 7, 1009: 1 }, "1005"), "disagrees", "1003"],
  ["a row too few, and not compacted", unsampled(1005, { 900: 1, 1001: 1, 1003: 1, 1004: 1, 1005: 1 }, "1001"), "disagrees", "1002"],
  ["older than the newest rows", unsampled(1005, { 700: 7, 900: 1, 1001: 1, 1002: 1, 1003: 1 }), "agrees", null],
  ["gone back, and then on with something else", unsampled(1002, { 900: 1, 1001: 1, 1002: 7 }), "disagrees", "1002"],
  ["gone back, nothing else", unsampled(1002, { 900: 1, 1001: 1, 1002: 1 }), "agrees", null],
] as const)("lineage: of rows that no sample holds, the newest of the older one tell: %s", (_, newer, verdict, firstDifference) => {
  const older = unsampled(1003, { 700: 1, 900: 1, 1001: 1, 1002: 1, 1003: 1 });
  expect(compareLineage(older, newer)).toMatchObject({ verdict, firstDifference });
});

test("lineage: a member that is slower to compact than the one before holds rows that this one had no more", () => {
  const rows = { 2: 1, 3: 1, 4: 1, 5: 1 };
  const older = lineageOf({ 4: 1, 5: 1 }, 5, "4");
  const slow = { ...lineageOf({ ...rows, 6: 1 }, 6, "4"), finishedCompactRevision: "2" };
  expect(compareLineage(older, slow)).toMatchObject({ verdict: "agrees" });
  expect(compareLineage(older, { ...slow, finishedCompactRevision: "4" })).toMatchObject({ verdict: "disagrees", firstDifference: "2" });
  // What neither of them has compacted is compared all the same.
  const other = { ...lineageOf({ ...rows, 5: 7, 6: 1 }, 6, "4"), finishedCompactRevision: "2" };
  expect(compareLineage(older, other)).toMatchObject({ verdict: "disagrees", firstDifference: "5" });
  const more = { ...lineageOf({ ...rows, 6: 1, 7: 1 }, 7, "4"), finishedCompactRevision: "2" };
  expect(compareLineage(lineageOf({ 4: 1, 6: 1 }, 6, "4"), more)).toMatchObject({ verdict: "disagrees", firstDifference: "5" });
});

test("lineage: a history always agrees with its own past, and a fork never with what it wrote differently", () => {
  const history = fc.record({
    length: fc.integer({ min: 1, max: 40 }),
    past: fc.nat(40),
    compacted: fc.nat(40),
    forkAt: fc.option(fc.nat(40), { nil: undefined }),
  });
  fc.assert(
    fc.property(history, ({ length, past, compacted, forkAt }) => {
      const older = state(past, rowsOf(1, past, undefined));
      const floor = Math.min(compacted, length);
      const newer = state(length, rowsOf(floor + 1, length, forkAt), String(floor));
      const written = Array.from({ length: Math.max(0, Math.min(past, length) - floor) }, (_, index) => floor + 1 + index);
      const differs = written.some((revision) => forkAt !== undefined && revision > forkAt);
      const expected = differs ? "disagrees" : written.length === 0 ? "unknown" : "agrees";
      expect(compareLineage(older, newer).verdict).toBe(expected);
    }),
    { seed: SEED, numRuns: runs(300, 20_000) },
  );
});

function rowsOf(first: number, last: number, forkAt: number | undefined): Record<number, number> {
  const rows: Record<number, number> = {};
  for (let revision = first; revision <= last; revision++) rows[revision] = forkAt !== undefined && revision > forkAt ? 2 : 1;
  return rows;
}
