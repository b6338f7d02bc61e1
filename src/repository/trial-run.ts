// The frame of a validation: objects that are made for it and removed again, and each trial's outcome kept instead of thrown.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { probeKey } from "./names.ts";

export type TrialName =
  | "put"
  | "stat"
  | "read"
  | "ranged-read"
  | "list"
  | "large-upload"
  | "large-read"
  | "cancelled-upload"
  | "conditional-create"
  | "compare-and-swap"
  | "remove"
  | "versions"
  | "retention"
  | "lock"
  | "clock";

export interface Trial {
  readonly name: TrialName;
  readonly store: "repository" | "state";
  /** `absent`: the store does not offer it. `not-tried`: something before it failed that it stands on. */
  readonly outcome: "works" | "fails" | "absent" | "not-tried";
  /** What does not work without it: everything; several hosts, recorders and the agent; removing what is old; nothing that was promised. */
  readonly neededFor: "everything" | "several-writers" | "removal" | "nothing";
  /** A sentence. */
  readonly detail: string;
}

/** What a trial found out; throwing is failing. */
export type Outcome = Pick<Trial, "outcome" | "detail">;

export type TrialOptions = CallOptions & { readonly runtime: Pick<Runtime, "now" | "randomBytes" | "sleep"> };

/** Of the way there, or of the whole place: before anything has worked, no trial says more. */
const NOT_THE_STORES = ["STORAGE_UNREACHABLE", "STORAGE_THROTTLED", "REPOSITORY_NOT_FOUND"];

export class TrialRun {
  readonly storage: Storage;
  readonly trials: Trial[] = [];
  readonly options: TrialOptions;
  readonly #store: Trial["store"];
  readonly #run: string;
  readonly #made = new Set<string>();

  constructor(storage: Storage, store: Trial["store"], run: string, options: TrialOptions) {
    this.storage = storage;
    this.#store = store;
    this.#run = run;
    this.options = options;
  }

  /** The key of an object that this run makes, and removes in the end. */
  key(name: string): string {
    const key = probeKey(this.#run, name);
    this.#made.add(key);
    return key;
  }

  prefix(): string {
    return probeKey(this.#run, "");
  }

  /** Keeps what `step` finds. Throws where the store cannot be reached at all, or the signal is aborted. */
  async try(name: TrialName, neededFor: Trial["neededFor"], step: () => Promise<Outcome>): Promise<boolean> {
    const outcome = await step().catch((error: unknown): Outcome => {
      this.options.signal.throwIfAborted();
      if (!(error instanceof EtcdsafeError)) throw error;
      if (NOT_THE_STORES.includes(error.code) && !this.trials.some((trial) => trial.outcome === "works")) throw error;
      return fails(`${error.message} (${error.code})`);
    });
    this.trials.push({ name, store: this.#store, neededFor, ...outcome });
    return outcome.outcome === "works";
  }

  /** Removes what was made; resolves to the keys of what may not be removed. */
  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    for (const key of this.#made) {
      const isGone = await this.storage.remove(key, this.options).then(
        () => true,
        () => false,
      );
      this.options.signal.throwIfAborted();
      if (!isGone) left.push(key);
    }
    return left;
  }
}

export function works(detail: string): Outcome {
  return { outcome: "works", detail };
}

export function fails(detail: string): Outcome {
  return { outcome: "fails", detail };
}
