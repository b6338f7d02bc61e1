// An upload marker in the hands of its holder. docs/repository-format.md, "Uploads", says why nothing that is published can be lost this way.
// 1. Whoever creates the marker, or replaces a dead one by compare-and-swap, holds it, until another has replaced it. Each renewal names the version before.
// 2. Who publishes renews it right before the manifest is created, and looks right after whether it is untouched.
// 3. Who removes objects says so in it first, which keeps others away for an hour, and then looks for a manifest.
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { honoursConditions } from "./conditions.ts";
import { beat, type Heartbeat, InTurn } from "./heartbeat.ts";
import { manifestKey, randomId, uploadKey } from "./names.ts";
import type { Author, Repository } from "./repository.ts";
import { encodeMarker, type FoundUpload, HEARTBEAT_SECONDS, readUploadMarker, type Upload, writerOf } from "./upload-marker.ts";

export type MarkerRuntime = Pick<Runtime, "now" | "monotonicMs" | "sleep" | "randomBytes" | "log">;

export interface UploadMarker {
  /** Aborted with WRITER_LEASE_LOST once the marker is another's, or gone. */
  readonly lost: AbortSignal;
  /** Renews it. Throws WRITER_LEASE_LOST. */
  requireHeld(options: CallOptions): Promise<void>;
  /** Looks whether anybody else had it since it was renewed. Throws WRITER_LEASE_LOST. */
  requireUntouched(options: CallOptions): Promise<void>;
  /**
   * Removes objects of the backup, while nobody else may write there. Gives false, with nothing done, where a manifest is there: then they are a backup. Throws WRITER_LEASE_LOST, and STORAGE_CONFLICT where the store would not keep others away.
   */
  removeObjects(keys: readonly string[], options: CallOptions): Promise<boolean>;
  /** Promises heartbeats again, after what was to be removed is. */
  goOn(options: CallOptions): Promise<void>;
  /** Ends the heartbeat and leaves the marker to grow old. */
  stop(): Promise<void>;
  /** Ends the heartbeat and removes the marker. To be called by who holds it, or has published. */
  remove(options: CallOptions): Promise<void>;
}

export interface MarkerRequest extends Pick<Upload, "cluster" | "backup" | "action"> {
  readonly author: Author;
  /** The version of the one that a dead writer has left. */
  readonly replacing?: string | undefined;
}

type MarkerOptions = CallOptions & { readonly runtime: MarkerRuntime };

/** Three of these are an hour. A removal that was asked for within the limit below takes effect before that is over, or never. */
const REMOVAL_HEARTBEAT_SECONDS = 1200;
/** How old a renewal may be when a removal is asked for, and how long that may take. */
const REMOVAL_LIMIT_MS = 10 * 60_000;
const RENEWAL_TRIES_MAX = 5;

/** Places the marker and keeps it fresh until it is removed or stopped. Throws STORAGE_CONFLICT where another is there. */
export async function placeUploadMarker(repository: Repository, request: MarkerRequest, options: MarkerOptions): Promise<UploadMarker> {
  const marker = new HeldMarker(repository, request, HEARTBEAT_SECONDS, options.runtime);
  await marker.place(request.replacing, options);
  marker.beat();
  return marker;
}

/** Places one that says that objects are removed, and is not renewed by itself. Throws STORAGE_CONFLICT where another is there. */
export async function claimForRemoval(repository: Repository, request: MarkerRequest, options: MarkerOptions): Promise<UploadMarker> {
  const marker = new HeldMarker(repository, request, REMOVAL_HEARTBEAT_SECONDS, options.runtime);
  await marker.place(request.replacing, options);
  return marker;
}

/** Times by both clocks: one stands still while the host is suspended, the other one is set. */
interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

class HeldMarker implements UploadMarker {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #request: MarkerRequest;
  readonly #runtime: MarkerRuntime;
  readonly #holder: string;
  readonly #startedAt: string;
  /** Where the store ignores conditions, reading it is all that tells whose the marker is. */
  readonly #isFenced: boolean;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  #heartbeatSeconds: number;
  #version = "";
  #renewed: Moment = { monotonicMs: Number.NEGATIVE_INFINITY, wallMs: 0 };
  readonly #turns = new InTurn();
  #beating: Promise<void> = Promise.resolve();

  constructor(repository: Repository, request: MarkerRequest, heartbeatSeconds: number, runtime: MarkerRuntime) {
    this.#storage = repository.storage;
    this.#key = uploadKey(request.cluster, request.backup);
    this.#request = request;
    this.#runtime = runtime;
    this.#holder = randomId(runtime.randomBytes);
    this.#startedAt = runtime.now().toISOString();
    this.#isFenced = honoursConditions(repository);
    this.#heartbeatSeconds = heartbeatSeconds;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async place(replacing: string | undefined, options: CallOptions): Promise<void> {
    await this.#put(this.#heartbeatSeconds, replacing === undefined ? { ifAbsent: true } : { ifVersion: replacing }, options);
  }

