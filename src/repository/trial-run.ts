// The frame of a validation: objects that are made for it and removed again, and each trial's outcome kept instead of thrown.
import type { ByteStream } from "../bytes/stream.ts";
import { type ErrorCode, EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, PutOptions, Storage } from "../storage/storage.ts";
import { wrapped } from "../storage/wrapped.ts";
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
  | "create-after-removal"
  | "versions"
  | "retention"
  | "lock"
  | "clock";

export interface Trial {
  readonly name: TrialName;
  readonly store: "repository" | "state";
  /** `absent`: the store does not offer it, and need not. `not-tried`: something before it failed that it stands on, or it may not be asked about. */
  readonly outcome: "works" | "fails" | "absent" | "not-tried";
  /** What does not work without it: everything; several hosts, recorders and the agent; removing what is old; --as-of; nothing that was promised. */
  readonly neededFor: "everything" | "several-writers" | "removal" | "past" | "nothing";
  /** A sentence. */
  readonly detail: string;
}

/** What a trial found out; throwing is failing. */
export type Outcome = Pick<Trial, "outcome" | "detail">;

export type TrialOptions = CallOptions & { readonly runtime: Pick<Runtime, "now" | "randomBytes" | "sleep"> };

/** Of the way there, or of the whole place: before anything has worked, no trial says more. */
const NOT_THE_STORES = ["STORAGE_UNREACHABLE", "STORAGE_TLS_FAILED", "STORAGE_THROTTLED", "REPOSITORY_NOT_FOUND", "CONFIG_INVALID"];

/** With these a store says that it has taken nothing; all others may be found out behind it, as that it does not encrypt as it was asked to. */
const SURELY_REFUSED: readonly ErrorCode[] = ["STORAGE_DENIED", "STORAGE_CONFLICT", "STORAGE_FULL", "STORAGE_TLS_FAILED", "REPOSITORY_NOT_FOUND"];

export class TrialRun {
  readonly storage: Storage;
  readonly trials: Trial[] = [];
  readonly options: TrialOptions;
  readonly #store: Trial["store"];
  readonly #run: string;
  /** Keys of what is stored, or may be: a put that failed on its way may have taken effect. */
  readonly #stored = new Set<string>();

  constructor(storage: Storage, store: Trial["store"], run: string, options: TrialOptions) {
    this.storage = wrapped(storage, { put: (key, body, putOptions) => this.#put(storage, key, body, putOptions) });
    this.#store = store;
    this.#run = run;
    this.options = options;
  }

  /** The key of an object that this run makes, and removes in the end. */
  key(name: string): string {
    return probeKey(this.#run, name);
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

  /** Removes what was made; resolves to the keys of what is there, or may be, and cannot be removed. */
  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    for (const key of this.#stored) {
      const isGone = await this.storage
        .remove(key, this.options)
        .catch(async () => {
          if ((await this.storage.stat(key, this.options)) !== undefined) throw new Error("it is there");
        })
        .then(
          () => true,
          () => false,
        );
      this.options.signal.throwIfAborted();
      if (!isGone) left.push(key);
    }
    return left;
  }

  /** Keys of what it has made and the store lists. */
  async listed(): Promise<string[]> {
    return (await Array.fromAsync(this.storage.list(this.prefix(), this.options))).map(({ key }) => key);
  }

  async #put(storage: Storage, key: string, body: ByteStream, options: PutOptions): Promise<ObjectInfo> {
    try {
      const info = await storage.put(key, body, options);
      this.#stored.add(key);
      return info;
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || !SURELY_REFUSED.includes(error.code)) this.#stored.add(key);
      throw error;
    }
  }
}

export function works(detail: string): Outcome {
  return { outcome: "works", detail };
}

export function fails(detail: string): Outcome {
  return { outcome: "fails", detail };
}
