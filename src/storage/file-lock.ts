// Replaces a file under a condition, on any file system with atomic rename. Whoever moves a directory of their own, with the new file in it,
// to the lock's name holds the lock until that file is moved out: to its target, which commits, or away. A holder that died or sleeps is
// dispossessed by removing its file, after which its own commit can only fail: the lock is a fence as well.
import { readdir, rename, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { hasCode, ifExists } from "./file-errors.ts";

const POLL_MS = 20;
/** Between taking the lock and the commit lie a stat and a rename: one holder that is seen for this long is gone. */
const STALE_MS = 10_000;
/** With many writers each holder may be another one. */
const WAIT_MS_MAX = 60_000;

export interface Staged {
  /** Directory that holds the staged file and nothing else. */
  readonly directory: string;
  /** Name of the staged file, unique in the repository. */
  readonly name: string;
}

/** Moves `staged` to `target` if `check` (run while nobody else may replace it) does not throw. Throws STORAGE_CONFLICT when the lock was lost. */
export async function replaceLocked(
  lock: string,
  staged: Staged,
  key: string,
  step: { check(stagedPath: string): Promise<void>; commit(stagedPath: string): Promise<void> },
  context: { readonly runtime: Pick<Runtime, "sleep">; readonly signal: AbortSignal },
): Promise<void> {
  await acquire(lock, staged, key, context);
  const held = join(lock, staged.name);
  try {
    await step.check(held);
    await step.commit(held);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    throw new EtcdsafeError("STORAGE_CONFLICT", `${key}: another process took over its lock, because this one did not come to its end in ${STALE_MS / 1000} s`);
  } finally {
    await ifExists(unlink(held));
    await rmdir(lock).catch(() => undefined); // Empty, or the next holder's already.
  }
}

async function acquire(
  lock: string,
  staged: Staged,
  key: string,
  { runtime, signal }: { readonly runtime: Pick<Runtime, "sleep">; readonly signal: AbortSignal },
): Promise<void> {
  let holder: string | undefined;
  let holderSeenMs = 0;
  for (let waitedMs = 0; waitedMs <= WAIT_MS_MAX; waitedMs += POLL_MS) {
    signal.throwIfAborted();
    if (await moved(staged.directory, lock)) return;
    const [present] = (await ifExists(readdir(lock))) ?? [];
    if (present === undefined) continue;
    holderSeenMs = present === holder ? holderSeenMs + POLL_MS : 0;
    holder = present;
    if (holderSeenMs >= STALE_MS) await ifExists(unlink(join(lock, present)));
    await runtime.sleep(POLL_MS, signal);
  }
  throw new EtcdsafeError("STORAGE_CONFLICT", `${key}: other processes have been replacing it for ${WAIT_MS_MAX / 1000} s`);
}

/** Whether the directory could take the lock's name: free, or an empty directory that its last holder is about to remove. */
async function moved(directory: string, lock: string): Promise<boolean> {
  try {
    await rename(directory, lock);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
}
