// A storage that passes on to another one whatever it does not do in its own way.
import type { Storage } from "./storage.ts";

export function wrapped(inner: Storage, changed: Partial<Storage>): Storage {
  const { location, stateLocation, capabilities, versions, locks, unfinished, composed, clock } = inner;
  return {
    location,
    ...(stateLocation !== undefined && { stateLocation }),
    capabilities,
    ...(versions && { versions }),
    ...(locks && { locks }),
    ...(unfinished && { unfinished }),
    ...(composed && { composed }),
    ...(clock && { clock }),
    put: inner.put.bind(inner),
    read: inner.read.bind(inner),
    stat: inner.stat.bind(inner),
    list: inner.list.bind(inner),
    remove: inner.remove.bind(inner),
    ...changed,
  };
}
