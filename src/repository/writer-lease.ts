// <cluster>/writer.json: the one process that may record, prune, compact and collect garbage. docs/repository-format.md, "Writer lease".
// 1. Whoever replaces the file by compare-and-swap where it is free, given back or expired holds the lease, in an epoch of its own.
// 2. The holder replaces it again three times per expiry. Whether it has expired is counted by the store's clock from the file's own time; where the
//    store has no clock, by watching for so long that it does not change: no clock but that of one process is trusted then.
// 3. Right before it publishes or deletes, the holder renews once more: a process that slept past its lease finds out there, and never publishes over another.
import type { z } from "zod";
import { streamOf } from "../bytes/stream.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { requireConditions } from "./conditions.ts";
import { type DocumentKind, encodeDocument, readDocument } from "./document.ts";
import { beat, type Heartbeat, InTurn } from "./heartbeat.ts";
import { randomId, writerLeaseKey } from "./names.ts";
import type { Author, Repository } from "./repository.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";
import { writerLeaseSchema } from "./schemas/writer-lease.ts";

type LeaseFile = z.infer<typeof writerLeaseSchema>;
type LeaseRuntime = Pick<Runtime, "now" | "monotonicMs" | "sleep" | "randomBytes" | "log">;

/** Disposing of it gives it back, and takes until it would expire at most. */
export interface WriterLease extends AsyncDisposable {
  /** One more each time the lease changes hands. */
  readonly epoch: bigint;
  /** When the file was last written, as the store counts time. */
  readonly storeTime: Date;
  /** Aborted with WRITER_LEASE_LOST once the lease is another's, or could not be renewed in time. */
  readonly signal: AbortSignal;
  /** Renews the lease, to be called right before anything is published or deleted. Throws WRITER_LEASE_LOST, also once it is being given back. */
  requireHeld(options: CallOptions): Promise<void>;
  /** Gives it back for whoever cannot wait that long. Where that fails, it is said, and the lease expires by itself. */
  release(options: CallOptions): Promise<void>;
}

export interface LeaseRequest {
  readonly cluster: string;
  /** For whoever finds it taken: "prune", "gc". */
  readonly purpose: string;
  readonly author: Author;
  readonly expiresAfterSeconds: number;
}

/** Another holds the lease. */
export class WriterLockedError extends EtcdsafeError {
  readonly holder: { readonly host: string; readonly pid: number; readonly since: string };

  constructor(message: string, { holder: { host, pid }, acquiredAt: since }: Pick<LeaseFile, "holder" | "acquiredAt">) {
    super("WRITER_LOCKED", message);
    this.holder = { host, pid, since };
  }
}

const WRITER_LEASE: DocumentKind<typeof writerLeaseSchema> = {
  schema: writerLeaseSchema,
  label: "writer lease",
  invalid: "REPOSITORY_INVALID",
  wayOut: "Remove it when no etcdsafe is recording, pruning or compacting there: the next one writes it anew.",
};
const RENEWALS_PER_EXPIRY = 3;
const WATCH_POLL_MS = 1000;

/**
 * Takes the lease, which disposing of it gives back. Throws WRITER_LOCKED, with who holds it and since when; CONFIG_INVALID where the store ignores
 * conditions, so that nobody could hold it.
 */
export async function takeWriterLease(
  repository: Repository,
  request: LeaseRequest,
  options: CallOptions & { readonly runtime: LeaseRuntime },
): Promise<WriterLease> {
  requireConditions(repository, request.purpose);
  const { storage } = repository;
  const key = writerLeaseKey(request.cluster);
  const found = await readLease(storage, key, options);
  if (found !== undefined && (await isHeld(storage, key, found, options))) throw lockedBy(found.file, request.cluster, storage.location);
  const { runtime } = options;
  const at = runtime.now().toISOString();
  const file: LeaseFile = {
    format: FORMAT_VERSION,
    requires: [],
    tool: request.author.tool,
    cluster: request.cluster,
    holder: { id: randomId(runtime.randomBytes), ...request.author.writer, purpose: request.purpose },
    epoch: (BigInt(found?.file.epoch ?? 0) + 1n).toString(),
    acquiredAt: at,
    heartbeatAt: at,
    expiresAfterSeconds: request.expiresAfterSeconds,
    releasedAt: null,
  };
  const lease = new HeldLease(storage, key, file, runtime);
  try {
    await lease.take(found?.info.version, options);
  } catch (error) {
    if (!hasCode(error, "STORAGE_CONFLICT")) throw error;
    // Two came at the same time.
    const other = await readLease(storage, key, options);
    if (other === undefined) throw error;
    throw lockedBy(other.file, request.cluster, storage.location);
  }
  return lease;
}

class HeldLease implements WriterLease {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #file: LeaseFile;
  readonly #runtime: LeaseRuntime;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  #info: ObjectInfo | undefined;
  /** Monotonic time at which the last renewal that succeeded was begun. */
  #renewedMs = 0;
  readonly #turns = new InTurn();
  #beating: Promise<void> = Promise.resolve();

  constructor(storage: Storage, key: string, file: LeaseFile, runtime: LeaseRuntime) {
    this.#storage = storage;
    this.#key = key;
    this.#file = file;
    this.#runtime = runtime;
  }

