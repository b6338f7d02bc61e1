// The process that does what is scheduled for one cluster, as long as it holds the cluster's writer lease; without it, it waits to take over.
// Nothing here knows how a backup is saved or verified: that, the lease and the catalogue are effects.
import { EtcdsafeError } from "../errors.ts";
import type { FailureReason } from "../metrics/reasons.ts";
import { type WriterLease, WriterLockedError } from "../repository/writer-lease.ts";
import type { CallOptions, Progress, Runtime } from "../runtime.ts";
import { orAborted } from "../storage/or-aborted.ts";
import { type AgentCatalogue, CatalogueReading } from "./catalogue-reading.ts";
import { expectedError } from "./expected-error.ts";
import { Fitness, type Unfitness } from "./fitness.ts";
import { recoveryStatus } from "./recovery.ts";
import type { Schedule } from "./schedule.ts";
import { type AgentStatus, type Job, type LeaseStatus, TASK_KINDS, type TaskKind } from "./status.ts";
import { type RunEnd, Task } from "./task.ts";

/** What the configuration says, as it is now. */
export interface AgentSettings {
  readonly cluster: string;
  readonly repositories: readonly string[];
  /** Null: only when somebody asks. */
  readonly schedules: Readonly<Record<TaskKind, Schedule | null>>;
  readonly timezone: string;
}

export interface RunOptions extends CallOptions {
  readonly lease: WriterLease;
  readonly onProgress: (report: Progress) => void;
  /** By somebody, not by a schedule. */
  readonly isAsked: boolean;
}

export interface AgentEffects {
  readonly runtime: Pick<Runtime, "now" | "monotonicMs" | "sleep" | "log"> & { randomId(): string };
  readonly settings: () => AgentSettings;
  /** Throws WRITER_LOCKED where another holds it, CLUSTER_MISMATCH where the name is another cluster's, and whatever keeps the repository from being reached. */
  takeLease(options: CallOptions): Promise<WriterLease>;
  /** Does it once, and tells whom it is to be told; never rejects. */
  run(kind: TaskKind, options: RunOptions): Promise<RunEnd>;
  readCatalogue(options: CallOptions): Promise<AgentCatalogue>;
}

/** Who the agent is. */
export type AgentIdentity = Pick<AgentStatus, "version" | "host" | "pid">;

const STANDBY_POLL_MS = 10_000;
/** Clocks jump and hosts are suspended, so that nobody sleeps until a time that is far away. */
const TICK_MS = 5_000;
/** A repository of which nobody can tell what it holds is still written to. */
const UNREAD_LIMIT_MS = 60_000;
/** What runs may come to its end for so long when the agent is stopped; then it is told to drop what it does, and has so long for that; then the lease is given back, for so long, and nobody waits longer for a store that hangs and does not listen. */
const FINISH_LIMIT_MS = 3_000;
const DROP_LIMIT_MS = 2_000;
const GIVE_BACK_LIMIT_MS = 1_500;
const DEAF_LIMIT_MS = 500;

export class Agent {
  readonly #identity: AgentIdentity;
  readonly #effects: AgentEffects;
  readonly #startedAt: Date;
  readonly #tasks: ReadonlyMap<TaskKind, Task>;
  #lease: WriterLease | undefined;
  /** Of what runs under that lease. */
  #dropJobs = new AbortController();
  #leaseStatus: LeaseStatus = { holder: null, error: null };
  readonly #catalogue: CatalogueReading;
  readonly #fitness = new Fitness();
  /** Whether what others did before this agent held the lease is known. Under it nobody else does what is scheduled. */
  #hasLearnt = false;
  #configuration: AgentStatus["configuration"];
  readonly #wakeUps = new Set<() => void>();

