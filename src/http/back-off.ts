// How late something that failed is tried again: exponential back-off with full jitter (a random part of the whole wait), so that many clients that
// failed together do not come back together. What is worth another try, its caller knows.
import type { CallOptions, Runtime } from "../runtime.ts";

const FIRST_WAIT_MS_MAX = 200;
const WAIT_MS_MAX = 20_000;
const UINT32_END = 2 ** 32;

export interface BackOffOptions extends CallOptions {
  /** How often `step` is done at most; 1 is never again. */
  readonly triesMax: number;
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
}

/** The milliseconds that are to pass before the next try at least, 0 where none are asked for; undefined for an error that trying again cannot help. */
export type AskedWait = (error: unknown) => number | undefined;

/**
 * Does `step`, given the number of its attempt from 1 on, until it succeeds, fails with what trying again cannot help, or was tried `triesMax` times: the
 * last error is thrown then. An abort ends the wait with the signal's reason.
 */
export async function withBackOff<T>(step: (attempt: number) => Promise<T>, askedWaitMs: AskedWait, { triesMax, runtime, signal }: BackOffOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await step(attempt);
    } catch (error) {
      signal.throwIfAborted();
      const askedMs = askedWaitMs(error);
      if (attempt >= triesMax || askedMs === undefined) throw error;
      await runtime.sleep(askedMs + jitterMsAfter(attempt, runtime), signal);
    }
  }
}

function jitterMsAfter(attempt: number, { randomBytes }: Pick<Runtime, "randomBytes">): number {
  const { buffer, byteOffset } = randomBytes(4);
  const jitter = new DataView(buffer, byteOffset, 4).getUint32(0) / UINT32_END;
  return jitter * Math.min(WAIT_MS_MAX, FIRST_WAIT_MS_MAX * 2 ** (attempt - 1));
}