  get epoch(): bigint {
    return BigInt(this.#file.epoch);
  }

  get storeTime(): Date {
    return this.#info!.modifiedAt;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async take(version: string | undefined, options: CallOptions): Promise<void> {
    await this.#put(this.#file, version, options);
    this.#beating = this.#beat();
  }

  async requireHeld(options: CallOptions): Promise<void> {
    await this.#renew(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release({ signal: AbortSignal.timeout(this.#file.expiresAfterSeconds * 1000) });
  }

  async release(options: CallOptions): Promise<void> {
    this.#stopped.abort(new EtcdsafeError("WRITER_LEASE_LOST", `the writer lease ${this.#key} was given back`));
    await this.#beating;
    await this.#giveBack(options).catch((error: Error) => {
      if (this.#lost.signal.aborted) return;
      this.#runtime.log({ level: "warn", message: `${this.#key} could not be given back, and expires by itself: ${error.message}` });
    });
  }

  async #giveBack(options: CallOptions): Promise<void> {
    this.#lost.signal.throwIfAborted();
    const now = this.#runtime.now().toISOString();
    const released = { ...this.#file, heartbeatAt: now, releasedAt: now };
    try {
      await this.#put(released, this.#info!.version, options);
    } catch (error) {
      if (!hasCode(error, "STORAGE_CONFLICT")) throw error;
      // A renewal that was told to stop may have been carried out by the store nevertheless.
      await this.#afterConflict(options);
      this.#lost.signal.throwIfAborted();
      await this.#put(released, this.#info!.version, options);
    }
  }

  /** Renews until stopped. A renewal that fails is tried again until the lease must be taken for expired. */
  async #beat(): Promise<void> {
    const lost = this.#lost.signal;
    const heartbeat: Heartbeat = {
      everyMs: (this.#file.expiresAfterSeconds * 1000) / RENEWALS_PER_EXPIRY,
      stopped: this.#stopped.signal,
      lost,
      renew: (options) => this.#renew(options),
      failed: ({ message }) => lost.aborted || this.#runtime.log({ level: "warn", message: `${this.#key} could not be renewed: ${message}` }),
    };
    await beat(heartbeat, this.#runtime);
  }

  async #renew(options: CallOptions): Promise<void> {
    return this.#turns.run(() => this.#renewOnce(options));
  }

  async #renewOnce(options: CallOptions): Promise<void> {
    this.#requireKept();
    try {
      await this.#put({ ...this.#file, heartbeatAt: this.#runtime.now().toISOString() }, this.#info!.version, options);
    } catch (error) {
      if (hasCode(error, "STORAGE_CONFLICT")) await this.#afterConflict(options);
      else if (this.#runtime.monotonicMs() - this.#renewedMs < this.#file.expiresAfterSeconds * 1000) throw error;
      else this.#lose(`it could not be renewed in time: ${(error as Error).message}`);
    }
    this.#requireKept();
  }

  /** A renewal would take back what was given back. */
  #requireKept(): void {
    this.#lost.signal.throwIfAborted();
    this.#stopped.signal.throwIfAborted();
  }

  /** It is another's now; or it is our own renewal, of which the answer was lost. */
  async #afterConflict(options: CallOptions): Promise<void> {
    const found = await readLease(this.#storage, this.#key, options);
    if (found?.file.holder.id === this.#file.holder.id) this.#info = found.info;
    else this.#lose(found === undefined ? "its file is gone" : `${whoHolds(found.file)} has it now`);
  }

  #lose(why: string): void {
    const message = `the writer lease ${this.#key} was lost: ${why}`;
    this.#lost.abort(new EtcdsafeError("WRITER_LEASE_LOST", message));
  }

  async #put(file: LeaseFile, version: string | undefined, { signal }: CallOptions): Promise<void> {
    const begunMs = this.#runtime.monotonicMs();
    const body = streamOf(encodeDocument(WRITER_LEASE, this.#key, file));
    this.#info = await this.#storage.put(this.#key, body, { signal, ...(version === undefined ? { ifAbsent: true } : { ifVersion: version }) });
    this.#renewedMs = begunMs;
  }
}

interface FoundLease {
  readonly file: LeaseFile;
  readonly info: ObjectInfo;
}

/** The version is read before the content: an older one only fails the compare-and-swap. */
async function readLease(storage: Storage, key: string, options: CallOptions): Promise<FoundLease | undefined> {
  const info = await storage.stat(key, options);
  if (info === undefined) return undefined;
  try {
    return { info, file: await readDocument(storage, WRITER_LEASE, key, options) };
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function isHeld(storage: Storage, key: string, { file, info }: FoundLease, options: CallOptions & { readonly runtime: LeaseRuntime }): Promise<boolean> {
  if (file.releasedAt !== null) return false;
  const limitMs = file.expiresAfterSeconds * 1000;
  if (storage.clock !== undefined) {
    const { time, uncertaintyMs } = await storage.clock.now(options);
    return time.getTime() - info.modifiedAt.getTime() <= limitMs + uncertaintyMs;
  }
  const { runtime, signal } = options;
  runtime.log({ level: "info", message: `${whoHolds(file)} may have ended: waiting ${file.expiresAfterSeconds} s to see whether it renews ${key}` });
  const startedMs = runtime.monotonicMs();
  while (runtime.monotonicMs() - startedMs <= limitMs) {
    await runtime.sleep(Math.min(WATCH_POLL_MS, limitMs / RENEWALS_PER_EXPIRY), signal);
    if ((await storage.stat(key, options))?.version !== info.version) return true;
  }
  return false;
}

function lockedBy(file: LeaseFile, cluster: string, location: string): WriterLockedError {
  return new WriterLockedError(`${whoHolds(file)} is writing to ${cluster} of ${location} since ${file.acquiredAt}`, file);
}

function whoHolds({ holder }: LeaseFile): string {
  return `${holder.purpose} on ${holder.host} (process ${holder.pid})`;
}
