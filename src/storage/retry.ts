// Which failures of a store are tried again: one policy for all backends, whose SDKs have theirs switched off. How late: src/http/back-off.ts.
import { EtcdsafeError } from "../errors.ts";
import { type BackOffOptions, withBackOff } from "../http/back-off.ts";

/** A store that asks for more patience than this is as good as down. */
const ASKED_WAIT_MS_MAX = 120_000;

export type RetryOptions = BackOffOptions;

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

/** Does `step` as withBackOff does; of errors, trying again can help STORAGE_UNREACHABLE and STORAGE_THROTTLED alone. */
export async function retried<T>(step: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  return await withBackOff(step, askedWaitMs, options);
}

function askedWaitMs(error: unknown): number | undefined {
  if (error instanceof ThrottledError) return Math.min(error.waitMs ?? 0, ASKED_WAIT_MS_MAX);
  return error instanceof EtcdsafeError && (error.code === "STORAGE_UNREACHABLE" || error.code === "STORAGE_THROTTLED") ? 0 : undefined;
}
