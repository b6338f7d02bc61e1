// What agents live in, in memory and with a clock of its own: the lease with its expiry, what the repository holds, runs that take their time. Every
// run that breaks a promise throws, in the run itself, and in whoever asks for `faults`.
import { setImmediate } from "node:timers/promises";
import { Agent, type AgentSettings } from "../../src/agent/agent.ts";
import type { AgentCatalogue } from "../../src/agent/catalogue-reading.ts";
import { parseSchedule } from "../../src/agent/schedule.ts";
import { TASK_KINDS, type TaskKind } from "../../src/agent/status.ts";
import type { RunEnd } from "../../src/agent/task.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { type WriterLease, WriterLockedError } from "../../src/repository/writer-lease.ts";
import type { CallOptions, LogEvent, Progress } from "../../src/runtime.ts";

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** A clock that stands still until it is told to go on, and those who sleep by it. */
export class FakeTime {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  constructor(start: string) {
    this.#wallOffsetMs = Date.parse(start);
  }

  readonly monotonicMs = () => this.#monotonicMs;
  readonly now = () => new Date(this.#wallOffsetMs + this.#monotonicMs);

  readonly sleep = async (delayMs: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      const sleeper = { atMs: this.#monotonicMs + delayMs, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", abort, { once: true });
    });
  };

  /** The host's clock is set. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  async advance(byMs: number): Promise<void> {
    const untilMs = this.#monotonicMs + byMs;
    for (;;) {
      await setImmediate();
      const next = [...this.#sleepers].reduce<number>((least, { atMs }) => Math.min(least, atMs), Number.POSITIVE_INFINITY);
      if (next > untilMs) break;
      this.#monotonicMs = Math.max(this.#monotonicMs, next);
      for (const sleeper of [...this.#sleepers].filter(({ atMs }) => atMs <= next)) {
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
    }
    this.#monotonicMs = untilMs;
    await setImmediate();
  }
}

export interface FakeRun {
  readonly agent: string;
  readonly kind: TaskKind;
  readonly beganAt: string;
  readonly beganMs: number;
  readonly epoch: bigint;
  readonly isDeaf: boolean;
  end: "running" | "done" | "dropped" | "failed";
  endedMs: number | null;
}

export interface Behaviour {
  readonly takesMs: number;
  /** Undefined: it does what it should. */
  readonly failure?: RunEnd["failure"];
  /** It does not listen when it is told to stop. */
  readonly isDeaf?: boolean;
}

const EXPIRES_AFTER_MS = 30 * SECOND_MS;

export class FakeWorld {
  readonly time: FakeTime;
  readonly runs: FakeRun[] = [];
  readonly logged: (LogEvent & { readonly agent: string })[] = [];
  readonly faults: string[] = [];
  /** What the repository tells: when each was done. */
  readonly begun: Record<TaskKind, Date[]> = { save: [], verify: [], prune: [] };
  isReachable = true;
  readsCatalogue = true;
  catalogueTakesMs = 0;
  catalogueReads = 0;
  behaviour: (kind: TaskKind) => Behaviour = () => ({ takesMs: 10 * SECOND_MS });
  #holder: FakeLease | undefined;
  #epoch = 0n;
  #ids = 0;

  constructor(start: string) {
    this.time = new FakeTime(start);
  }

  get holder(): FakeLease | undefined {
    return this.#holder !== undefined && this.#holder.expiresMs > this.time.monotonicMs() ? this.#holder : undefined;
  }

  advance(byMs: number): Promise<void> {
    return this.time.advance(byMs);
  }

  begunBy(kind: TaskKind): string[] {
    return this.runs.filter((run) => run.kind === kind).map(({ beganAt }) => beganAt.slice(11, 19));
  }

  messages(agent: string): string[] {
    return this.logged.filter((event) => event.agent === agent).map(({ level, message }) => `${level}: ${message}`);
  }

