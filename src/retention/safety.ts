// The backups that stay whatever a policy says: without them there would be nothing good to restore, or somebody said that they stay.
import { type DatedBackup, isGood, momentOf, type Reasons, type RetentionBackup } from "./plan.ts";

/**
 * @param newestFirst all timelines of the cluster.
 * @param minimum how many of the newest good ones stay.
 */
export function protectedBackups(newestFirst: readonly DatedBackup[], minimum: number, now: Date): Reasons {
  const good = newestFirst.filter(({ backup }) => isGood(backup));
  // What was stored again is no backup more, and each may be the only one that somebody can open: they stay together.
  const moments = [...new Set(good.map(momentOf))];
  const proven = good.find(({ backup }) => backup.state === "proven");
  const newestProven = proven === undefined ? undefined : momentOf(proven);
  const newestGood = moments[0];
  const fewest = new Set(moments.slice(0, minimum));
  const goodReasons = (moment: string) => [
    ...(moment === newestProven ? ["the newest proven one"] : []),
    // The newest good one is either the newest proven, or an unconfirmed one that is newer.
    ...(moment === newestGood && newestGood !== newestProven ? [NEWEST_UNCONFIRMED] : []),
    ...(fewest.has(moment) ? [minimum === 1 ? "the newest good one" : `of the ${minimum} newest good ones`] : []),
  ];
  const reasonsOf = (dated: DatedBackup): [RetentionBackup, readonly string[]] => {
    const { backup } = dated;
    const own = [...(backup.pin === null ? [] : [`pinned: ${backup.pin}`]), ...lockReasons(backup, now)];
    return [backup, [...(isGood(backup) ? goodReasons(momentOf(dated)) : []), ...own]];
  };
  return new Map(newestFirst.map(reasonsOf).filter(([, reasons]) => reasons.length > 0));
}

/** A lock that has run out is none; one whose end cannot be read is taken for one. */
function lockReasons({ lock }: RetentionBackup, now: Date): string[] {
  if (lock === null) return [];
  if (lock.until === null) return ["locked by the store: under a legal hold"];
  return Date.parse(lock.until) <= now.getTime() ? [] : [`locked by the store until ${lock.until}`];
}

const NEWEST_UNCONFIRMED = "the newest unconfirmed one, and no proven one is newer";
