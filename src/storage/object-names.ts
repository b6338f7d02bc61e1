// Keys ↔ names in a flat store: `<prefix>/<key>` as it is. A key that the store cannot hold, or would change, or sorts in its own way, is kept
// as hexadecimal digits below `<prefix>/%hex/`, which sort as its bytes do. docs/repository-format.md's own keys are never among them.
import type { ObjectInfo } from "./storage.ts";

const ESCAPED_PREFIX = "%hex/";

export interface ObjectNames {
  nameOf(key: string): string;
  /** Undefined: not ours, or no key maps to it. */
  keyOf(name: string): string | undefined;
  /** What to list for keys that begin with `prefix`: names as they are, and escaped ones. */
  listed(prefix: string): { readonly plain: string; readonly escaped: string };
  isEscaped(name: string): boolean;
}

/** `isPlain`: whether the store keeps this name as it is. */
export function objectNames(prefix: string, isPlain: (name: string) => boolean): ObjectNames {
  const root = prefix === "" ? "" : `${prefix}/`;
  const escapedRoot = root + ESCAPED_PREFIX;
  const nameOf = (key: string) => {
    const name = root + key;
    return key !== "" && isPlain(name) && !name.startsWith(escapedRoot) ? name : escapedRoot + Buffer.from(key).toString("hex");
  };
  return {
    nameOf,
    keyOf: (name) => {
      if (!name.startsWith(root)) return undefined;
      const key = name.startsWith(escapedRoot) ? Buffer.from(name.slice(escapedRoot.length), "hex").toString() : name.slice(root.length);
      return nameOf(key) === name ? key : undefined;
    },
    listed: (keyPrefix) => ({ plain: root + keyPrefix, escaped: escapedRoot + Buffer.from(keyPrefix).toString("hex") }),
    isEscaped: (name) => name.startsWith(escapedRoot),
  };
}

/** Two listings in order of their keys, as one. */
export async function* mergedByKey<T extends Pick<ObjectInfo, "key">>(first: AsyncIterable<T>, second: AsyncIterable<T>): AsyncGenerator<T> {
  const sources = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()] as const;
  const pull = async (source: AsyncIterator<T>): Promise<T | undefined> => {
    const next = await source.next();
    return next.done ? undefined : next.value;
  };
  try {
    let left = await pull(sources[0]);
    let right = await pull(sources[1]);
    while (left !== undefined || right !== undefined) {
      if (right === undefined || (left !== undefined && Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)) <= 0)) {
        yield left as T;
        left = await pull(sources[0]);
      } else {
        yield right;
        right = await pull(sources[1]);
      }
    }
  } finally {
    await Promise.all(sources.map((source) => source.return?.()));
  }
}