  constructor(identity: AgentIdentity, effects: AgentEffects) {
    this.#identity = identity;
    this.#effects = effects;
    this.#startedAt = effects.runtime.now();
    // Of a cluster that nobody has saved yet, a backup is overdue; nothing else is.
    this.#tasks = new Map(TASK_KINDS.map((kind) => [kind, new Task(kind, kind === "save" ? new Date(0) : this.#startedAt)]));
    this.#catalogue = new CatalogueReading({
      runtime: effects.runtime,
      readCatalogue: (options) => effects.readCatalogue(options),
      onRead: (lastBegun) => this.#learn(lastBegun),
    });
    this.#configuration = { loadedAt: this.#startedAt.toISOString(), refused: null };
  }

  /** Until `signal` is aborted: then what runs is finished or dropped, and the lease given back. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const lease = await this.#elected(signal);
      if (lease === undefined) continue;
      try {
        await this.#write(lease, signal);
      } finally {
        this.#lease = undefined;
        await this.#finishJobs(lease);
        await this.#giveBack(lease);
      }
      // A lease that is always lost at once would be taken without end.
      await this.#sleep(TICK_MS, signal);
    }
  }

  /** The configuration is another one: something may be to be done earlier than it was thought. */
  configured(): void {
    this.#configuration = { ...this.#configuration, loadedAt: this.#effects.runtime.now().toISOString() };
    this.#fitness.endAside();
    this.#wake();
  }

  /** What the agent's files hold and is not in force, and why; nothing where all is. */
  refused(messages: readonly string[]): void {
    const message = messages.join("; ");
    const { refused } = this.#configuration;
    const at = refused?.message === message ? refused.at : this.#effects.runtime.now().toISOString();
    this.#configuration = { ...this.#configuration, refused: message === "" ? null : { at, message } };
  }

  status(): AgentStatus {
    const { cluster, repositories, schedules, timezone } = this.#effects.settings();
    const isWriter = this.#lease !== undefined;
    const now = this.#effects.runtime.now();
    const { status: catalogue, unreadable, newestBackupAt } = this.#catalogue;
    return {
      ...this.#identity,
      startedAt: this.#startedAt.toISOString(),
      now: now.toISOString(),
      ...{ cluster, repositories, role: isWriter ? "writer" : "standby", lease: this.#leaseStatus },
      tasks: [...this.#tasks.values()].map((task) => task.status(schedules[task.kind], { timezone, now, isWriter, newestBackupAt })),
      ...{ recovery: recoveryStatus(catalogue, now), catalogue, unreadable, configuration: this.#configuration },
    };
  }

  job(id: string): Job | undefined {
    for (const task of this.#tasks.values()) {
      const job = task.job(id);
      if (job !== undefined) return job;
    }
    return undefined;
  }

  /** Begins it, or gives the run that is under way. Undefined where this agent is not the writer. */
  request(kind: TaskKind): { readonly job: Job; readonly isNew: boolean } | undefined {
    return this.#lease === undefined || this.#lease.signal.aborted ? undefined : this.#begin(kind, this.#lease, true);
  }

  /** The lease, once it was free; undefined where the agent is stopped, or has to wait on. */
  async #elected(signal: AbortSignal): Promise<WriterLease | undefined> {
    const { runtime, takeLease } = this.#effects;
    if (this.#fitness.isAside(runtime.monotonicMs())) return this.#standBy(signal);
    try {
      const lease = await this.#taken(takeLease({ signal }), signal);
      this.#leaseStatus = { holder: { host: this.#identity.host, pid: this.#identity.pid, since: runtime.now().toISOString() }, error: null };
      runtime.log({ level: "info", message: `this agent writes for ${this.#effects.settings().cluster} from now on` });
      return lease;
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#tellStandby(expectedError(error));
      return this.#standBy(signal);
    }
  }

  /** Whoever is stopped waits for no store: a lease that comes after that is given back. */
  async #taken(taking: Promise<WriterLease>, signal: AbortSignal): Promise<WriterLease> {
    try {
      return await orAborted(taking, signal);
    } catch (error) {
      if (signal.aborted) void taking.then((lease) => this.#giveBack(lease)).catch(() => undefined);
      throw error;
    }
  }

  async #standBy(signal: AbortSignal): Promise<undefined> {
    this.#catalogue.begin(signal);
    await this.#sleep(STANDBY_POLL_MS, signal);
  }

  /** Once for each reason: a standby is one for months. */
  #tellStandby(error: EtcdsafeError): void {
    const { code, message } = error;
    const { log } = this.#effects.runtime;
    const { holder: knownHolder, error: knownError } = this.#leaseStatus;
    if (error instanceof WriterLockedError) {
      if (knownHolder === null) log({ level: "info", message: `standing by: ${message}` });
      this.#leaseStatus = { holder: error.holder, error: null };
    } else {
      if (knownError?.code !== code) log({ level: "warn", message: `standing by: ${message}` });
      this.#leaseStatus = { holder: null, error: { code, message } };
    }
  }

  async #write(lease: WriterLease, stop: AbortSignal): Promise<void> {
    this.#lease = lease;
    this.#dropJobs = new AbortController();
    const signal = AbortSignal.any([stop, lease.signal]);
    const { runtime } = this.#effects;
    const heldSinceMs = runtime.monotonicMs();
    this.#hasLearnt = false;
    this.#catalogue.outdated();
    const wasUnfit = this.#fitness.tryAgain();
    // Until it has saved, nobody knows that this is not refused again: the lease is not held until the schedule tells.
    if (wasUnfit?.error.code === "CLUSTER_MISMATCH" && this.#effects.settings().schedules.save !== null) this.#begin("save", lease);
    while (!signal.aborted) {
      const { unfit } = this.#fitness;
      // What else runs comes to its end first.
      if (unfit !== undefined && !this.#isBusy()) {
        this.#standAside(unfit);
        break;
      }
      this.#catalogue.begin(signal);
      const knows = this.#hasLearnt || runtime.monotonicMs() - heldSinceMs >= UNREAD_LIMIT_MS;
      if (knows && unfit === undefined) this.#beginDue(lease);
      await this.#sleep(TICK_MS, signal);
    }
    this.#hasLearnt = false;
    if (!lease.signal.aborted) return;
    const { message } = expectedError(lease.signal.reason);
    this.#leaseStatus = { holder: null, error: { code: "WRITER_LEASE_LOST", message } };
    runtime.log({ level: "error", message: `this agent stands by again: ${message}` });
  }

  #isBusy(): boolean {
    return [...this.#tasks.values()].some(({ isRunning }) => isRunning);
  }

  #standAside(unfit: Unfitness): void {
    const { runtime } = this.#effects;
    const { code, message } = unfit.error;
    this.#fitness.standAside(unfit, runtime.monotonicMs());
    this.#leaseStatus = { holder: null, error: { code, message } };
    runtime.log({ level: "warn", message: `this agent gives the lease back for ${unfit.asideMs / 1000} s: ${message}`, fields: { code } });
  }

  #beginDue(lease: WriterLease): void {
    const now = this.#effects.runtime.now();
    const { schedules } = this.#effects.settings();
    for (const task of this.#tasks.values()) {
      // By its ids, a copy of the cluster may be the cluster: its first save shows that it is not, and until then nothing is removed.
      if (task.kind === "prune" && schedules.save !== null && !this.#fitness.hasSaved) continue;
      const next = task.next(schedules[task.kind], now);
      if (next !== null && next.at <= now) this.#begin(task.kind, lease);
    }
  }

  #begin(kind: TaskKind, lease: WriterLease, isAsked = false): { readonly job: Job; readonly isNew: boolean } {
    const { runtime, run } = this.#effects;
    const signal = AbortSignal.any([lease.signal, this.#dropJobs.signal]);
    const once = async (options: Parameters<Parameters<Task["begin"]>[2]>[0]): Promise<RunEnd> => {
      try {
        const end = await run(kind, { ...options, lease, isAsked });
        if (kind === "save") this.#fitness.noteSave(end);
        return end;
      } catch (error) {
        return { failure: failureOf(error), lines: [] };
      } finally {
        this.#catalogue.outdated();
        this.#wake();
      }
    };
    return this.#tasks.get(kind)!.begin(runtime.randomId(), () => runtime.now(), once, signal);
  }

  async #finishJobs(lease: WriterLease): Promise<void> {
    const over = new AbortController();
    const ended = Promise.all([...this.#tasks.values()].map((task) => task.ended())).finally(() => over.abort());
    const { runtime } = this.#effects;
    if (!lease.signal.aborted) await runtime.sleep(FINISH_LIMIT_MS, over.signal).catch(() => undefined);
    this.#dropJobs.abort(new EtcdsafeError("INTERRUPTED", "the agent is being stopped"));
    await Promise.race([ended, runtime.sleep(DROP_LIMIT_MS, over.signal).catch(() => undefined)]);
  }

  async #giveBack(lease: WriterLease): Promise<void> {
    const [over, late] = [new AbortController(), new AbortController()];
    const { runtime } = this.#effects;
    const limited = async () => {
      await runtime.sleep(GIVE_BACK_LIMIT_MS, over.signal);
      late.abort(new EtcdsafeError("INTERRUPTED", "the store does not answer in time"));
      await runtime.sleep(DEAF_LIMIT_MS, over.signal);
    };
    try {
      await Promise.race([lease.release({ signal: late.signal }), limited().catch(() => undefined)]);
    } catch (error) {
      runtime.log({ level: "warn", message: `the writer lease could not be given back, and expires by itself: ${expectedError(error).message}` });
    } finally {
      over.abort();
    }
  }

  /** From what the repository tells of others, once under each lease: then nobody else does what is scheduled. */
  #learn(lastBegun: AgentCatalogue["lastBegun"]): void {
    if (!this.#hasLearnt) for (const task of this.#tasks.values()) task.learn(lastBegun[task.kind], this.#effects.runtime.now());
    this.#hasLearnt = this.#lease !== undefined;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakeUps) wake();
  }

  /** Or until something has changed. */
  async #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#wakeUps.add(wake);
    await this.#effects.runtime.sleep(delayMs, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
    this.#wakeUps.delete(wake);
  }
}

function failureOf(error: unknown): NonNullable<RunEnd["failure"]> {
  const { message, hint } = expectedError(error);
  const reason: FailureReason = "failure";
  return { reason, message, hint };
}
