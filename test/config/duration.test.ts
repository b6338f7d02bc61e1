import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/config/duration.ts";
import { runs, SEED } from "../support/counts.ts";

test.each([
  ["0", 0],
  ["30s", 30_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["300ms", 300],
  [".5s", 500],
  ["2d", 172_800_000],
  ["1s1s", 2000],
  ["1ns", 1],
  ["1500us", 2],
  ["2.3s", 2300],
  ["4.35s", 4350],
])("duration: %s is %i ms", (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test.each(["", "5", "s", "-1s", "1 s", " 1s", "1s ", "1w", "1S", "1e3s", "∞", "99999999999999999999d", "1s,2s"])("duration: %j is none", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test("duration: what is formatted is read back", () => {
  fc.assert(
    fc.property(fc.nat(10 ** 12), (durationMs) => {
      expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
    }),
    { seed: SEED, numRuns: runs(200, 20_000) },
  );
});

test("duration: is formatted in the largest units", () => {
  expect([0, 90_000, 5_400_500].map(formatDuration)).toEqual(["0", "1m30s", "1h30m500ms"]);
});