  beat(): void {
    const heartbeat: Heartbeat = {
      everyMs: HEARTBEAT_SECONDS * 1000,
      stopped: this.#stopped.signal,
      lost: this.#lost.signal,
      renew: (options) => this.#renew(this.#heartbeatSeconds, options),
      failed: ({ message }) => this.#runtime.log({ level: "warn", message: `the heartbeat of ${this.#key} failed: ${message}` }),
    };
    this.#beating = beat(heartbeat, this.#runtime);
  }

  async requireHeld(options: CallOptions): Promise<void> {
    await this.#renew(this.#heartbeatSeconds, options);
  }

  async requireUntouched(options: CallOptions): Promise<void> {
    await this.#turns.run(async () => {
      const present = this.#isFenced ? await this.#storage.stat(this.#key, options) : undefined;
      if (present?.version !== this.#version) await this.#requireOurs(options);
    });
  }

  async removeObjects(keys: readonly string[], options: CallOptions): Promise<boolean> {
    const { cluster, backup, action } = this.#request;
    // Of a save nobody else has the id; a copy's is also that of the next copy.
    if (!this.#isFenced && action === "copy") throw this.#unfenced();
    await this.#keepOthersAway(options);
    if ((await this.#storage.stat(manifestKey(cluster, backup), options)) !== undefined) return false;
    try {
      for (const key of keys) {
        await this.#keepOthersAway(options);
        const signal = AbortSignal.any([options.signal, this.#lost.signal, AbortSignal.timeout(REMOVAL_LIMIT_MS)]);
        await this.#storage.remove(key, { signal });
      }
    } catch (error) {
      // What was refused will not take effect later.
      if (hasCode(error, "STORAGE_DENIED")) await this.goOn(options).catch(() => undefined);
      throw error;
    }
    return true;
  }

  async goOn(options: CallOptions): Promise<void> {
    await this.#renew(HEARTBEAT_SECONDS, options);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#beating;
  }

  async remove(options: CallOptions): Promise<void> {
    await this.stop();
    await this.#storage.remove(this.#key, options);
  }

  async #keepOthersAway(options: CallOptions): Promise<void> {
    this.#lost.signal.throwIfAborted();
    if (this.#heartbeatSeconds === REMOVAL_HEARTBEAT_SECONDS && sinceMs(this.#renewed, this.#now()) <= REMOVAL_LIMIT_MS) return;
    await this.#renew(REMOVAL_HEARTBEAT_SECONDS, options);
  }

  #renew(heartbeatSeconds: number, options: CallOptions): Promise<void> {
    return this.#turns.run(async () => {
      for (let tries = 1; ; tries++) {
        this.#lost.signal.throwIfAborted();
        if (!this.#isFenced) await this.#requireOurs(options);
        try {
          return await this.#put(heartbeatSeconds, { ifVersion: this.#version }, options);
        } catch (error) {
          if (!hasCode(error, "STORAGE_CONFLICT") || tries === RENEWAL_TRIES_MAX) throw error;
          await this.#requireOurs(options);
        }
      }
    });
  }

  /** It is another's now; or what is there is our own, of a renewal whose answer was lost. */
  async #requireOurs(options: CallOptions): Promise<void> {
    const found = await readUploadMarker(this.#storage, this.#key, options);
    if (found?.upload?.holder === this.#holder) {
      this.#version = found.version;
      return;
    }
    this.#lost.abort(new EtcdsafeError("WRITER_LEASE_LOST", `the upload marker ${this.#key} was lost: ${whoHas(found)}`));
    this.#lost.signal.throwIfAborted();
  }

  async #put(heartbeatSeconds: number, condition: { readonly ifAbsent: true } | { readonly ifVersion: string }, { signal }: CallOptions): Promise<void> {
    const { cluster, backup, action, author } = this.#request;
    const begun = this.#now();
    const heartbeatAt = this.#runtime.now().toISOString();
    const marker = { cluster, backup, action, holder: this.#holder, startedAt: this.#startedAt, heartbeatAt, heartbeatSeconds };
    const { version } = await this.#storage.put(this.#key, streamOf(encodeMarker(this.#key, author, marker)), { signal, ...condition });
    this.#version = version;
    this.#heartbeatSeconds = heartbeatSeconds;
    this.#renewed = begun;
  }

  #now(): Moment {
    return { monotonicMs: this.#runtime.monotonicMs(), wallMs: this.#runtime.now().getTime() };
  }

  #unfenced(): EtcdsafeError {
    const { location } = this.#storage;
    const message = `what is left of ${this.#request.backup} is not removed: ${location} does not refuse to overwrite, so it may be another copy's by now`;
    return new EtcdsafeError("STORAGE_CONFLICT", message, { hint: "Remove it by hand when nothing else writes there, or copy again." });
  }
}

/** The longer of both. */
function sinceMs(from: Moment, to: Moment): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs);
}

function whoHas(found: FoundUpload | undefined): string {
  if (found === undefined) return "it is gone";
  const { upload } = found;
  return upload === null ? "somebody else has replaced it" : `${writerOf(upload)} has it now`;
}