  start(name: string, schedules: Partial<Record<TaskKind, string>>): FakeAgent {
    return new FakeAgent(this, name, schedules);
  }

  newId(): string {
    return `job-${++this.#ids}`;
  }

  /** What whoever asks for the lease has to wait for, deaf to everything. */
  storeHangs: Promise<void> | undefined;

  take(agent: FakeAgent): WriterLease {
    if (!this.isReachable) throw new EtcdsafeError("STORAGE_UNREACHABLE", "the store does not answer");
    const { holder } = this;
    if (holder !== undefined) throw new WriterLockedError(`agent on ${holder.agent.name} is writing`, holder.file);
    this.#holder = new FakeLease(this, agent, ++this.#epoch);
    return this.#holder;
  }

  givenBack(lease: FakeLease): void {
    if (this.#holder === lease) this.#holder = undefined;
  }

  async readCatalogue({ signal }: CallOptions): Promise<AgentCatalogue> {
    this.catalogueReads++;
    if (this.catalogueTakesMs > 0) await this.time.sleep(this.catalogueTakesMs, signal);
    if (!this.isReachable || !this.readsCatalogue) throw new EtcdsafeError("STORAGE_UNREACHABLE", "the store does not answer");
    const now = this.time.now();
    const newest = (kind: TaskKind) => {
      const times = this.begun[kind].filter((time) => time <= now);
      return times.length === 0 ? null : new Date(Math.max(...times.map(Number)));
    };
    const saves = this.begun.save.map((time) => time.toISOString()).toSorted();
    const single = saves.length === 0 ? null : { count: saves.length, from: saves[0]!, to: saves.at(-1)! };
    const status = { readAt: now.toISOString(), backups: [], total: saves.length, points: { windows: [], gaps: [], single }, failed: [] };
    const lastBegun = { save: newest("save"), verify: newest("verify"), prune: newest("prune") };
    return { status, lastBegun, newestBackupAt: lastBegun.save };
  }

  async run(
    agent: FakeAgent,
    kind: TaskKind,
    lease: FakeLease,
    { signal, onProgress }: CallOptions & { onProgress: (report: Progress) => void },
  ): Promise<RunEnd> {
    if (this.holder !== lease || lease.signal.aborted) this.faults.push(`${agent.name} begins ${kind} without the lease`);
    if (signal.aborted) this.faults.push(`${agent.name} begins ${kind} that is to stop already`);
    const { takesMs, failure = null, isDeaf = false } = this.behaviour(kind);
    const beganAt = this.time.now();
    const run: FakeRun = {
      ...{ agent: agent.name, kind, beganAt: beganAt.toISOString(), beganMs: this.time.monotonicMs(), epoch: lease.epoch },
      ...{ isDeaf, end: "running", endedMs: null },
    };
    // Another agent's that does not listen is kept from publishing by its lease, which is lost.
    const overlaps = (each: FakeRun) => each.kind === kind && each.end === "running" && (each.agent === run.agent || !each.isDeaf);
    if (this.runs.some(overlaps)) this.faults.push(`two runs of ${kind} at once`);
    this.runs.push(run);
    const ended = (end: FakeRun["end"], failure: RunEnd["failure"]): RunEnd => {
      [run.end, run.endedMs] = [end, this.time.monotonicMs()];
      return { failure, lines: [`${kind} ${end}`] };
    };
    onProgress({ step: kind, doneBytes: 1, totalBytes: 2 });
    try {
      await this.time.sleep(takesMs, isDeaf ? new AbortController().signal : signal);
    } catch {
      const { code, message } = signal.reason as EtcdsafeError;
      return ended("dropped", { reason: code === "INTERRUPTED" ? "interrupted" : "locked", message, hint: "" });
    }
    if (failure !== null) return ended("failed", failure);
    this.begun[kind].push(beganAt);
    return ended("done", null);
  }
}

class FakeLease implements WriterLease {
  readonly epoch: bigint;
  readonly agent: FakeAgent;
  expiresMs: number;
  /** Its process is gone. */
  isGone = false;
  givesBack: () => Promise<void> = async () => undefined;
  readonly file: ConstructorParameters<typeof WriterLockedError>[1];
  readonly #world: FakeWorld;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();

