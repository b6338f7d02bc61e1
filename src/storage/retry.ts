// How requests to a store are tried again: one policy for all backends, whose SDKs have theirs switched off. Exponential back-off with full
// jitter (a random part of the whole wait), so that many clients that failed together do not come back together.
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";

const FIRST_WAIT_MS_MAX = 200;
const WAIT_MS_MAX = 20_000;
/** A store that asks for more patience than this is as good as down. */
const ASKED_WAIT_MS_MAX = 120_000;
const UINT32_END = 2 ** 32;

export interface RetryOptions {
  /** How often `step` is done at most; 1 is never again. */
  readonly triesMax: number;
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
  readonly signal: AbortSignal;
}

/** A store that asks for fewer requests, and may say after what time the next is welcome. */
export class ThrottledError extends EtcdsafeError {
  /** What the store asked for (Retry-After), in milliseconds. */
  readonly waitMs: number | undefined;

  constructor(message: string, { waitMs, cause }: { readonly waitMs?: number | undefined; readonly cause?: unknown }) {
    super("STORAGE_THROTTLED", message, { cause });
    this.name = "ThrottledError";
    this.waitMs = waitMs;
  }
}

/**
 * Does `step`, given the number of its attempt from 1 on, until it succeeds, fails with an error that trying again cannot help (all but
 * STORAGE_UNREACHABLE and STORAGE_THROTTLED), or was tried `triesMax` times: the last error is thrown then. An abort ends the wait with the signal's reason.
 */
export async function retried<T>(step: (attempt: number) => Promise<T>, { triesMax, runtime, signal }: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await step(attempt);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= triesMax || !isWorthAnotherTry(error)) throw error;
      await runtime.sleep(waitMsAfter(attempt, error, runtime), signal);
    }
  }
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof EtcdsafeError && (error.code === "STORAGE_UNREACHABLE" || error.code === "STORAGE_THROTTLED");
}

function waitMsAfter(attempt: number, error: unknown, { randomBytes }: Pick<Runtime, "randomBytes">): number {
  const asked = error instanceof ThrottledError ? Math.min(error.waitMs ?? 0, ASKED_WAIT_MS_MAX) : 0;
  const { buffer, byteOffset } = randomBytes(4);
  const jitter = new DataView(buffer, byteOffset, 4).getUint32(0) / UINT32_END;
  return asked + jitter * Math.min(WAIT_MS_MAX, FIRST_WAIT_MS_MAX * 2 ** (attempt - 1));
}
