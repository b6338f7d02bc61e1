// Which backups the store would not let go: one of their versions is locked. Asked of few, since it costs a request for each object.
import { hasCode } from "../errors.ts";
import { readManifest } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { CallOptions } from "../runtime.ts";
import type { Locks } from "../storage/capabilities.ts";
import type { Storage } from "../storage/storage.ts";
import type { RetentionBackup } from "./plan.ts";

type Lock = NonNullable<RetentionBackup["lock"]>;

/** Of these backups those that are locked at `now`, by their ids. Whose locks may not be asked for counts as not locked: the store hides it, and keeps what it has to. */
export async function lockedBackups(
  storage: Storage,
  cluster: string,
  ids: readonly string[],
  now: Date,
  options: CallOptions,
): Promise<ReadonlyMap<string, Lock>> {
  const locked = new Map<string, Lock>();
  const { locks } = storage;
  if (locks === undefined || ids.length === 0 || (await mayBeDenied(() => locks.defaults(options))) === undefined) return locked;
  for (const id of ids) {
    const lock = await lockOf(storage, locks, cluster, id, now, options);
    if (lock !== undefined) locked.set(id, lock);
  }
  return locked;
}

/** The longest of its objects'. */
async function lockOf(storage: Storage, locks: Locks, cluster: string, id: string, now: Date, options: CallOptions): Promise<Lock | undefined> {
  const objects = await readManifest(storage, cluster, id, options).then(
    (manifest) => manifest.objects,
    (error: unknown) => {
      if (hasCode(error, "STORAGE_NOT_FOUND")) return []; // Removed meanwhile.
      throw error;
    },
  );
  let lock: Lock | undefined;
  for (const { name, storeVersion } of objects) {
    if (storeVersion === null) continue;
    const state = await mayBeDenied(() => locks.state(backupObjectKey(cluster, id, name), storeVersion, options));
    if (state === "denied") continue;
    if (state.legalHold) return { until: null };
    const until = state.retention?.until;
    if (until === undefined || until <= now) continue;
    if (lock === undefined || lock.until === null || until > new Date(lock.until)) lock = { until: until.toISOString() };
  }
  return lock;
}
