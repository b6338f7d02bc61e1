// Storages that misbehave: slow, stalling, failing, crashing. Each wraps a storage that works and harms only the calls it was told to.
// Those that lie are in lying-storages.ts; what a network does to a store is the HTTP proxy's.
import { setTimeout as sleep } from "node:timers/promises";
import type { ByteStream } from "../../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../../src/errors.ts";
import type { CallOptions } from "../../../src/runtime.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import { type CallMatch, type Harm, harmed } from "./harmed-storage.ts";

/** Every call waits `delayMs` before it starts, and so does every chunk of a body. */
export function slowStorage(inner: Storage, delayMs: number, match: CallMatch = {}): Storage {
  return harmed(inner, match, {
    before: ({ signal }) => sleep(delayMs, undefined, { signal }),
    body: async function* (body, { signal }) {
      for await (const chunk of body) {
        await sleep(delayMs, undefined, { signal });
        yield chunk;
      }
    },
  });
}

/** Calls that match never end by themselves: only their signal ends them. With `afterBytes`, a body gets that far first. */
export function stallingStorage(inner: Storage, match: CallMatch & { readonly afterBytes?: number }): Storage {
  return harmed(inner, match, harmAt(match.afterBytes, untilAborted));
}

/** Calls that match reject, with STORAGE_UNREACHABLE where no error is given; after `afterBytes` of a body, or `afterwards`, once it is done. */
export function failingStorage(
  inner: Storage,
  match: CallMatch & { readonly afterBytes?: number; readonly afterwards?: boolean; readonly error?: () => Error },
): Storage {
  const fail = async (): Promise<never> => {
    throw match.error?.() ?? new EtcdsafeError("STORAGE_UNREACHABLE", `${inner.location}: the test's storage fails here`);
  };
  return harmed(inner, match, match.afterwards ? { after: fail } : harmAt(match.afterBytes, fail));
}

/** Kills this process (a child of the test) with SIGKILL before the call that matches, after `afterBytes` of its body, or `afterwards`. */
export function crashingStorage(inner: Storage, match: CallMatch & { readonly afterBytes?: number; readonly afterwards?: boolean }): Storage {
  const die = async (): Promise<never> => {
    process.kill(process.pid, "SIGKILL");
    return new Promise<never>(() => undefined);
  };
  return harmed(inner, match, match.afterwards ? { after: die } : harmAt(match.afterBytes, die));
}

function harmAt(afterBytes: number | undefined, strike: (call: CallOptions) => Promise<never>): Harm {
  if (afterBytes === undefined) return { before: strike };
  return { body: (body, call) => strikeWithin(body, afterBytes, () => strike(call)) };
}

/** Yields exactly so many bytes, or all where there are fewer, and then strikes. */
async function* strikeWithin(body: ByteStream, afterBytes: number, strike: () => Promise<never>): AsyncGenerator<Uint8Array> {
  let left = afterBytes;
  for await (const chunk of body) {
    if (chunk.length >= left) {
      if (left > 0) yield chunk.subarray(0, left);
      await strike();
    }
    left -= chunk.length;
    yield chunk;
  }
  await strike();
}

function untilAborted({ signal }: CallOptions): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
