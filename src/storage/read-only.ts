// A storage that refuses every change, for commands that only look.
import { EtcdsafeError } from "../errors.ts";
import type { Storage } from "./storage.ts";

export function readOnly(inner: Storage): Storage {
  const refuse = (key: string): never => {
    throw new EtcdsafeError("STORAGE_READ_ONLY", `${key} in ${inner.location} was not changed: it is opened read-only`);
  };
  return {
    location: inner.location,
    capabilities: inner.capabilities,
    read: inner.read.bind(inner),
    stat: inner.stat.bind(inner),
    list: inner.list.bind(inner),
    put: async (key) => refuse(key),
    remove: async (key) => refuse(key),
  };
}
