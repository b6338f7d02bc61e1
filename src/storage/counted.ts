// A storage that tells how many bytes pass through it.
import type { ByteStream } from "../bytes/stream.ts";
import type { Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

/** Is told of every chunk; what is sent again, or composed in the store, is not told again. */
export type CountBytes = (direction: "read" | "written", sizeBytes: number) => void;

export function counted(inner: Storage, count: CountBytes): Storage {
  const { versions } = inner;
  return wrapped(inner, {
    put: (key, body, options) => inner.put(key, countedBody(body, "written", count), options),
    read: (key, options) => countedBody(inner.read(key, options), "read", count),
    ...(versions && { versions: { ...versions, read: (key, id, options) => countedBody(versions.read(key, id, options), "read", count) } }),
  });
}

async function* countedBody(body: ByteStream, direction: "read" | "written", count: CountBytes): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    count(direction, chunk.length);
    yield chunk;
  }
}
