// How tests demand an error of the table. The code is always the first argument, written out: test/errors.test.ts looks for it there, so that
// no code is without a test that causes it.
import { expect } from "vitest";
import { ERRORS, type ErrorCode, EtcdsafeError, FormatError } from "../../src/errors.ts";
import type { CommandResult } from "./command.ts";

export interface Expected {
  /** What failed, on what, why. */
  readonly message: RegExp;
  /** The table's hint where left out. */
  readonly hint?: RegExp;
  /** The table's exit code where left out: signals have their own. */
  readonly exitCode?: number;
}

/** A failure as the command line reports it. */
export interface ReportedFailure {
  readonly message: string;
  readonly hint: string;
  readonly code: string;
  readonly exitCode: number;
  readonly retryable: boolean;
}

/** A run of etcdsafe that ended with this error: exit code, message, hint and code on stderr, nothing on stdout, and no stack trace. */
export function expectFailure(code: ErrorCode, result: CommandResult, { message, hint, exitCode = ERRORS[code].exit }: Expected): void {
  const failure = reportedFailure(result.stderr);
  expect(failure, result.stderr).toMatchObject({ code, exitCode, retryable: ERRORS[code].retryable });
  expect(result.exitCode, result.stderr).toBe(exitCode);
  expect(failure.message).toMatch(message);
  if (hint === undefined) expect(failure.hint).toBe(ERRORS[code].hint);
  else expect(failure.hint).toMatch(hint);
  expect(result.stderr).not.toMatch(code === "INTERNAL" ? /(?!)/ : STACK);
  expect(result.stdout).toBe("");
}

/** A run of `verify -o json` whose only verdict is this failure: that something is bad is a result there. */
export function expectVerdict(code: ErrorCode, result: CommandResult, { message, hint }: Pick<Expected, "message" | "hint">): void {
  expect(result.exitCode, result.stderr).toBe(CORRUPT);
  const { verified } = JSON.parse(result.stdout);
  expect(verified).toMatchObject([{ outcome: "failed", failure: { code, hint: hint === undefined ? ERRORS[code].hint : expect.stringMatching(hint) } }]);
  expect(verified[0].failure.message).toMatch(message);
  expect(verified[0].findings).not.toHaveLength(0);
  expect(result.stderr).not.toMatch(STACK);
}

/** What `run` throws, for codes that no command ends with because something else is made of them. */
export async function expectThrown(code: ErrorCode, run: () => unknown, message: RegExp): Promise<EtcdsafeError> {
  const error = await Promise.try(run).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EtcdsafeError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  if (error instanceof FormatError) expect(error.message).toMatch(new RegExp(`at byte ${error.offset}$`));
  return error as EtcdsafeError;
}

/** The last thing on stderr: three lines of text, or one of JSON. */
function reportedFailure(stderr: string): ReportedFailure {
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  if (last.startsWith("{")) return JSON.parse(last);
  const [, message = "", hint = "", code = "", exitCode, retry] =
    /(?:^|\n)error: ((?:(?!\nerror: )[\s\S])*)\nhint: ([\s\S]*)\ncode: (\w+) \(exit code (\d+)(, trying again may help)?\)\n/.exec(stderr) ?? [];
  return { message, hint, code, exitCode: Number(exitCode), retryable: retry !== undefined };
}

const STACK = /\n\s+at /;
/** docs/cli.md, exit codes. */
const CORRUPT = 6;
