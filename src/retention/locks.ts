// Which backups the store would not let go: one of their versions is locked. Asked of few, since S3 takes a request for each object.
import { type EtcdsafeError, hasCode } from "../errors.ts";
import { inTurns } from "../repository/in-turns.ts";
import { backupObjectKey } from "../repository/names.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { CallOptions } from "../runtime.ts";
import type { Locks } from "../storage/capabilities.ts";
import type { Storage } from "../storage/storage.ts";
import type { RetentionBackup } from "./plan.ts";

type Lock = NonNullable<RetentionBackup["lock"]>;

/**
 * Of these backups those that are locked, or were, by their ids. Throws STORAGE_DENIED where locks are known to be possible, and may not be asked for: what is
 * locked would seem to be removed. `onUnknown`: nothing of that may be asked.
 */
export async function lockedBackups(
  storage: Storage,
  cluster: string,
  ids: readonly string[],
  { onUnknown, ...options }: CallOptions & { onUnknown(error: EtcdsafeError): void },
): Promise<ReadonlyMap<string, Lock>> {
  const locked = new Map<string, Lock>();
  const { locks } = storage;
  if (locks === undefined || ids.length === 0) return locked;
  const canHold = await mayBeDenied(() => locks.canHold(options));
  if (canHold === false) return locked;
  try {
    await inTurns(ids, async (id) => {
      const lock = await lockOf(locks, backupObjectKey(cluster, id, ""), options);
      if (lock !== undefined) locked.set(id, lock);
    });
  } catch (error) {
    if (canHold === true || !hasCode(error, "STORAGE_DENIED")) throw error;
    onUnknown(error);
  }
  return locked;
}

/** The longest of its objects', as they are stored now: a manifest that was copied names versions of another store. */
async function lockOf(locks: Locks, prefix: string, options: CallOptions): Promise<Lock | undefined> {
  let lock: Lock | undefined;
  for await (const { lock: state } of locks.list(prefix, options)) {
    const until = state.legalHold ? null : state.retention!.until.toISOString();
    if (lock === undefined || until === null || (lock.until !== null && until > lock.until)) lock = { until };
  }
  return lock;
}
