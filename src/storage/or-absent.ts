// A storage whose content nobody needs: where it fails, it is taken for empty, and that is said once.
import { ERRORS, EtcdsafeError } from "../errors.ts";
import type { ObjectInfo, Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

/**
 * `failed` is told of the first failure; reading then rejects with STORAGE_NOT_FOUND, the failure being its cause. Only for reading: what is written still has
 * to arrive. What was tried in vain again and again is not asked a second time: each would wait as long.
 */
export function orAbsent(inner: Storage, failed: (error: EtcdsafeError) => void): Storage {
  let wasTold = false;
  let outOfReach: EtcdsafeError | undefined;
  const pass = (error: unknown, signal: AbortSignal): EtcdsafeError => {
    signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    if (ERRORS[error.code].retryable) outOfReach ??= error;
    if (!wasTold && error.code !== "STORAGE_NOT_FOUND") failed(error);
    wasTold ||= error.code !== "STORAGE_NOT_FOUND";
    return error;
  };
  const requireReach = () => {
    if (outOfReach !== undefined) throw outOfReach;
  };
  return wrapped(inner, {
    async stat(key, options) {
      try {
        requireReach();
        return await inner.stat(key, options);
      } catch (error) {
        pass(error, options.signal);
        return undefined;
      }
    },
    async *read(key, options): AsyncGenerator<Uint8Array> {
      try {
        requireReach();
        yield* inner.read(key, options);
      } catch (error) {
        const cause = pass(error, options.signal);
        throw new EtcdsafeError("STORAGE_NOT_FOUND", cause.message, { cause });
      }
    },
    async *list(prefix, options): AsyncGenerator<ObjectInfo> {
      try {
        requireReach();
        yield* inner.list(prefix, options);
      } catch (error) {
        pass(error, options.signal);
      }
    },
  });
}
