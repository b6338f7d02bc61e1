import { expect, test } from "vitest";
import { failedText, recoveryText } from "../../src/cli/recovery-text.ts";
import type { RecoveryWindow } from "../../src/repository/recovery-windows.ts";

const T = "aaaabbbbcccc";
const [FROM, TO] = ["2026-11-20T09:30:00.000Z", "2026-11-21T09:30:00.000Z"];
const WINDOW: RecoveryWindow = { timeline: T, backup: "b", firstRevision: "100", lastRevision: "200", isOpen: true, from: FROM, to: TO };
const NOTHING = { windows: [], gaps: [], single: null };
const nowMs = Date.parse("2026-11-21T12:30:00.000Z");

function attempt(message: string) {
  const failure = { code: "STORAGE_FULL", message, hint: "h" };
  return { action: "save", phase: "upload", backup: null, startedAt: FROM, finishedAt: TO, failure } as const;
}

test("recovery points: none, one, and several by themselves", () => {
  const single = (count: number) => recoveryText({ ...NOTHING, single: { count, from: FROM, to: TO } }, "prod");
  expect(recoveryText(NOTHING, "prod")).toBe("");
  expect(single(1)).toBe(`Recovery points of prod: one, of ${FROM}; nothing is recorded between backups.\n`);
  expect(single(2)).toBe(`Recovery points of prod: single ones only, of 2 backups from ${FROM} to ${TO}; nothing is recorded between backups.\n`);
});

test("recovery points: windows, whose last revision may not be known, then gaps, then single points", () => {
  const windows = [WINDOW, { ...WINDOW, firstRevision: "10", lastRevision: "50", isOpen: false }];
  const gaps = [{ timeline: T, firstRevision: "51", lastRevision: "99" }];
  expect(recoveryText({ windows, gaps, single: { count: 1, from: FROM, to: FROM } }, "prod").split("\n")).toEqual([
    "Recovery points of prod:",
    `  every revision from 100 to at least 200 of timeline ${T}, from ${FROM} to ${TO}`,
    `  every revision from 10 to 50 of timeline ${T}, from ${FROM} to ${TO}`,
    `  gap: revisions 51 to 99 of timeline ${T}`,
    `  1 backup beside these, each a point by itself, from ${FROM} to ${FROM}`,
    "",
  ]);
  const many = recoveryText({ ...NOTHING, windows: Array.from({ length: 12 }, () => WINDOW) }, "prod").split("\n");
  expect(many).toHaveLength(13);
  expect(many[11]).toBe("  … and 2 more (-o json)");
});

test("what failed: nothing, some of it, and what was not read", () => {
  expect(failedText({ attempts: [], total: 0 }, "prod", nowMs)).toBe("");
  expect(failedText({ attempts: [attempt("it is full\x1b[2J")], total: 3 }, "prod", nowMs)).toBe(
    "Failed in prod in the last 7 days:\n  3h ago: save, upload: STORAGE_FULL: it is full\\x1b[2J\n  2 attempts not read\n",
  );
  const ten = Array.from({ length: 10 }, (_, index) => attempt(`m${index}`));
  expect(failedText({ attempts: ten, total: 10 }, "prod", nowMs)).not.toContain("more");
  expect(failedText({ attempts: [...ten, attempt("eleventh")], total: 11 }, "prod", nowMs)).toMatch(/m9\n {2}… and 1 more \(-o json\)\n$/);
});
