// What a prune would do, or did, for people: every backup with all its reasons.
import type { PlannedPrune, PruneResult } from "../retention/prune.ts";
import { formatAge, formatCount, formatSize } from "./format.ts";
import { table } from "./output.ts";
import { printableLine } from "./printable.ts";

/** Newest first, as `list` has them. */
export function planText({ plan, now, nowFrom, policyFrom, unfinished, unrecognised }: PlannedPrune): string {
  const removed = plan.remove.map(({ backup, reasons }) => ({ backup, reasons, verdict: "remove" }));
  const kept = plan.keep.map(({ backup, reasons }) => ({ backup, reasons, verdict: "keep" }));
  const rows = [...kept, ...removed.toReversed()].sort((a, b) => Date.parse(b.backup.createdAt) - Date.parse(a.backup.createdAt));
  const sizeBytes = removed.reduce((sum, { backup }) => sum + backup.storedSizeBytes, 0);
  const backups = table(rows, [
    { title: "", of: ({ verdict }) => verdict },
    { title: "id", of: ({ backup }) => backup.id },
    { title: "state", of: ({ backup }) => backup.state },
    { title: "age", align: "right", of: ({ backup }) => formatAge(now.getTime() - Date.parse(backup.createdAt)) },
    { title: "stored", align: "right", of: ({ backup }) => formatSize(backup.storedSizeBytes) },
    { title: "why", of: ({ reasons }) => reasons.join("; ") },
  ]);
  const segments = plan.segments.remove.length === 0 ? "" : `${formatCount(plan.segments.remove.length, "segment")} to remove.\n`;
  return [
    rows.length === 0 ? "" : backups,
    ...plan.leave.map(({ key, reason }) => `${key} left alone: ${printableLine(reason)}\n`),
    ...unrecognised.map((key) => `${printableLine(key)} left alone: not written by etcdsafe\n`),
    ...unfinished.map((id) => `${id}: its deletion was begun before, its manifest is gone, and the rest goes first\n`),
    `${formatCount(plan.keep.length, "backup")} to keep, ${formatCount(removed.length, "backup")} to remove (${formatSize(sizeBytes)}), by the policy of the ${policyFrom}, ` +
      `as of ${now.toISOString()} (${nowFrom === "store" ? "the store's clock" : "this host's clock"}).\n`,
    segments,
  ].join("");
}

export function resultText({ removed, kept, finished, left, isHidden, failures, segmentsRemoved }: PruneResult): string {
  const what = isHidden ? "hidden: the store keeps versions, and frees them by its own rules" : "removed";
  return [
    ...removed.map(({ backup, reasons }) => `${backup} ${what} (${printableLine(reasons.join("; "))})\n`),
    ...finished.map((id) => `${id} ${what}: its deletion was begun before\n`),
    ...left
      .filter(({ reason }) => reason !== "not written by etcdsafe")
      .map(({ key, reason }) => `${printableLine(key)} left alone: ${printableLine(reason)}\n`),
    ...failures.map(({ code, message, hint }) => `NOT REMOVED: ${code}: ${printableLine(message)}\n  hint: ${printableLine(hint)}\n`),
    segmentsRemoved.length === 0 ? "" : `${formatCount(segmentsRemoved.length, "segment")} ${what}.\n`,
    `${formatCount(removed.length + finished.length, "backup")} ${isHidden ? "hidden" : "removed"}, ${kept} kept.\n`,
  ].join("");
}
