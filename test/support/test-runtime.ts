// A Runtime for tests that call the library: the real clock, and everything logged kept for the test to look at.
import { setTimeout as delay } from "node:timers/promises";
import type { LogEvent, Progress, Runtime } from "../../src/runtime.ts";

export interface TestRuntime extends Runtime {
  readonly logged: LogEvent[];
  readonly reported: Progress[];
}

export function testRuntime(): TestRuntime {
  const logged: LogEvent[] = [];
  const reported: Progress[] = [];
  return {
    logged,
    reported,
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    sleep: async (delayMs, signal) => {
      await delay(delayMs, undefined, { signal });
    },
    randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    log: (event) => logged.push(event),
    progress: (report) => reported.push(report),
  };
}
