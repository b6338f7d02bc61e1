// When a task is to be done next: from its schedule, and from what became of it before. Pure.
import type { FailureReason } from "../metrics/reasons.ts";
import type { Schedule } from "./schedule.ts";

const MINUTE_MS = 60_000;
/** After the first failure, and after each further one twice as long. */
const FIRST_BACKOFF_MS = MINUTE_MS;
const BACKOFF_MS_MAX = 30 * MINUTE_MS;
/**
 * Failures that may be gone when it is tried again; all others need somebody, and are tried when they would be anyway. So does what was partly done: again and again,
 * it would fill the repositories that do answer with backups, until retention has removed all older ones.
 */
const PASSING: ReadonlySet<FailureReason> = new Set(["failure", "etcd-unreachable", "repository-unreachable", "locked", "deadline-exceeded"]);

export interface TaskHistory {
  /** When it was begun last, by this agent or, as far as the repository tells, by another; null where nobody knows of any. */
  readonly lastBegunAt: Date | null;
  /** Those since it succeeded last; null where it did. */
  readonly failing: { readonly inARow: number; readonly endedAt: Date; readonly reason: FailureReason } | null;
  /** From when on runs count as missed: a task that was never done is not late for times before there was an agent. */
  readonly since: Date;
}

export interface NextRun {
  readonly at: Date;
  readonly isRetry: boolean;
}

/** Null where it comes no more. However many times were missed, they are caught up by one run: what comes after that counts from it. */
export function nextRun(schedule: Schedule, { lastBegunAt, failing, since }: TaskHistory): NextRun | null {
  const from = lastBegunAt ?? since;
  if (failing === null) return scheduledAfter(schedule, from);
  // What came while it was failing is not missed: it would be begun again at once, for as long as it fails slowly.
  const scheduled = scheduledAfter(schedule, failing.endedAt > from ? failing.endedAt : from);
  if (!PASSING.has(failing.reason)) return scheduled;
  const retryAt = new Date(failing.endedAt.getTime() + backoffMs(failing.inARow));
  return scheduled === null || retryAt < scheduled.at ? { at: retryAt, isRetry: true } : scheduled;
}

function scheduledAfter(schedule: Schedule, time: Date): NextRun | null {
  const at = schedule.next(time);
  return at === null ? null : { at, isRetry: false };
}

function backoffMs(failuresInARow: number): number {
  return Math.min(BACKOFF_MS_MAX, FIRST_BACKOFF_MS * 2 ** Math.min(failuresInARow - 1, 20));
}
