// Which backups the store would not let go: one of their versions is locked. Asked of few, since it costs a request for each object.
import { hasCode } from "../errors.ts";
import { inTurns } from "../repository/in-turns.ts";
import { backupObjectKey } from "../repository/names.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { CallOptions } from "../runtime.ts";
import type { LockState, Locks } from "../storage/capabilities.ts";
import type { Storage } from "../storage/storage.ts";
import type { RetentionBackup } from "./plan.ts";

type Lock = NonNullable<RetentionBackup["lock"]>;

/** Of these backups those that are locked, or were, by their ids. Whose locks may not be asked for counts as not locked: the store hides it, and keeps what it has to. */
export async function lockedBackups(storage: Storage, cluster: string, ids: readonly string[], options: CallOptions): Promise<ReadonlyMap<string, Lock>> {
  const locked = new Map<string, Lock>();
  const { locks } = storage;
  if (locks === undefined || ids.length === 0 || (await mayBeDenied(() => locks.defaults(options))) === undefined) return locked;
  await inTurns(ids, async (id) => {
    const lock = await lockOf(storage, locks, cluster, id, options);
    if (lock !== undefined) locked.set(id, lock);
  });
  return locked;
}

/** The longest of its objects', as they are stored now: a manifest that was copied names versions of another store. */
async function lockOf(storage: Storage, locks: Locks, cluster: string, id: string, options: CallOptions): Promise<Lock | undefined> {
  let lock: Lock | undefined;
  for await (const { key } of storage.list(backupObjectKey(cluster, id, ""), options)) {
    const state = await stateOf(storage, locks, key, options);
    if (state === undefined) continue;
    if (state.legalHold) return { until: null };
    const until = state.retention?.until.toISOString();
    if (until !== undefined && (lock === undefined || until > lock.until!)) lock = { until };
  }
  return lock;
}

/** Undefined for what is not there any more, has no version, or whose lock may not be asked for. */
async function stateOf(storage: Storage, locks: Locks, key: string, options: CallOptions): Promise<LockState | undefined> {
  try {
    const versionId = (await storage.stat(key, options))?.versionId;
    return versionId === undefined ? undefined : await locks.state(key, versionId, options);
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND") || hasCode(error, "STORAGE_DENIED")) return undefined;
    throw error;
  }
}
