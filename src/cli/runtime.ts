// The real clock, random source, log and progress, for everything that the command line calls.
import { setTimeout as delay } from "node:timers/promises";
import type { Runtime } from "../runtime.ts";
import type { Reporter } from "./log.ts";

export function makeRuntime({ log, progress }: Reporter): Runtime {
  return {
    now: () => new Date(),
    monotonicMs: () => performance.now(),
    sleep: async (delayMs, signal) => {
      await delay(delayMs, undefined, { signal }).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : error;
      });
    },
    randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    log,
    progress,
  };
}
