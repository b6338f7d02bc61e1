// A storage whose overwritten objects live in another one, for a store whose retention would lock each of their versions.
// docs/repository-format.md, "What may be rewritten".
import type { ObjectInfo, Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

/** The file that makes a location a repository stays with the backups. */
const STATE_KEY = /^(etcdsafe-state\.json$|[^/]+\/(cluster\.json$|writer\.json$|uploads\/))/;

export function isStateKey(key: string): boolean {
  return STATE_KEY.test(key);
}

/** `main` with the state in `state`. What `main` holds of it from before it was split is not seen. */
export function stateSplit(main: Storage, state: Storage): Storage {
  const home = (key: string) => (isStateKey(key) ? state : main);
  const { clock, ...others } = wrapped(main, {
    stateLocation: state.location,
    // Every promise that stands on them needs both: a segment's fence is in one store, the lease in the other.
    capabilities: {
      putIfAbsent: main.capabilities.putIfAbsent && state.capabilities.putIfAbsent,
      putIfVersion: main.capabilities.putIfVersion && state.capabilities.putIfVersion,
    },
    put: (key, body, options) => home(key).put(key, body, options),
    read: (key, options) => home(key).read(key, options),
    stat: (key, options) => home(key).stat(key, options),
    remove: (key, options) => home(key).remove(key, options),
    list: (prefix, options) => merged(only(main.list(prefix, options), false), only(state.list(prefix, options), true)),
  });
  // The clock is for leases and heartbeats, which are state.
  return { ...others, ...(state.clock && { clock: state.clock }) };
}

async function* only(infos: AsyncIterable<ObjectInfo>, isState: boolean): AsyncGenerator<ObjectInfo> {
  for await (const info of infos) if (isStateKey(info.key) === isState) yield info;
}

/** Both in order of keys by UTF-8 bytes, as each of them is. */
async function* merged(a: AsyncGenerator<ObjectInfo>, b: AsyncGenerator<ObjectInfo>): AsyncGenerator<ObjectInfo> {
  try {
    let [left, right] = [await a.next(), await b.next()];
    while (left.done !== true || right.done !== true) {
      if (right.done === true || (left.done !== true && isBefore(left.value.key, right.value.key))) {
        yield left.value as ObjectInfo;
        left = await a.next();
      } else {
        yield right.value;
        right = await b.next();
      }
    }
  } finally {
    await a.return(undefined);
    await b.return(undefined);
  }
}

function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
