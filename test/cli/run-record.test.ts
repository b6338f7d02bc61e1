import { expect, test } from "vitest";
import type { Saved } from "../../src/backup/save-target.ts";
import { RunRecord } from "../../src/cli/run-record.ts";
import type { PrunedRepository } from "../../src/cli/save-prune.ts";
import type { VerifiedRepository } from "../../src/cli/save-verify.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";

const SAVED = { manifest: sampleManifest(), state: "proven", stateWhy: "", members: [], rawSizeBytes: 1 } as unknown as Saved;

const done = (failures: number): PrunedRepository =>
  ({ location: "a", result: { failures: Array.from({ length: failures }, () => ({})) }, failure: null }) as unknown as PrunedRepository;
const refused = { location: "b", result: null, failure: { code: "PRUNE_TOO_MUCH", message: "too much", hint: "" } } as PrunedRepository;

test.each([
  ["nothing to prune", [], null],
  ["all done", [done(0), done(0)], { failure: null }],
  ["some not removed", [done(0), done(2)], { failure: "partly-done" }],
  ["refused in one of two", [done(0), refused], { failure: "refused" }],
])("run record: what came of the prunes of a save: %s", (_, prunes, pruned) => {
  const record = new RunRecord({ monotonicMs: () => 0 });
  record.notePrunes(prunes);
  expect(record.pruned).toEqual(pruned);
});

test("run record: a save whose backup is damaged in one of two repositories is none of a damaged backup: the other one has a good one", () => {
  const readBack = (outcome: "passed" | "failed") =>
    ({ location: outcome, result: { outcome, backup: null, failure: null }, failure: null }) as unknown as VerifiedRepository;
  const isDamaged = (...outcomes: readonly ("passed" | "failed")[]) => {
    const record = new RunRecord({ monotonicMs: () => 0 });
    record.noteSave({ saved: SAVED, suspects: [] });
    record.noteReadBack(outcomes.map(readBack));
    return record.saved?.isDamaged;
  };
  expect(isDamaged("failed", "passed")).toBe(false);
  expect(isDamaged("passed", "failed")).toBe(false);
  expect(isDamaged("failed", "failed")).toBe(true);
  expect(isDamaged()).toBe(false);
});

test("run record: what may be stored in a repository is not called lost", () => {
  const record = new RunRecord({ monotonicMs: () => 0 });
  const failure = { code: "INTERRUPTED", message: "stopped by SIGTERM", hint: "" };
  const repositories = [true, false].map((mayBeStored) => ({ location: `s3://${mayBeStored}`, manifest: null, mayBeStored, failure }));
  record.noteSave({ saved: { ...SAVED, repositories }, suspects: [] });
  expect(record.lines.slice(1)).toEqual(["perhaps not stored in s3://true: stopped by SIGTERM", "not stored in s3://false: stopped by SIGTERM"]);
});
