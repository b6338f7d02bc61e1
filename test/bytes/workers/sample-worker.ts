// What worker.test.ts runs in threads: each input names a behaviour.

import type { WorkerContext } from "../../../src/bytes/worker.ts";
import { EtcdsafeError, FormatError } from "../../../src/errors.ts";

export interface SampleInput {
  readonly what: "double" | "refuse" | "format" | "crash" | "exit" | "wait";
  readonly value?: bigint;
  readonly bytes?: Uint8Array;
}

export function run({ what, value = 0n, bytes }: SampleInput, context: WorkerContext): unknown {
  switch (what) {
    case "double":
      context.progress(1);
      context.progress(2);
      return { value: value * 2n, size: bytes?.length };
    case "refuse":
      throw new EtcdsafeError("SNAPSHOT_EMPTY", "nothing in it", { hint: "fill it" });
    case "format":
      throw new FormatError("BBOLT_PAGE_INVALID", "a bad page", 4096);
    case "crash":
      throw new TypeError("an ordinary fault");
    case "exit":
      process.exit(3);
      break;
    case "wait":
      // Busy on purpose: a synchronous walk hears nothing but the flag.
      context.progress(0);
      while (!context.cancelled());
      throw new Error("given up");
  }
  return undefined;
}
