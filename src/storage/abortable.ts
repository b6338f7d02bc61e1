// A stream that ends with the signal's reason when aborted, even while its source gives nothing: a stalled sender must not hold a put.
import type { ByteStream } from "../bytes/stream.ts";

export async function* abortable(source: ByteStream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  let abortPull = (_reason: unknown): void => undefined;
  const onAbort = () => abortPull(signal.reason);
  signal.addEventListener("abort", onAbort);
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      // One promise per pull: a race against a promise that lives as long as the stream would keep every chunk alive.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        abortPull = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) {
        ended = true;
        return;
      }
      yield next.value;
      signal.throwIfAborted();
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // A generator that waits for its own source returns only once that answers: told to, not waited for.
    if (!ended) iterator.return?.().catch(() => undefined);
  }
}
