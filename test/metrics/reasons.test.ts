import { expect, test } from "vitest";
import { ERRORS, type ErrorCode } from "../../src/errors.ts";
import { FAILURE_REASONS, failureReason } from "../../src/metrics/reasons.ts";

test("reasons: every error of the table has one of the closed set, and a run that did all it should has none", () => {
  expect(failureReason(0, undefined)).toBeNull();
  const told = (Object.keys(ERRORS) as ErrorCode[]).map((code) => failureReason(ERRORS[code].exit, code));
  expect(FAILURE_REASONS).toEqual(expect.arrayContaining(told));
});

test("reasons: they follow the exit code, but for a deadline", () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 129, 130, 143].map((exitCode) => failureReason(exitCode, undefined))).toEqual([
    "failure",
    "usage",
    "partly-done",
    "etcd-unreachable",
    "repository-unreachable",
    "corrupt",
    "locked",
    "not-found",
    "refused",
    "cannot-decrypt",
    "interrupted",
    "interrupted",
    "interrupted",
  ]);
  expect(failureReason(ERRORS.DEADLINE_EXCEEDED.exit, "DEADLINE_EXCEEDED")).toBe("deadline-exceeded");
  expect(failureReason(99, undefined)).toBe("failure");
});
