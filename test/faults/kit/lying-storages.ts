// Storages that answer well and tell untruths: what only a check of the bytes, or a second look, can find out.
import type { ByteStream } from "../../../src/bytes/stream.ts";
import type { CallOptions } from "../../../src/runtime.ts";
import type { ObjectInfo, PutOptions, Storage } from "../../../src/storage/storage.ts";
import { type CallMatch, harmed } from "./harmed-storage.ts";

/** Takes puts whose key matches, says that they are stored, and drops them. */
export function forgettingStorage(inner: Storage, key: RegExp): Storage {
  return {
    ...working(inner),
    async put(name: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo> {
      if (!key.test(name)) return inner.put(name, body, options);
      let sizeBytes = 0;
      for await (const chunk of body) sizeBytes += chunk.length;
      return { key: name, sizeBytes, modifiedAt: new Date(), version: "dropped" };
    },
  };
}

/** Flips the lowest bit of byte `offset` of the bodies that are put or read in matching calls. An offset from a range's start, in ranged reads. */
export function corruptingStorage(inner: Storage, offset: number, match: CallMatch): Storage {
  return harmed(inner, match, {
    body: async function* (body) {
      let left = offset;
      for await (const chunk of body) {
        const damaged = left >= 0 && left < chunk.length ? chunk.with(left, (chunk[left] ?? 0) ^ 1) : chunk;
        left -= chunk.length;
        yield damaged;
      }
    },
  });
}

/** Ends the bodies that are put or read in matching calls after so many bytes, as if that were all. */
export function truncatingStorage(inner: Storage, sizeBytes: number, match: CallMatch): Storage {
  return harmed(inner, match, {
    body: async function* (body) {
      let left = sizeBytes;
      for await (const chunk of body) {
        if (left > 0) yield chunk.subarray(0, left);
        left -= chunk.length;
        if (left <= 0) return;
      }
    },
  });
}

/** Lists, until `catchUp` is called, what was there when it was made or last caught up; everything else is up to date. */
export async function staleListStorage(inner: Storage, options: CallOptions): Promise<Storage & { catchUp(): Promise<void> }> {
  let seen: ObjectInfo[] = [];
  const catchUp = async () => {
    const now: ObjectInfo[] = [];
    for await (const info of inner.list("", options)) now.push(info);
    seen = now;
  };
  await catchUp();
  return {
    ...working(inner),
    async *list(prefix: string): AsyncGenerator<ObjectInfo> {
      yield* seen.filter(({ key }) => key.startsWith(prefix));
    },
    catchUp,
  };
}

function working(inner: Storage): Storage {
  return harmed(inner, {}, {});
}
