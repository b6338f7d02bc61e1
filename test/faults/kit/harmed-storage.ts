// The frame of the faulty storages: counts calls, picks the ones to harm, and lets a harm act before, within or after them.
import type { ByteStream } from "../../../src/bytes/stream.ts";
import type { CallOptions } from "../../../src/runtime.ts";
import type { ObjectInfo, PutOptions, ReadOptions, Storage } from "../../../src/storage/storage.ts";

export type Operation = "put" | "read" | "stat" | "list" | "remove";

/** Which calls are harmed: all where everything is left out. */
export interface CallMatch {
  readonly operations?: readonly Operation[];
  /** Of the key, or of a list's prefix. */
  readonly key?: RegExp;
  /** The first call, counted from 1 among those that match otherwise, that is harmed; 1 where left out. */
  readonly from?: number;
  /** How many calls are harmed from there on; all where left out. */
  readonly times?: number;
}

export interface Harm {
  before?(call: CallOptions): Promise<void>;
  /** In place of a put's or a read's body. */
  body?(body: ByteStream, call: CallOptions): ByteStream;
  after?(call: CallOptions): Promise<void>;
}

/** `inner` with `harm` done to the calls that match. */
export function harmed(inner: Storage, match: CallMatch, harm: Harm): Storage {
  const harmFor = harmChooser(match, harm);
  return {
    location: inner.location,
    capabilities: inner.capabilities,
    async put(key: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo> {
      const { before, body: within, after } = harmFor("put", key);
      await before?.(options);
      const info = await inner.put(key, within?.(body, options) ?? body, options);
      await after?.(options);
      return info;
    },
    async *read(key: string, options: ReadOptions): AsyncGenerator<Uint8Array> {
      const { before, body: within, after } = harmFor("read", key);
      await before?.(options);
      const body = inner.read(key, options);
      yield* within?.(body, options) ?? body;
      await after?.(options);
    },
    async stat(key: string, options: CallOptions): Promise<ObjectInfo | undefined> {
      const { before, after } = harmFor("stat", key);
      await before?.(options);
      const info = await inner.stat(key, options);
      await after?.(options);
      return info;
    },
    async *list(prefix: string, options: CallOptions): AsyncGenerator<ObjectInfo> {
      const { before, after } = harmFor("list", prefix);
      await before?.(options);
      yield* inner.list(prefix, options);
      await after?.(options);
    },
    async remove(key: string, options: CallOptions): Promise<void> {
      const { before, after } = harmFor("remove", key);
      await before?.(options);
      await inner.remove(key, options);
      await after?.(options);
    },
  };
}

function harmChooser(match: CallMatch, harm: Harm): (operation: Operation, key: string) => Harm {
  const from = match.from ?? 1;
  const until = from + (match.times ?? Infinity);
  let calls = 0;
  return (operation, key) => {
    const matches = (match.operations?.includes(operation) ?? true) && (match.key?.test(key) ?? true);
    if (matches) calls++;
    return matches && calls >= from && calls < until ? harm : {};
  };
}
