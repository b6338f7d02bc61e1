import fc from "fast-check";
import { expect, test } from "vitest";
import { compareCommonLineage, compareLineage } from "../../src/repository/lineage.ts";
import { runs, SEED } from "../support/counts.ts";
import { sampleOf } from "./sample-manifest.ts";

const state = (revision: number, rows: Record<number, number>, compactRevision: string | null = "-1") => ({
  revision: String(revision),
  compactRevision,
  lineageSample: sampleOf(rows),
});

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
  const older = { ...state(3, { 2: 1, 3: 1 }), lineageSample: { threshold: "00000002ffffffff", rows: ["2:0000000200000001"] } };
  expect(compareLineage(older, state(4, { 2: 1, 3: 9, 4: 1 })).verdict).toBe("agrees");
  expect(compareLineage(older, state(4, { 2: 9, 3: 1, 4: 1 })).verdict).toBe("disagrees");
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
