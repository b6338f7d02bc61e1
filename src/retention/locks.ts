// Which backups the store would not let go: one of their versions is locked. Asked of few, since S3 takes a request for each object.
import { inTurns } from "../repository/in-turns.ts";
import { backupObjectKey } from "../repository/names.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { CallOptions } from "../runtime.ts";
import type { Locks } from "../storage/capabilities.ts";
import type { Storage } from "../storage/storage.ts";
import type { RetentionBackup } from "./plan.ts";

type Lock = NonNullable<RetentionBackup["lock"]>;

/** Of these backups those that are locked, or were, by their ids. Whose locks may not be asked for counts as not locked: the store hides it, and keeps what it has to. */
export async function lockedBackups(storage: Storage, cluster: string, ids: readonly string[], options: CallOptions): Promise<ReadonlyMap<string, Lock>> {
  const locked = new Map<string, Lock>();
  const { locks } = storage;
  if (locks === undefined || ids.length === 0 || (await mayBeDenied(() => locks.canHold(options))) === false) return locked;
  await inTurns(ids, async (id) => {
    const lock = await lockOf(locks, backupObjectKey(cluster, id, ""), options);
    if (lock !== undefined) locked.set(id, lock);
  });
  return locked;
}

/** The longest of its objects', as they are stored now: a manifest that was copied names versions of another store. */
async function lockOf(locks: Locks, prefix: string, options: CallOptions): Promise<Lock | undefined> {
  let lock: Lock | undefined;
  await mayBeDenied(async () => {
    for await (const { lock: state } of locks.list(prefix, options)) {
      const until = state.legalHold ? null : state.retention!.until.toISOString();
      if (lock === undefined || until === null || (lock.until !== null && until > lock.until)) lock = { until };
    }
  });
  return lock;
}
