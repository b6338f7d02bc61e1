import { expect, test } from "vitest";
import { runEnd } from "../../src/cli/agent-runs.ts";
import type { ReportedRun } from "../../src/cli/reporting.ts";
import { RunRecord } from "../../src/cli/run-record.ts";
import type { Verified } from "../../src/cli/verified-text.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { FailureReason } from "../../src/metrics/reasons.ts";

function verified(backup: string, outcome: Verified["outcome"], message: string): Verified {
  const failure = outcome === "passed" ? null : { code: "OBJECT_CORRUPT", message, hint: "" };
  return { cluster: "prod", backup, outcome, failure, state: "proven", level: "structure", finishedAt: "2026-11-22T03:00:00.000Z" } as unknown as Verified;
}

/** As an agent's verification notes them: of each repository what is bad, then how many are good. */
function linesOf(...repositories: readonly (readonly Verified[])[]): readonly string[] {
  const record = new RunRecord({ monotonicMs: () => 0 });
  for (const each of repositories) {
    record.noteVerified(each);
    record.lines.push(`${each.filter(({ outcome }) => outcome === "passed").length} of ${each.length} read back and good`);
  }
  return record.lines;
}

function endOf(failure: FailureReason | null, lines: readonly string[], error?: EtcdsafeError) {
  return runEnd({ facts: { failure }, lines, error } as unknown as ReportedRun).failure;
}

const good = verified("A", "passed", "");
const damaged = (name: string) => verified(name, "failed", "its manifest is no JSON");
const unread = verified("U", "not-verified", "no key opens it");

test.each<readonly [string, readonly (readonly Verified[])[], FailureReason, string]>([
  ["one damaged", [[good, damaged("B")]], "corrupt", "B: damaged: its manifest is no JSON"],
  ["in the first of two repositories", [[damaged("B"), good], [good]], "corrupt", "B: damaged: its manifest is no JSON"],
  [
    "several, beside one that was not read",
    [[unread, damaged("B"), good], [damaged("C")], [damaged("D")]],
    "corrupt",
    "B: damaged: its manifest is no JSON, and 2 more",
  ],
  ["one not read", [[unread, good]], "partly-done", "U: not read: no key opens it"],
])("agent's runs: what a verification failed for names the backup, not how many are good: %s", (_, repositories, reason, message) => {
  expect(endOf(reason, linesOf(...repositories))).toEqual({ reason, message, hint: "" });
});

test("agent's runs: what ended a run tells of itself; without that the last line does, and the reason where there is none", () => {
  const error = new EtcdsafeError("WRITER_LEASE_LOST", "the lease was lost", { hint: "wait" });
  expect(endOf("locked", linesOf([damaged("B")]), error)).toEqual({ reason: "locked", message: "the lease was lost", hint: "wait" });
  expect(endOf("partly-done", ["20261122T030000Z: proven, agreed", "not stored in b: no space"])?.message).toBe("not stored in b: no space");
  expect(endOf("failure", [])?.message).toBe("failure");
  expect(endOf(null, ["done"])).toBeNull();
});
