// Backups over time, as the picture shows them: which of them a restore would take, and where more are missing than there ever was between two. Pure.
import type { BackupStatus, TaskStatus } from "../status.ts";

export interface DatedBackup extends BackupStatus {
  readonly createdAt: string;
  readonly timeMs: number;
}

export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  /** Whether it lasts. */
  readonly isOpen: boolean;
}

/** By how much an interval has to exceed those before it. */
const GAP_FACTOR = 2.5;
/** How many intervals say what is usual. */
const USUAL_OF = 5;
/** Fewer say nothing. */
const USUAL_OF_MIN = 2;
/** A backup that is to be begun now is read of later: after it was made, and after the reading that follows. */
export const LATE_MS = 20 * 60 * 1000;

/** Of the states of docs/repository-format.md, those that `latest` means. */
export function isRestorable({ state }: Pick<BackupStatus, "state">): boolean {
  return state === "proven" || state === "unconfirmed";
}

/** By the schedule; null without one, and where nothing is known to count from. */
export function expectedBackupAt(tasks: readonly TaskStatus[]): string | null {
  return tasks.find(({ kind }) => kind === "save")?.expectedAt ?? null;
}

/** Oldest first; those without a time are left out. */
export function datedBackups(backups: readonly BackupStatus[]): DatedBackup[] {
  return backups
    .flatMap((backup) => (backup.createdAt === null ? [] : [{ ...backup, createdAt: backup.createdAt, timeMs: Date.parse(backup.createdAt) }]))
    .filter(({ timeMs }) => !Number.isNaN(timeMs))
    .toSorted((a, b) => a.timeMs - b.timeMs);
}

/**
 * Between restorable backups, and after the last one. An interval is only compared with the older ones next to it: retention thins out what is old, so that intervals
 * get shorter with time, and one that is much longer than those before it was not made by retention. After the last one the schedule tells, where there is one:
 * `expectedAt` is that of the saves (AgentStatus). What is dated ahead ends no gap.
 */
export function gapsBetween(backups: readonly DatedBackup[], nowMs: number, expectedAt: string | null): Gap[] {
  const times = backups.filter((backup) => isRestorable(backup) && backup.timeMs <= nowMs).map(({ timeMs }) => timeMs);
  const gaps: Gap[] = [];
  const usual: number[] = [];
  for (const [index, fromMs] of times.entries()) {
    const isOpen = index === times.length - 1;
    const toMs = times[index + 1] ?? nowMs;
    const limitMs = usual.length < USUAL_OF_MIN ? Number.POSITIVE_INFINITY : GAP_FACTOR * median(usual.slice(-USUAL_OF));
    const isGap = isOpen && expectedAt !== null ? nowMs - Date.parse(expectedAt) > LATE_MS : toMs - fromMs > limitMs;
    if (isGap) gaps.push({ fromMs, toMs, isOpen });
    else usual.push(toMs - fromMs);
  }
  return gaps;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
