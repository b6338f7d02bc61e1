// Tries everything that etcdsafe's promises need of a store, with the operator's own store and credentials: what works and what does not is a list of
// findings. Trials are in trials.ts and versioned-trials.ts; what is left behind is below `_probe/`.

import { ERRORS, EtcdsafeError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { inTurns } from "./in-turns.ts";
import { randomId } from "./names.ts";
import type { LockPolicy } from "./object-lock.ts";
import { type Trial, type TrialOptions, TrialRun } from "./trial-run.ts";
import { tryBasics, tryClock, tryCompareAndSwap, tryConditionalCreate, tryCreateAfterRemoval, tryRemoval, tryUploads } from "./trials.ts";
import { tryLock, tryRetention, tryVersions } from "./versioned-trials.ts";

/** `limited`: backups can be saved and restored, but not everything that etcdsafe offers works there. */
export type Verdict = "good" | "limited" | "unfit";

export interface Validation {
  readonly location: string;
  /** Of the store in --state-url. */
  readonly stateLocation: string | null;
  readonly verdict: Verdict;
  readonly trials: readonly Trial[];
  /** Keys of what was stored, or may have been, and could not be removed. */
  readonly leftBehind: readonly string[];
}

export interface Stores {
  readonly main: Storage;
  /** Where the overwritten objects are to live, if not in `main`. */
  readonly state: Storage | undefined;
  /** How versions are to be locked. */
  readonly lock: LockPolicy | undefined;
}

/** Throws STORAGE_UNREACHABLE, STORAGE_THROTTLED or REPOSITORY_NOT_FOUND where nothing at all works; everything else is a finding. */
export async function validateStores({ main, state, lock }: Stores, options: TrialOptions): Promise<Validation> {
  const run = randomId(options.runtime.randomBytes);
  const ofMain = new TrialRun(main, "repository", run, options);
  const ofState = state && new TrialRun(state, "state", run, options);
  const runs = ofState === undefined ? [ofMain] : [ofMain, ofState];
  const cleanUp = async () => (await inTurns(runs, (each) => each.cleanUp())).flat();
  try {
    await tryBasics(ofMain);
    await tryUploads(ofMain);
    await tryConditionalCreate(ofMain);
    if (ofState === undefined) await tryCompareAndSwap(ofMain);
    await tryVersions(ofMain);
    if (lock !== undefined) await tryLock(ofMain, lock);
    await tryRemoval(ofMain);
    await tryCreateAfterRemoval(ofMain);
    await tryRetention(ofMain, ofState === undefined);
    await tryClock(ofMain);
    if (ofState !== undefined) {
      await tryBasics(ofState);
      await tryCompareAndSwap(ofState);
      await tryRemoval(ofState);
      await tryCreateAfterRemoval(ofState);
      await tryRetention(ofState, true);
      await tryClock(ofState);
    }
  } catch (error) {
    await cleanUp();
    throw await named(error, runs);
  }
  const leftBehind = await cleanUp();
  const trials = [...ofMain.trials, ...(ofState?.trials ?? [])];
  return { location: main.location, stateLocation: state?.location ?? null, verdict: verdictOf(trials), trials, leftBehind };
}

/** `error`, which ends it all, so that its hint is the place to name what is there still, where a store that answers lists that. */
async function named(error: unknown, runs: readonly TrialRun[]): Promise<unknown> {
  if (!(error instanceof EtcdsafeError) || ERRORS[error.code].retryable) return error;
  const left: string[] = [];
  for (const run of runs) left.push(...(await run.listed().catch(() => [])));
  if (left.length === 0) return error;
  return new EtcdsafeError(error.code, error.message, { hint: `${error.hint} Left behind: ${left.join(", ")}.`, cause: error });
}

/** Pure. */
function verdictOf(trials: readonly Trial[]): Verdict {
  const missing = trials.filter(({ outcome, neededFor }) => outcome !== "works" && outcome !== "absent" && neededFor !== "nothing");
  if (missing.some(({ neededFor }) => neededFor === "everything")) return "unfit";
  return missing.length > 0 ? "limited" : "good";
}
