// The time as a store counts it, also where it has no clock: by that of a file that is written for it.
import { streamOf } from "../bytes/stream.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { probeKey, randomId } from "./names.ts";

/** To be compared with `modifiedAt` of objects. This host's clock may be another one than that of the server whose directory is mounted here. */
export async function storeTime(storage: Storage, { runtime, signal }: CallOptions & { readonly runtime: Pick<Runtime, "randomBytes"> }): Promise<Date> {
  if (storage.clock !== undefined) return (await storage.clock.now({ signal })).time;
  const key = probeKey(randomId(runtime.randomBytes), "clock");
  const { modifiedAt } = await storage.put(key, streamOf(Buffer.from("-")), { signal, ifAbsent: true });
  await storage.remove(key, { signal });
  return modifiedAt;
}
