// Why a run failed, as a label: a closed set, so that nothing that messages hold ever becomes a time series.
import { ERRORS, type ErrorCode } from "../errors.ts";

/** docs/cli.md, "Exit codes". */
const BY_EXIT_CODE = {
  1: "failure",
  2: "usage",
  3: "partly-done",
  4: "etcd-unreachable",
  5: "repository-unreachable",
  6: "corrupt",
  7: "locked",
  8: "not-found",
  9: "refused",
  10: "cannot-decrypt",
  129: "interrupted",
  130: "interrupted",
  143: "interrupted",
} as const satisfies Readonly<Record<number, string>>;

export type FailureReason = (typeof BY_EXIT_CODE)[keyof typeof BY_EXIT_CODE] | "deadline-exceeded";

export const FAILURE_REASONS: readonly FailureReason[] = [...new Set<FailureReason>([...Object.values(BY_EXIT_CODE), "deadline-exceeded"])];

/** Null for a run that did all it should. `code` is that of the error it ended with, where it ended with one. */
export function failureReason(exitCode: number, code: ErrorCode | undefined): FailureReason | null {
  if (exitCode === 0) return null;
  if (code === "DEADLINE_EXCEEDED") return "deadline-exceeded";
  return BY_EXIT_CODE[(code === undefined ? exitCode : ERRORS[code].exit) as keyof typeof BY_EXIT_CODE] ?? "failure";
}
