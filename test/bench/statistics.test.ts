import { expect, test } from "vitest";
import { compare, median, type Sample, summarize } from "../../bench/statistics.ts";

const sample = (wallMs: number, cpuMs = 1, maxRssBytes = 1): Sample => ({ wallMs, cpuMs, maxRssBytes });

test("median: the middle one, or the mean of the two in the middle, in any order", () => {
  expect([median([5]), median([9, 1, 5]), median([4, 1, 3, 2]), median([100, 20])]).toEqual([5, 5, 2.5, 60]);
  expect(() => median([])).toThrow("no values");
});

test("summary: the least and the median time, the median CPU time, and the most memory", () => {
  const summary = summarize([sample(30, 50, 7), sample(10, 40, 9), sample(90, 90, 8)]);
  expect(summary).toEqual({ wallMinMs: 10, wallMedianMs: 30, cpuMedianMs: 50, maxRssBytes: 9 });
  expect(() => summarize([])).toThrow("no runs");
});

test("comparison: medians decide about time, a goal is met when it is just reached, and memory is judged by itself", () => {
  const goal = { timeRatioMax: 0.8, maxRssBytes: 200 };
  const peer = summarize([sample(100, 1, 1000), sample(100), sample(1)]);
  expect(compare(summarize([sample(80, 1, 200), sample(80), sample(999)]), peer, goal)).toEqual({
    timeRatio: 0.8,
    timeMet: true,
    memoryMet: true,
  });
  expect(compare(summarize([sample(81, 1, 201)]), peer, goal)).toMatchObject({ timeRatio: 0.81, timeMet: false, memoryMet: false });
  expect(compare(summarize([sample(500)]), peer, { maxRssBytes: 200 })).toMatchObject({ timeRatio: 5, timeMet: true });
});
