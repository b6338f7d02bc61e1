// Counts the keys that a lease policy changes, in a thread of its own (bytes/worker.ts): all keys are gone through for that.
import type { WorkerContext } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { countLeaseChanges, type LeaseChanges, type LeasePolicy } from "./leases.ts";

export interface LeaseCountInput {
  readonly path: string;
  readonly policy: LeasePolicy;
}

export function run({ path, policy }: LeaseCountInput, context: WorkerContext): LeaseChanges {
  const file = openFilePageSource(path);
  try {
    const read = (offset: number, sizeBytes: number) => {
      if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "counting the keys that are bound to leases was given up");
      return file.read(offset, sizeBytes);
    };
    return countLeaseChanges(openDatabase({ sizeBytes: file.sizeBytes, read }), policy);
  } finally {
    file.close();
  }
}
