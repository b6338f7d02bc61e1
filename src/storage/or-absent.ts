// A storage whose content nobody needs: where it fails, it is taken for empty, and that is said once.
import { EtcdsafeError } from "../errors.ts";
import type { ObjectInfo, Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

/** `failed` is told of the first failure. Only for reading: what is written still has to arrive. */
export function orAbsent(inner: Storage, failed: (error: EtcdsafeError) => void): Storage {
  let wasTold = false;
  const pass = (error: unknown, signal: AbortSignal): EtcdsafeError => {
    signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL") throw error;
    if (!wasTold && error.code !== "STORAGE_NOT_FOUND") failed(error);
    wasTold ||= error.code !== "STORAGE_NOT_FOUND";
    return error;
  };
  return wrapped(inner, {
    stat: (key, options) => inner.stat(key, options).catch((error: unknown) => void pass(error, options.signal)),
    async *read(key, options): AsyncGenerator<Uint8Array> {
      try {
        yield* inner.read(key, options);
      } catch (error) {
        const cause = pass(error, options.signal);
        throw new EtcdsafeError("STORAGE_NOT_FOUND", cause.message, { cause });
      }
    },
    async *list(prefix, options): AsyncGenerator<ObjectInfo> {
      try {
        yield* inner.list(prefix, options);
      } catch (error) {
        pass(error, options.signal);
      }
    },
  });
}
