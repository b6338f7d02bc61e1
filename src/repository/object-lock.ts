// Locks on the stored versions of a backup. They protect versions, not names: whoever may write can still overwrite or delete-mark every key, and
// `--as-of` reads what is below. docs/repository-format.md, "Order of writing".
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { LockMode } from "../storage/capabilities.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";

/** What the versions get. */
export interface LockPolicy {
  /** Undefined: only a legal hold. */
  readonly retention: { readonly mode: LockMode; readonly retainForMs: number } | undefined;
  readonly legalHold: boolean;
}

/** Locks one version that was just written. */
export type LockVersion = (info: ObjectInfo, options: CallOptions) => Promise<void>;

/** Throws CONFIG_INVALID, before anything is stored, where versions cannot be locked: a lock that is asked for and not there would be a false comfort. */
export async function versionLocker(storage: Storage, { retention, legalHold }: LockPolicy, options: CallOptions): Promise<LockVersion> {
  const { locks } = storage;
  if (locks === undefined) throw unlockable(storage, "this kind of store cannot lock versions", "a bucket of a kind that can");
  // Who may lock may not be allowed to ask: whether that can be done, the first lock tells then.
  if ((await mayBeDenied(() => locks.defaults(options))) === undefined) throw unlockable(storage, `that is not ${locks.place}`, locks.place);
  return async ({ key, versionId, modifiedAt }, lockOptions) => {
    if (versionId === undefined) throw unlockable(storage, `${key} was stored without a version`, locks.place);
    // By the store's clock, which is the one that counts the retention.
    const until = new Date(modifiedAt.getTime() + (retention?.retainForMs ?? 0));
    await locks.lock(key, versionId, { ...(retention && { retention: { mode: retention.mode, until } }), ...(legalHold && { legalHold }) }, lockOptions);
  };
}

/** What `ask` answers, or that it may not be asked. */
export async function mayBeDenied<T>(ask: () => Promise<T>): Promise<T | "denied"> {
  try {
    return await ask();
  } catch (error) {
    if (hasCode(error, "STORAGE_DENIED")) return "denied";
    throw error;
  }
}

function unlockable({ location }: Storage, why: string, wanted: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `versions cannot be locked in ${location}: ${why}`, {
    hint: `Leave --object-lock-mode and --legal-hold away, or use ${wanted}.`,
  });
}
