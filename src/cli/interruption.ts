// SIGINT, SIGTERM and SIGHUP: the first one asks the command to stop and clean up, another one a second later ends the process at once.
import type { CommandName } from "../config/option.ts";
import { ERRORS, EtcdsafeError, saysWhatIsLeft } from "../errors.ts";
import { readOperand } from "./operand.ts";
import { asEtcdsafeError } from "./report-error.ts";

/** What an interrupted command has left, where the table's "Nothing half done is listed" does not fit. */
const HINTS: Partial<Record<CommandName, string>> = {
  restore: "Nothing was put in place; run it again.",
  verify: "Results are stored of what was read to its end; run it again.",
  "repo adopt": "Run it again: adopting twice does no harm.",
};

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;
/**
 * Signals this soon after the first are that one again: `timeout` signals its child and then the group that the child is in, `npm run` passes on what
 * the terminal gave to everyone, and a lost terminal is told by the kernel and by the shell. A person who means it waits to see that nothing happens.
 */
const SAME_WITHIN_MS = 1000;
type Signal = keyof typeof EXIT_CODES;

/** Why everything was told to stop. */
export class InterruptedError extends EtcdsafeError {
  readonly by: Signal;

  constructor(signal: Signal, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super("INTERRUPTED", `stopped by ${signal}`, details);
    this.by = signal;
  }

  get exitCode(): number {
    return EXIT_CODES[this.by];
  }
}

/** The same end, with what it means for what was being done. */
export function withHint(reason: EtcdsafeError, hint: string): EtcdsafeError {
  const details = { hint, cause: reason };
  return reason instanceof InterruptedError ? new InterruptedError(reason.by, details) : new EtcdsafeError(reason.code, reason.message, details);
}

export interface Interruption extends Disposable {
  /** Aborted with an InterruptedError. */
  readonly signal: AbortSignal;
}

/** `signals`: those that stop the command. `onFirst` tells the user that the process is stopping. */
export function watchInterruption(signals: readonly Signal[], onFirst: (signal: Signal) => void): Interruption {
  const controller = new AbortController();
  let firstAtMs = 0;
  const stop = (signal: Signal) => {
    if (controller.signal.aborted) {
      if (performance.now() - firstAtMs < SAME_WITHIN_MS) return;
      // What was left half done is never listed as a backup, so that leaving at once is safe.
      process.exit(EXIT_CODES[signal]);
    }
    firstAtMs = performance.now();
    onFirst(signal);
    controller.abort(new InterruptedError(signal));
  };
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}

interface What {
  /** Undefined where it was not known yet. */
  readonly command: CommandName | undefined;
  readonly operands: readonly string[];
}

/** Why a command ended that threw this: whatever failed after a signal failed because of it, and what that has left is said as it fits the command. */
export function whyEnded(thrown: unknown, signal: AbortSignal, { command, operands }: What): EtcdsafeError {
  const error = asEtcdsafeError(thrown);
  if (!signal.aborted) return error;
  const reason = asEtcdsafeError(signal.reason);
  if (saysWhatIsLeft(error)) return withHint(reason, error.hint); // The command knows better, also where a deadline had stopped it before.
  const hint =
    command === undefined || reason.code !== "INTERRUPTED"
      ? undefined
      : command === "verify" && isFile(operands)
        ? "Nothing was stored; run it again."
        : HINTS[command];
  return hint === undefined ? reason : withHint(reason, hint);
}

/** Of a command that ended with `error`. */
export function exitCodeFor(error: EtcdsafeError): number {
  return error instanceof InterruptedError ? error.exitCode : ERRORS[error.code].exit;
}

/** Of a file no result is stored anywhere. */
function isFile([operand]: readonly string[]): boolean {
  return operand !== undefined && operand !== "" && readOperand(operand).kind !== "backup";
}
