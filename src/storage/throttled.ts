// A storage that sends and fetches no more bytes per second than it is told, all its transfers together.
import type { ByteStream } from "../bytes/stream.ts";
import type { Runtime } from "../runtime.ts";
import type { TransferLimits } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

/** Longer pauses than this make a transfer jerk, and look idle to the other side. */
const PAUSE_MS_MAX = 250;

type Pace = (sizeBytes: number, signal: AbortSignal) => Promise<void>;

export function throttled(
  inner: Storage,
  { uploadBytesPerSecond: up, downloadBytesPerSecond: down }: TransferLimits,
  runtime: Pick<Runtime, "monotonicMs" | "sleep">,
): Storage {
  const { versions } = inner;
  const slowed = (limit: number | undefined) => {
    const pace = limit === undefined ? undefined : pacer(limit, runtime);
    return (body: ByteStream, signal: AbortSignal) => (pace === undefined ? body : paced(body, limit!, pace, signal));
  };
  const sent = slowed(up);
  const fetched = slowed(down);
  return wrapped(inner, {
    put: (key, body, options) => inner.put(key, sent(body, options.signal), options),
    read: (key, options) => fetched(inner.read(key, options), options.signal),
    ...(versions && { versions: { ...versions, read: (key, id, options) => fetched(versions.read(key, id, options), options.signal) } }),
  });
}

/** Hands on slices small enough to keep the pace even. */
async function* paced(body: ByteStream, limit: number, pace: Pace, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const sliceSizeBytes = Math.max(1, Math.floor((limit * PAUSE_MS_MAX) / 1000));
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += sliceSizeBytes) {
      const slice = chunk.subarray(at, at + sliceSizeBytes);
      await pace(slice.length, signal);
      yield slice;
    }
  }
}

/** Each caller waits until those before it have had their time; what was not used while nobody came is not saved up. */
function pacer(limit: number, { monotonicMs, sleep }: Pick<Runtime, "monotonicMs" | "sleep">): Pace {
  let freeAtMs = 0;
  return async (sizeBytes, signal) => {
    const nowMs = monotonicMs();
    const startMs = Math.max(nowMs, freeAtMs);
    freeAtMs = startMs + (sizeBytes * 1000) / limit;
    if (startMs > nowMs) await sleep(startMs - nowMs, signal);
    else signal.throwIfAborted();
  };
}
