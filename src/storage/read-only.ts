// A storage that refuses every change, for commands that only look.
import { EtcdsafeError } from "../errors.ts";
import type { Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

export function readOnly(inner: Storage): Storage {
  const refuse = (key: string): never => {
    throw new EtcdsafeError("STORAGE_READ_ONLY", `${key} in ${inner.location} was not changed: it is opened read-only`);
  };
  const { locks, unfinished, composed } = inner;
  return wrapped(inner, {
    put: async (key) => refuse(key),
    remove: async (key) => refuse(key),
    ...(locks && { locks: { ...locks, lock: async (key) => refuse(key) } }),
    ...(unfinished && { unfinished: { ...unfinished, abort: async ({ key }) => refuse(key) } }),
    ...(composed && { composed: { put: async (key) => refuse(key) } }),
  });
}
