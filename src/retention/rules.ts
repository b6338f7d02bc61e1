// The keep rules, which mean what restic's mean: its snapshot_policy.go (internal/data) is the reference.
import { isZeroSpan, parseSpan, type RetentionPolicy, type Span } from "../repository/retention-policy.ts";
import type { Calendar, Period } from "./calendar.ts";
import { type DatedBackup, momentOf, type Reasons, type RetentionBackup } from "./plan.ts";

export interface KeepRules {
  /** The newest of each period, in so many periods; without a period, so many backups. */
  readonly counted: readonly { readonly name: string; readonly count: number; readonly period: Period | undefined }[];
  /** The newest of each period, or all, that are younger than the newest backup by less than the span. */
  readonly within: readonly { readonly name: string; readonly span: Span; readonly period: Period | undefined }[];
  readonly tags: readonly string[];
}

/** The rules of a policy; undefined when there are none. A rule to keep nothing, such as the last 0, is none. */
export function keepRulesOf(policy: RetentionPolicy): KeepRules | undefined {
  const counted = COUNTED.flatMap(({ field, option, period }) => {
    const howMany = policy[field] ?? 0;
    return howMany === 0 ? [] : [{ name: `${option} ${howMany}`, count: howMany === "unlimited" ? Number.POSITIVE_INFINITY : howMany, period }];
  });
  const within = WITHIN.flatMap(({ field, option, period }) => {
    const text = policy[field] ?? "0h";
    const span = parseSpan(text);
    return isZeroSpan(span) ? [] : [{ name: `${option} ${text}`, span, period }];
  });
  const tags = policy.keepTags ?? [];
  return counted.length + within.length + tags.length === 0 ? undefined : { counted, within, tags };
}

/** What the rules keep of a list, newest first. */
export function keptByRules(list: readonly DatedBackup[], { counted, within, tags }: KeepRules, calendar: Calendar): Reasons {
  const kept = new Map<RetentionBackup, string[]>();
  const keep = ({ backup }: DatedBackup, reason: string) => kept.set(backup, [...(kept.get(backup) ?? []), reason]);
  const newest = list[0];
  if (newest === undefined) return kept;
  const oldest = list.at(-1);

  for (const { name, count, period } of counted) keepNewestOfEach(list, name, count, period, momentOf);
  for (const { name, span, period } of within) {
    const startMs = calendar.before(newest.createdMs, span);
    const young = list.filter(({ createdMs }) => createdMs > startMs);
    keepNewestOfEach(young, name, Number.POSITIVE_INFINITY, period, ({ backup }) => backup.id);
  }
  for (const tag of tags) for (const dated of list.filter(({ backup }) => hasTag(backup, tag))) keep(dated, `keep-tag ${tag}`);
  return kept;

  /** Also the oldest of the whole list while the count is not used up, so that a history shorter than the rule allows does not shrink. */
  function keepNewestOfEach(
    candidates: readonly DatedBackup[],
    name: string,
    count: number,
    period: Period | undefined,
    identityOf: (dated: DatedBackup) => string,
  ): void {
    const seen = new Set<string>();
    for (const dated of candidates) {
      if (seen.size >= count) return;
      const bucket = period === undefined ? identityOf(dated) : calendar.periodOf(dated.createdMs, period);
      if (!seen.has(bucket)) keep(dated, period === undefined ? name : `${name}: newest of ${bucket}`);
      else if (dated === oldest) keep(dated, `${name}: oldest`);
      seen.add(bucket);
    }
  }
}

/**
 * Whether the rules would keep another one, were it in the list, newest first: what keptByRules says of the list with that one before the first that is not newer.
 * What the list itself comes to is worked out once.
 */
export function placeAmong(list: readonly DatedBackup[], { counted, within, tags }: KeepRules, calendar: Calendar): (other: DatedBackup) => boolean {
  const bucketOf = (dated: DatedBackup, period: Period | undefined) => (period === undefined ? momentOf(dated) : calendar.periodOf(dated.createdMs, period));
  /** How many periods, or backups, those before each place are of. */
  const countedUp = counted.map(({ period }) => {
    const seen = new Set<string>();
    return [0, ...list.map((dated) => seen.add(bucketOf(dated, period)).size)];
  });
  return (other) => {
    const place = placeOf(list, other);
    const isNewestOfIts = (period: Period | undefined) =>
      period === undefined || place === 0 || place === list.length || bucketOf(list[place - 1]!, period) !== bucketOf(other, period);
    const newestMs = Math.max(list[0]?.createdMs ?? other.createdMs, other.createdMs);
    return (
      counted.some(({ count, period }, index) => countedUp[index]![place]! < count && isNewestOfIts(period)) ||
      within.some(({ span, period }) => other.createdMs > calendar.before(newestMs, span) && isNewestOfIts(period)) ||
      tags.some((tag) => hasTag(other.backup, tag))
    );
  };
}

/** The index of the first that is not newer. */
function placeOf(newestFirst: readonly DatedBackup[], { createdMs }: DatedBackup): number {
  let [low, high] = [0, newestFirst.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (newestFirst[middle]!.createdMs > createdMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @param tag `name`, or `name=value`. */
function hasTag({ tags }: RetentionBackup, tag: string): boolean {
  const [name, ...value] = tag.split("=");
  return Object.hasOwn(tags, name!) && (value.length === 0 || tags[name!] === value.join("="));
}

const COUNTED = [
  { field: "keepLast", option: "keep-last", period: undefined },
  { field: "keepHourly", option: "keep-hourly", period: "hour" },
  { field: "keepDaily", option: "keep-daily", period: "day" },
  { field: "keepWeekly", option: "keep-weekly", period: "week" },
  { field: "keepMonthly", option: "keep-monthly", period: "month" },
  { field: "keepYearly", option: "keep-yearly", period: "year" },
] as const;

const WITHIN = [
  { field: "keepWithin", option: "keep-within", period: undefined },
  { field: "keepWithinHourly", option: "keep-within-hourly", period: "hour" },
  { field: "keepWithinDaily", option: "keep-within-daily", period: "day" },
  { field: "keepWithinWeekly", option: "keep-within-weekly", period: "week" },
  { field: "keepWithinMonthly", option: "keep-within-monthly", period: "month" },
  { field: "keepWithinYearly", option: "keep-within-yearly", period: "year" },
] as const;
