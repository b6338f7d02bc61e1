// One kind of work of an agent: one run of it at a time, what became of the last one, and when it comes next.
import type { EtcdsafeError } from "../errors.ts";
import type { FailureReason } from "../metrics/reasons.ts";
import type { CallOptions, Progress } from "../runtime.ts";
import { type NextRun, nextRun } from "./due.ts";
import type { Schedule } from "./schedule.ts";
import type { FinishedJob, Job, RunningJob, TaskKind, TaskStatus } from "./status.ts";

/** What one run came to. */
export interface RunEnd {
  readonly failure: { readonly reason: FailureReason; readonly message: string; readonly hint: string } | null;
  /** For people. */
  readonly lines: readonly string[];
  /** What ended it, where something did. */
  readonly error?: EtcdsafeError | undefined;
}

/** Does it once; never rejects. */
export type RunOnce = (options: CallOptions & { readonly onProgress: (report: Progress) => void }) => Promise<RunEnd>;

interface Running {
  readonly id: string;
  readonly startedAt: Date;
  readonly steps: Map<string, { readonly doneBytes: number; readonly totalBytes: number | null }>;
  readonly ended: Promise<void>;
}

interface Known {
  lastBegunAt: Date | null;
  failing: { inARow: number; endedAt: Date; reason: FailureReason } | null;
}

/** For whoever asked for one, and comes back for it after others of its kind. */
const FINISHED_KEPT = 100;

interface StatusInput {
  readonly timezone: string;
  readonly now: Date;
  readonly isWriter: boolean;
  /** Of those that a restore takes. */
  readonly newestBackupAt: Date | null;
}

export class Task {
  readonly kind: TaskKind;
  #since: Date;
  readonly #known: Known = { lastBegunAt: null, failing: null };
  #running: Running | undefined;
  /** The last ones, oldest first. */
  readonly #finished: FinishedJob[] = [];

  /** `since`: as TaskHistory has it. */
  constructor(kind: TaskKind, since: Date) {
    this.kind = kind;
    this.#since = since;
  }

  /** What the repository tells of it: another agent may have done it, before or since. What a clock that is ahead has dated puts nothing off. */
  learn(begunAt: Date | null, now: Date): void {
    this.#clockWentBackTo(now);
    if (begunAt === null || begunAt > now) return;
    const { lastBegunAt, failing } = this.#known;
    if (lastBegunAt === null || begunAt > lastBegunAt) this.#known.lastBegunAt = begunAt;
    if (failing !== null && begunAt > failing.endedAt) this.#known.failing = null;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Null while it runs, and where it is not scheduled. */
  next(schedule: Schedule | null, now: Date): NextRun | null {
    this.#clockWentBackTo(now);
    return schedule === null || this.isRunning ? null : nextRun(schedule, { ...this.#known, since: this.#since });
  }

  /** Begins a run, unless one is under way: that is given then, and `isNew` is false. */
  begin(id: string, now: () => Date, run: RunOnce, signal: AbortSignal): { readonly job: Job; readonly isNew: boolean } {
    if (this.#running !== undefined) return { job: runningJob(this.kind, this.#running), isNew: false };
    const startedAt = now();
    const steps: Running["steps"] = new Map();
    const onProgress = ({ step, doneBytes, totalBytes, done }: Progress) => {
      if (done === true) steps.delete(step);
      else steps.set(step, { doneBytes, totalBytes: totalBytes ?? null });
    };
    const { lastBegunAt } = this.#known;
    this.#known.lastBegunAt = startedAt;
    const ended = run({ signal, onProgress }).then((end) => {
      // What was told to stop was not done: it is as due as it was.
      if (end.failure?.reason === "interrupted" && signal.aborted && this.#known.lastBegunAt === startedAt) this.#known.lastBegunAt = lastBegunAt;
      this.#finish(id, startedAt, now(), end);
    });
    this.#running = { id, startedAt, steps, ended };
    return { job: runningJob(this.kind, this.#running), isNew: true };
  }

  /** Resolves once nothing runs. */
  async ended(): Promise<void> {
    await this.#running?.ended;
  }

  job(id: string): Job | undefined {
    if (this.#running?.id === id) return runningJob(this.kind, this.#running);
    return this.#finished.findLast((job) => job.id === id);
  }

  status(schedule: Schedule | null, { timezone, now, isWriter, newestBackupAt }: StatusInput): TaskStatus {
    const next = isWriter ? this.next(schedule, now) : null;
    const expectedAt = this.kind === "save" && newestBackupAt !== null ? schedule?.next(newestBackupAt) : null;
    return {
      kind: this.kind,
      schedule: schedule?.text ?? null,
      timezone,
      nextRunAt: next === null ? null : (next.at < now ? now : next.at).toISOString(),
      isRetry: next?.isRetry ?? false,
      expectedAt: expectedAt?.toISOString() ?? null,
      failuresInARow: this.#known.failing?.inARow ?? 0,
      running: this.#running === undefined ? null : runningJob(this.kind, this.#running),
      last: this.#finished.at(-1) ?? null,
    };
  }

  /** Where it has: what happened in a time that is still to come puts nothing off. */
  #clockWentBackTo(now: Date): void {
    const known = this.#known;
    if (this.#since > now) this.#since = now;
    if (known.lastBegunAt !== null && known.lastBegunAt > now) known.lastBegunAt = now;
    if (known.failing !== null && known.failing.endedAt > now) known.failing.endedAt = now;
  }

  #finish(id: string, startedAt: Date, endedAt: Date, { failure, lines }: RunEnd): void {
    const { kind } = this;
    const before = this.#known.failing?.inARow ?? 0;
    // Stopping is nobody's failure.
    if (failure === null) this.#known.failing = null;
    else if (failure.reason !== "interrupted") this.#known.failing = { inARow: before + 1, endedAt, reason: failure.reason };
    const [from, to] = [startedAt.toISOString(), endedAt.toISOString()];
    this.#finished.push({ id, kind, state: failure === null ? "done" : "failed", startedAt: from, finishedAt: to, failure, lines });
    if (this.#finished.length > FINISHED_KEPT) this.#finished.shift();
    this.#running = undefined;
  }
}

function runningJob(kind: TaskKind, { id, startedAt, steps }: Running): RunningJob {
  return { id, kind, state: "running", startedAt: startedAt.toISOString(), steps: [...steps].map(([step, sizes]) => ({ step, ...sizes })) };
}
