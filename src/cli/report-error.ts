// The one way an error leaves the process: message, hint and code on standard error, and the exit code.
import { ERRORS, type ErrorCode, EtcdsafeError, FormatError } from "../errors.ts";
import { printable } from "./printable.ts";

/** Why something was not done, as documents have it. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** Whatever was thrown, as an error of the table. Only a fault of etcdsafe itself becomes INTERNAL. */
export function asEtcdsafeError(error: unknown): EtcdsafeError {
  if (error instanceof EtcdsafeError) return error;
  if (error instanceof Error && "syscall" in error && error.syscall === "uv_cwd")
    return new EtcdsafeError("FILE_FAILED", "the working directory is not there any more", {
      hint: "Change to one that is (`cd /`), and run it again.",
      cause: error,
    });
  if (error instanceof Error && "syscall" in error) return new EtcdsafeError("FILE_FAILED", error.message, { cause: error });
  return new EtcdsafeError("INTERNAL", error instanceof Error ? error.message : String(error), { cause: error });
}

/**
 * What kept something from being done for a backup that is stored by then, so that an abort is one reason among others; `later`: how what that has left undone is
 * made up for. Throws faults of etcdsafe itself.
 */
export function failureBehind(error: unknown, signal: AbortSignal, later: string): Failure {
  const known = asEtcdsafeError(signal.aborted ? signal.reason : error);
  if (known.code === "INTERNAL") throw error;
  const { code, message, hint } = known;
  return { code, message, hint: signal.aborted ? later : hint };
}

/** What ended a run, for whoever is told of it; empty where nothing did. */
export function errorLines(error: EtcdsafeError | undefined): readonly string[] {
  return error === undefined ? [] : [`${error.code}: ${error.message}`, error.hint];
}

/** Three lines of text: `error: …`, `hint: …`, `code: …`. A fault of etcdsafe itself also says where it happened. */
export function errorText(error: EtcdsafeError, exitCode: number): string {
  const retry = ERRORS[error.code].retryable ? ", trying again may help" : "";
  return `error: ${printable(error.message)}\nhint: ${printable(error.hint)}\ncode: ${error.code} (exit code ${exitCode}${retry})\n${stackOf(error)}`;
}

/** The same as one line of JSON. */
export function errorJson(error: EtcdsafeError, exitCode: number, now: Date): string {
  const { code, message, hint } = error;
  const offset = error instanceof FormatError ? { offset: error.offset } : {};
  const stack = stackOf(error) === "" ? {} : { stack: stackOf(error) };
  return `${JSON.stringify({ time: now.toISOString(), level: "error", message, hint, code, exitCode, retryable: ERRORS[code].retryable, ...offset, ...stack })}\n`;
}

function stackOf({ code, stack, cause }: EtcdsafeError): string {
  if (code !== "INTERNAL") return "";
  return `${(cause instanceof Error ? cause.stack : stack) ?? ""}\n`;
}
