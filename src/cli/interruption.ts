// SIGINT and SIGTERM: the first one asks the command to stop and clean up, a second one ends the process at once.
import type { CommandName } from "../config/option.ts";
import { EtcdsafeError } from "../errors.ts";

/** What an interrupted command has left, where the table's "Nothing half done is listed" does not fit. */
const HINTS: Partial<Record<CommandName, string>> = {
  restore: "Nothing was put in place; run it again.",
  verify: "Results are stored of what was read to its end; run it again.",
  "repo adopt": "Run it again: adopting twice does no harm.",
};

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof EXIT_CODES;

export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** 130 or 143 once a signal came. */
  readonly exitCode: number | undefined;
}

/** `onFirst` tells the user that the process is stopping. */
export function watchInterruption(onFirst: (signal: Signal) => void): Interruption {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const stop = (signal: Signal) => {
    // What was left half done is never listed as a backup, so that leaving at once is safe.
    if (exitCode !== undefined) process.exit(EXIT_CODES[signal]);
    exitCode = EXIT_CODES[signal];
    onFirst(signal);
    controller.abort(new EtcdsafeError("INTERRUPTED", `stopped by ${signal}`));
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => void process.off("SIGINT", stop).off("SIGTERM", stop),
  };
}

/** Why the command ended, with what that means for it. */
export function interruptedError({ signal }: Interruption, command: CommandName | undefined): unknown {
  const { reason } = signal;
  const hint = command === undefined ? undefined : HINTS[command];
  return hint === undefined ? reason : new EtcdsafeError("INTERRUPTED", (reason as EtcdsafeError).message, { hint });
}
