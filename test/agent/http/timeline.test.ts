import fc from "fast-check";
import { expect, test } from "vitest";
import { datedBackups, gapsBetween } from "../../../src/agent/http/timeline.ts";
import { runs, SEED } from "../../support/counts.ts";
import { ago, backup } from "./statuses.ts";

const HOUR_MS = 60 * 60 * 1000;
const NOW_MS = Date.parse("2026-11-22T03:07:12.345Z");

/** Ages in hours. */
function gaps(...ages: readonly number[]) {
  return scheduledGaps(null, ...ages);
}

/** `expected`: how long ago, in hours. */
function scheduledGaps(expected: number | null, ...ages: readonly number[]) {
  const backups = datedBackups(ages.map((age) => backup(age * HOUR_MS)));
  return gapsBetween(backups, NOW_MS, expected === null ? null : ago(expected * HOUR_MS)).map(({ fromMs, toMs, isOpen }) => [
    (NOW_MS - fromMs) / HOUR_MS,
    (NOW_MS - toMs) / HOUR_MS,
    isOpen,
  ]);
}

test("gaps: an interval much longer than those before it is one; regular ones, and a late one, are none", () => {
  expect(gaps(1, 2, 3, 4, 5, 6)).toEqual([]);
  expect(gaps(1, 2, 3, 5, 6, 7)).toEqual([]);
  expect(gaps(1, 2, 8, 9, 10, 11)).toEqual([[8, 2, false]]);
});

test("gaps: one that lasts is open, and is one although no backup ends it", () => {
  expect(gaps(9, 10, 11, 12)).toEqual([[9, 0, true]]);
  expect(gaps(2, 3, 4, 5)).toEqual([]);
});

test("gaps: the schedule says whether one lasts, however few backups there are and however far apart they were", () => {
  expect(scheduledGaps(9_999, 10_000)).toEqual([[10_000, 0, true]]);
  expect(scheduledGaps(0.5, 1.5, 720)).toEqual([[1.5, 0, true]]);
  expect(scheduledGaps(0.3, 1.3, 2.3)).toEqual([]); // It is being made.
  expect(scheduledGaps(-1, 30, 31, 32, 33)).toEqual([]);
  expect(scheduledGaps(-1, 1, 30, 31, 32, 33)).toEqual([[30, 1, false]]);
});

test("gaps: a backup that is dated ahead ends none", () => {
  expect(gaps(-5, 9, 10, 11, 12)).toEqual([[9, 0, true]]);
  expect(scheduledGaps(8, -5, 9)).toEqual([[9, 0, true]]);
  expect(gaps(-5)).toEqual([]);
});

test("gaps: what retention thinned out is none, and one or two backups say nothing about what is usual", () => {
  expect(gaps(1, 2, 3, 24, 48, 72, 168, 336, 504)).toEqual([]);
  expect(gaps(500)).toEqual([]);
  expect(gaps(500, 501)).toEqual([]);
});

test("gaps: a backup that no restore would take does not end one", () => {
  const backups = datedBackups([backup(HOUR_MS), backup(4 * HOUR_MS, { state: "suspect" }), backup(7 * HOUR_MS), backup(8 * HOUR_MS), backup(9 * HOUR_MS)]);
  expect(gapsBetween(backups, NOW_MS, null)).toEqual([{ fromMs: NOW_MS - 7 * HOUR_MS, toMs: NOW_MS - HOUR_MS, isOpen: false }]);
});

test("gaps: any times give gaps in order that do not overlap", () => {
  const ages = fc.array(fc.integer({ min: -5, max: 1000 }), { maxLength: 40 });
  fc.assert(
    fc.property(ages, (hours) => {
      const found = gapsBetween(datedBackups(hours.map((age) => backup(age * HOUR_MS))), NOW_MS, null);
      for (const [index, { fromMs, toMs, isOpen }] of found.entries()) {
        expect(toMs).toBeGreaterThan(fromMs);
        expect(found[index + 1]?.fromMs ?? toMs).toBeGreaterThanOrEqual(toMs);
        if (isOpen) expect([toMs, index]).toEqual([NOW_MS, found.length - 1]);
      }
    }),
    { seed: SEED, numRuns: runs(200, 5_000) },
  );
});

test("gaps: backups without a time, or with one that is none, are left out", () => {
  expect(datedBackups([backup(1), backup(2, { createdAt: null }), backup(3, { createdAt: "yesterday" })])).toHaveLength(1);
});