  constructor(world: FakeWorld, agent: FakeAgent, epoch: bigint) {
    this.#world = world;
    this.agent = agent;
    this.epoch = epoch;
    this.expiresMs = world.time.monotonicMs() + EXPIRES_AFTER_MS;
    this.file = { holder: { id: "x", host: agent.name, pid: 7, purpose: "agent" }, acquiredAt: this.storeTime.toISOString() };
    void this.#beat();
  }

  get storeTime(): Date {
    return this.#world.time.now();
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  async requireHeld(): Promise<void> {
    this.#lost.signal.throwIfAborted();
  }

  lose(): void {
    this.#world.givenBack(this);
    this.#lost.abort(new EtcdsafeError("WRITER_LEASE_LOST", "the writer lease was lost"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async release(): Promise<void> {
    this.#stopped.abort();
    if (this.isGone) return;
    await this.givesBack();
    this.#world.givenBack(this);
  }

  async #beat(): Promise<void> {
    const { time } = this.#world;
    while (!this.#stopped.signal.aborted && !this.#lost.signal.aborted) {
      const slept = await time.sleep(EXPIRES_AFTER_MS / 3, AbortSignal.any([this.#stopped.signal, this.#lost.signal])).then(
        () => true,
        () => false,
      );
      if (!slept || this.isGone) return;
      if (this.#world.isReachable) this.expiresMs = time.monotonicMs() + EXPIRES_AFTER_MS;
      else if (time.monotonicMs() >= this.expiresMs) this.lose();
    }
  }
}

export class FakeAgent {
  readonly name: string;
  readonly agent: Agent;
  settings: AgentSettings;
  /** Whether `run` has come to its end. */
  isOver = false;
  readonly #stop = new AbortController();
  readonly #world: FakeWorld;

  constructor(world: FakeWorld, name: string, schedules: Partial<Record<TaskKind, string>>) {
    this.name = name;
    this.#world = world;
    this.settings = settingsOf(schedules);
    const { now, monotonicMs, sleep } = world.time;
    this.agent = new Agent(
      { version: "1.2.3", host: name, pid: 7 },
      {
        runtime: { now, monotonicMs, sleep, log: (event) => void world.logged.push({ ...event, agent: name }), randomId: () => world.newId() },
        settings: () => this.settings,
        takeLease: async () => {
          if (world.storeHangs !== undefined) await world.storeHangs;
          return world.take(this);
        },
        run: (kind, options) => world.run(this, kind, options.lease as FakeLease, options),
        readCatalogue: (options) => world.readCatalogue(options),
      },
    );
    void this.agent.run(this.#stop.signal).then(() => {
      this.isOver = true;
    });
  }

  configure(schedules: Partial<Record<TaskKind, string>>): void {
    this.settings = settingsOf(schedules);
    this.agent.configured();
  }

  stop(): void {
    this.#stop.abort(new EtcdsafeError("INTERRUPTED", "stopped by SIGTERM"));
  }

  /** Its process ends without a word: what it holds expires. */
  vanish(): void {
    const { holder } = this.#world;
    if (holder?.agent === this) holder.isGone = true;
    this.stop();
  }

  task(kind: TaskKind) {
    return this.agent.status().tasks.find((task) => task.kind === kind)!;
  }
}

function settingsOf(schedules: Partial<Record<TaskKind, string>>): AgentSettings {
  const parsed = TASK_KINDS.map((kind) => [kind, schedules[kind] === undefined ? null : parseSchedule(`--${kind}-schedule`, schedules[kind], "UTC")]);
  return { cluster: "prod", repositories: ["/r"], schedules: Object.fromEntries(parsed), timezone: "UTC" };
}
