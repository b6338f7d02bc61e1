import { expect, test } from "vitest";
import { CONTESTS, type Contest } from "../../bench/contests.ts";
import { type Circumstances, isJudged, markdownReport, missedGoals, type Result, textTable } from "../../bench/report.ts";
import { summarize } from "../../bench/statistics.ts";

const restore = CONTESTS.find(({ name }) => name === "restore one member") as Contest;
const result = (wallMs: number, maxRssBytes: number): Result => ({
  dataSet: "compacted",
  contest: restore,
  ours: summarize([{ wallMs, cpuMs: 1500, maxRssBytes }]),
  peer: summarize([{ wallMs: 2000, cpuMs: 2345, maxRssBytes: 1_040_000_000 }]),
});
const about = (snapshotSizeBytes: number): Circumstances => ({
  date: new Date("2026-11-21T23:59:59Z"),
  cores: 2,
  memoryBytes: 8 * 1024 ** 3,
  system: "linux x64",
  nodeVersion: "24.0.0",
  etcdVersion: "3.7.3",
  runs: 3,
  dataSets: [{ name: "compacted", description: "overwritten", snapshotSizeBytes }],
});

test("bench report: both sides below each other, with the ratio and the goals", () => {
  const lines = textTable([result(1000, 150_000_000)], true).split("\n");
  expect(lines[1]).toMatch(/^compacted {2}restore one member {2}etcdsafe +1\.00 +1\.00 +1\.50 +150 +0\.50× {2}≤ 0\.8×, met; ≤ 200 MB, met$/);
  expect(lines[2]).toMatch(/^compacted {2}restore one member {2}etcdutl +2\.00 +2\.00 +2\.35 +1040$/);
});

test("bench report: a missed goal is named, for time and memory apart", () => {
  expect(missedGoals([result(1000, 150_000_000)], true)).toEqual([]);
  expect(missedGoals([result(1900, 150_000_000)], true)).toEqual(["restore one member, compacted: 0.95× the peer's time, not ≤ 0.8×"]);
  expect(missedGoals([result(1000, 300_000_000)], true)).toEqual(["restore one member, compacted: 300 MB, not ≤ 200 MB"]);
  expect(textTable([result(1900, 300_000_000)], true)).toContain("≤ 0.8×, MISSED; ≤ 200 MB, MISSED");
});

test("bench report: small data is measured, but not judged", () => {
  expect([isJudged(about(100_000_000)), isJudged(about(1_000_000_000))]).toEqual([false, true]);
  expect(missedGoals([result(1900, 300_000_000)], false)).toEqual([]);
  expect(textTable([result(1900, 300_000_000)], false)).toContain("≤ 0.8×; ≤ 200 MB\n");
});

test("bench report: the page says when, on what and on which data", () => {
  const page = markdownReport([result(1000, 150_000_000)], about(1_000_000_000));
  expect(page).toContain("2026-11-21 · 2 cores, 8 GiB of memory, linux x64 · Node 24.0.0 · etcd, etcdctl and etcdutl 3.7.3");
  expect(page).toContain("| compacted | restore one member | etcdsafe | 1.00 | 1.00 | 1.50 | 150 | 0.50× | ≤ 0.8×, met; ≤ 200 MB, met |");
  expect(page).toContain("- **compacted**, a snapshot of 1000 MB: overwritten");
});
