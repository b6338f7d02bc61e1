// What a lease policy changes of a source: for the plan, which says how many keys that are and which revision follows.
import { TRAILER_SIZE_BYTES } from "../bytes/trailing-hash.ts";
import { runInWorker } from "../bytes/worker.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { LeaseCountInput } from "./lease-worker.ts";
import type { LeaseChanges, LeasePolicy } from "./leases.ts";
import { localCopy } from "./local-copy.ts";
import type { SnapshotSource } from "./source.ts";

/**
 * Undefined for `restart`, which changes no key. For any other policy all keys are gone through, a stored backup's in a local copy of it.
 * Throws SNAPSHOT_DAMAGED, SPOOL_NO_SPACE, and what reading the source throws.
 */
export async function leaseChangesOf({ facts, content }: SnapshotSource, policy: LeasePolicy, options: CallOptions): Promise<LeaseChanges | undefined> {
  if (policy === "restart") return undefined;
  try {
    if ("path" in content) return await countIn(content.path, policy, options);
    await using copy = await localCopy(content.read(options), facts.databaseSizeBytes + TRAILER_SIZE_BYTES);
    return await countIn(copy.path, policy, options);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${facts.location} is damaged: ${error.message}`, { cause: error });
  }
}

function countIn(path: string, policy: LeasePolicy, options: CallOptions): Promise<LeaseChanges> {
  return runInWorker<LeaseCountInput, LeaseChanges>(new URL("./lease-worker", import.meta.url), { path, policy }, options);
}
