// Below the table of `list`: which points can be rebuilt, and what failed lately.
import type { FailedAttempt, LateAttempts } from "../repository/attempts.ts";
import type { RecoveryPoints, RecoveryWindow } from "../repository/recovery-windows.ts";
import { formatAge, formatCount } from "./format.ts";
import { printableLine } from "./printable.ts";

/** More than these nobody reads; JSON has more. */
const SHOWN_MAX = 10;

/** Empty where there are none. */
export function recoveryText({ windows, gaps, single }: RecoveryPoints, cluster: string): string {
  if (windows.length === 0) {
    if (single === null) return "";
    const only =
      single.count === 1 ? `one, of ${single.from}` : `single ones only, of ${formatCount(single.count, "backup")} from ${single.from} to ${single.to}`;
    return `Recovery points of ${cluster}: ${only}; nothing is recorded between backups.\n`;
  }
  const alone = single === null ? [] : [`${formatCount(single.count, "backup")} beside these, each a point by itself, from ${single.from} to ${single.to}`];
  const missing = gaps.map(({ timeline, firstRevision, lastRevision }) => `gap: revisions ${firstRevision} to ${lastRevision} of timeline ${timeline}`);
  return `Recovery points of ${cluster}:\n${shortened([...windows.map(windowText), ...missing, ...alone])}`;
}

function windowText({ timeline, firstRevision, lastRevision, isOpen, from, to }: RecoveryWindow): string {
  return `every revision from ${firstRevision} to ${isOpen ? "at least " : ""}${lastRevision} of timeline ${timeline}, from ${from} to ${to}`;
}

/** Empty where nothing did. */
export function failedText({ attempts, total }: LateAttempts, cluster: string, nowMs: number): string {
  if (total === 0) return "";
  const unread = total - attempts.length;
  const lines = attempts.map((attempt) => attemptText(attempt, nowMs));
  const more = unread === 0 ? [] : [`${formatCount(unread, "attempt")} not read`];
  return `Failed in ${cluster} in the last 7 days:\n${shortened([...lines, ...more])}`;
}

/** `3h ago: save, upload: STORAGE_FULL: …` */
function attemptText({ finishedAt, action, phase, failure }: FailedAttempt, nowMs: number): string {
  return `${formatAge(nowMs - Date.parse(finishedAt))} ago: ${action}, ${phase}: ${failure.code}: ${failure.message}`;
}

function shortened(lines: readonly string[]): string {
  const more = lines.length - SHOWN_MAX;
  const shown = more > 0 ? [...lines.slice(0, SHOWN_MAX), `… and ${more} more (-o json)`] : lines;
  return shown.map((line) => `  ${printableLine(line)}\n`).join("");
}
