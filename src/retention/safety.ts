// The backups that stay whatever a policy says: without them there would be nothing good to restore, or somebody said that they stay.
import { type DatedBackup, isGood, type Reasons, type RetentionBackup } from "./plan.ts";

/**
 * @param newestFirst all timelines of the cluster.
 * @param minimum how many of the newest good ones stay.
 */
export function protectedBackups(newestFirst: readonly DatedBackup[], minimum: number, now: Date): Reasons {
  const backups = newestFirst.map(({ backup }) => backup);
  const good = backups.filter(isGood);
  const newestProven = good.find(({ state }) => state === "proven");
  const newestGood = good[0];
  const fewest = new Set(good.slice(0, minimum));
  const reasonsOf = (backup: RetentionBackup) => [
    ...(backup === newestProven ? ["the newest proven one"] : []),
    // The newest good one is either the newest proven, or an unconfirmed one that is newer.
    ...(backup === newestGood && newestGood !== newestProven ? [NEWEST_UNCONFIRMED] : []),
    ...(fewest.has(backup) ? [minimum === 1 ? "the newest good one" : `of the ${minimum} newest good ones`] : []),
    ...(backup.pin === null ? [] : [`pinned: ${backup.pin}`]),
    ...lockReasons(backup, now),
  ];
  return new Map(backups.map((backup) => [backup, reasonsOf(backup)] as const).filter(([, reasons]) => reasons.length > 0));
}

/** A lock that has run out is none; one whose end cannot be read is taken for one. */
function lockReasons({ lock }: RetentionBackup, now: Date): string[] {
  if (lock === null) return [];
  if (lock.until === null) return ["locked by the store: under a legal hold"];
  return Date.parse(lock.until) <= now.getTime() ? [] : [`locked by the store until ${lock.until}`];
}

const NEWEST_UNCONFIRMED = "the newest unconfirmed one, and no proven one is newer";
