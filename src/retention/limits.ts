// The limits on age and size: they take what rules keep, oldest first, and never what is protected.
import { parseSpan, type RetentionPolicy } from "../repository/retention-policy.ts";
import type { Calendar } from "./calendar.ts";
import { type DatedBackup, isGood, type Reasons, type RetentionBackup } from "./plan.ts";

export interface Stock {
  /** What stays without limits, newest first. */
  readonly staying: readonly DatedBackup[];
  readonly safe: Reasons;
  readonly segmentsSizeBytes: number;
}

/** What of all judged backups, newest first, is beyond a limit, whether a rule keeps it or not; nothing that is protected. */
export function beyondLimits(judged: readonly DatedBackup[], stock: Stock, policy: RetentionPolicy, calendar: Calendar, now: Date): Reasons {
  const oldest = policy.maxAge === undefined ? Number.NEGATIVE_INFINITY : calendar.before(now.getTime(), parseSpan(policy.maxAge));
  const tooOld = judged.filter(({ backup, createdMs }) => createdMs < oldest && !stock.safe.has(backup));
  const beyond = new Map<RetentionBackup, string[]>(tooOld.map(({ backup }) => [backup, [`older than max-age ${policy.maxAge}`]]));
  if (policy.maxSizeBytes === undefined) return beyond;

  const remaining = stock.staying.filter(({ backup }) => !beyond.has(backup)).map(({ backup }) => backup);
  const bad = remaining.filter((backup) => !isGood(backup));
  const good = remaining.filter(isGood);
  // Bad ones go first, and good ones only for what good ones need: a bad one that is locked pushes no good one out.
  const goodSizeBytes = sizeOf(good) + stock.segmentsSizeBytes;
  for (const [group, sizeBytes] of [[bad, goodSizeBytes + sizeOf(bad)] as const, [good, goodSizeBytes] as const]) {
    let left = sizeBytes;
    for (const backup of group.toReversed()) {
      if (left <= policy.maxSizeBytes) break;
      if (stock.safe.has(backup)) continue;
      left -= backup.storedSizeBytes;
      beyond.set(backup, [`max-bytes ${policy.maxSizeBytes}: with it, ${left + backup.storedSizeBytes} bytes would be stored`]);
    }
  }
  return beyond;
}

function sizeOf(backups: readonly RetentionBackup[]): number {
  return backups.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0);
}
