// SIGINT, SIGTERM and SIGHUP: the first one asks the command to stop and clean up, another one a second later ends the process at once.
import type { CommandName } from "../config/option.ts";
import { EtcdsafeError } from "../errors.ts";
import { readOperand } from "./operand.ts";

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
  readonly exitCode: number;

  constructor(signal: Signal) {
    super("INTERRUPTED", `stopped by ${signal}`);
    this.exitCode = EXIT_CODES[signal];
  }
}

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** 129, 130 or 143 once a signal came. */
  readonly exitCode: number | undefined;
}

/** `signals`: those that stop the command. `onFirst` tells the user that the process is stopping. */
export function watchInterruption(signals: readonly Signal[], onFirst: (signal: Signal) => void): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let firstAtMs = 0;
  const stop = (signal: Signal) => {
    if (exitCode !== undefined) {
      if (performance.now() - firstAtMs < SAME_WITHIN_MS) return;
      // What was left half done is never listed as a backup, so that leaving at once is safe.
      process.exit(EXIT_CODES[signal]);
    }
    exitCode = EXIT_CODES[signal];
    firstAtMs = performance.now();
    onFirst(signal);
    controller.abort(new InterruptedError(signal));
  };
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}

/** Why the command ended, with what that means for it. */
export function interruptedError({ signal }: Interruption, command: CommandName | undefined, operands: readonly string[]): unknown {
  const { reason } = signal;
  const hint = command === "verify" && isFile(operands) ? "Nothing was stored; run it again." : command === undefined ? undefined : HINTS[command];
  return hint === undefined ? reason : new EtcdsafeError("INTERRUPTED", (reason as EtcdsafeError).message, { hint });
}

/** Of a file no result is stored anywhere. */
function isFile([operand]: readonly string[]): boolean {
  return operand !== undefined && operand !== "" && readOperand(operand).kind !== "backup";
}
