// A clock on which waits between attempts are short, and limits only where a test is about them.
import { setTimeout as delay } from "node:timers/promises";
import type { Runtime } from "../../src/runtime.ts";

/** src/http/report.ts: one attempt's limit is its shortest. */
const LIMIT_MS_MIN = 4_000;
const HURRY = 100;

export interface HurriedRuntime extends Pick<Runtime, "sleep" | "randomBytes"> {
  /** The waits between attempts, in milliseconds of its clock. */
  readonly waits: readonly number[];
}

export function hurriedRuntime({ limitsHurry = 1 }: { readonly limitsHurry?: number } = {}): HurriedRuntime {
  const waits: number[] = [];
  return {
    waits,
    sleep: async (delayMs, signal) => {
      const isLimit = delayMs >= LIMIT_MS_MIN;
      if (!isLimit) waits.push(Math.ceil(delayMs));
      await delay(delayMs / (isLimit ? limitsHurry : HURRY), undefined, { signal }).catch(() => signal.throwIfAborted());
    },
    randomBytes: (sizeBytes) => new Uint8Array(sizeBytes).fill(0xff), // The longest waits.
  };
}
