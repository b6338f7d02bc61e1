// A download that goes on where its connection broke: the same version of the object, from the first byte that is missing.
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { NetworkError } from "../http/network-error.ts";
import { type RetryOptions, retried } from "./retry.ts";
import { unreachable } from "./unreachable.ts";

/** Bytes from `at` on: of the version that an earlier call has found, so that a stream never mixes two. */
export type OpenAt = (at: number) => Promise<ByteStream>;

/** Each chunk is waited for as one policy says; what fails in the middle is opened again. */
export async function* readResumed(start: number, openAt: OpenAt, retry: RetryOptions): AsyncGenerator<Uint8Array> {
  let at = start;
  let current: AsyncIterator<Uint8Array> | undefined;
  const pull = async () => {
    current ??= (await openAt(at))[Symbol.asyncIterator]();
    try {
      return await current.next();
    } catch (error) {
      current = undefined;
      throw error;
    }
  };
  try {
    for (;;) {
      const next = await retried(pull, retry);
      if (next.done) return;
      at += next.value.length;
      yield next.value;
      retry.signal.throwIfAborted();
    }
  } finally {
    await current?.return?.();
  }
}

/** How many bytes the range that is answered with has, by its Content-Range: whoever cuts a body short on the way corrects Content-Length at most. */
export function sizeOfRange(contentRange: string | undefined): number | undefined {
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? "") ?? [];
  return last === undefined ? undefined : Number(last) + 1 - Number(first);
}

/** A body whose length was announced: fewer bytes are a broken connection, which STORAGE_UNREACHABLE says. `what` ("read a/b in …") begins the message. */
export async function* announced(what: string, body: ByteStream, sizeBytes: number | undefined): AsyncGenerator<Uint8Array> {
  let arrivedBytes = 0;
  try {
    for await (const chunk of body) {
      arrivedBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    throw unreachable(what, error);
  }
  if (sizeBytes === undefined || arrivedBytes >= sizeBytes) return;
  throw new EtcdsafeError("STORAGE_UNREACHABLE", `cannot ${what}: ${sizeBytes - arrivedBytes} bytes too few came`);
}
