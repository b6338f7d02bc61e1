// Which time it is for retention, and whether to believe it: a host whose clock is a year ahead would take every backup for an old one.
import { EtcdsafeError } from "../errors.ts";
import { CLOCK_TOLERANCE_MS } from "./plan.ts";

export interface ClockFacts {
  readonly ours: Date;
  /** The store's clock, known to within so many milliseconds; null where the store has none, such as a directory. */
  readonly store: { readonly time: Date; readonly uncertaintyMs: number } | null;
  /** Newest first. How far the member's clock was ahead of the host's that saved it; null where that was not measured. */
  readonly backups: readonly { readonly createdAt: string; readonly memberOffsetMs: number | null }[];
}

export interface JudgedTime {
  readonly now: Date;
  readonly from: "store" | "host";
}

/** The store's time, or where it has none the host's, unless the backups make that look wrong. Throws CLOCK_DIFFERS. */
export function judgeClock({ ours, store, backups }: ClockFacts): JudgedTime {
  if (store !== null) {
    const apartMs = Math.abs(store.time.getTime() - ours.getTime());
    if (apartMs - store.uncertaintyMs <= CLOCK_TOLERANCE_MS) return { now: store.time, from: "store" };
    const clocks = `the store's clock shows ${store.time.toISOString()} and this host's ${ours.toISOString()}`;
    throw new EtcdsafeError("CLOCK_DIFFERS", `${clocks}: ${spanText(apartMs)} apart, and 5 minutes are allowed`);
  }
  // What is dated in the future says nothing of now, and the planner leaves it alone.
  const past = backups.filter(({ createdAt }) => Date.parse(createdAt) <= ours.getTime() + CLOCK_TOLERANCE_MS);
  refuseDifferingMember(past, ours);
  refuseJump(past, ours);
  return { now: ours, from: "host" };
}

type Backups = ClockFacts["backups"];

function refuseDifferingMember(backups: Backups, ours: Date): void {
  const measured = backups.slice(0, RECENT_BACKUPS).find(({ memberOffsetMs }) => memberOffsetMs !== null);
  if (measured === undefined || isConfirmed(measured)) return;
  const offsetMs = measured.memberOffsetMs!;
  const member = `the member's clock was ${spanText(Math.abs(offsetMs))} ${offsetMs < 0 ? "behind" : "ahead of"} the host's`;
  throw new EtcdsafeError("CLOCK_DIFFERS", `when the backup of ${measured.createdAt} was saved, ${member}, and now this host's shows ${ours.toISOString()}`, {
    hint: HINT,
  });
}

/** Time that passes without backups looks like a clock that was set ahead. Once a member's clock agreed after such a pause, or enough backups followed it, it was a pause. */
function refuseJump(backups: Backups, ours: Date): void {
  const times = [...new Set(backups.map(({ createdAt }) => Date.parse(createdAt)))]; // What was stored again is no backup more.
  const intervals = times.slice(1).map((time, at) => times[at]! - time);
  if (intervals.length < INTERVALS_MIN) return;
  const usualMs = Math.max(median(intervals.slice(0, USUAL_INTERVALS)), CLOCK_TOLERANCE_MS);
  const moments = [ours.getTime(), ...times].slice(0, RECENT_BACKUPS + 1);
  for (const [at, from] of moments.slice(1).entries()) {
    const to = moments[at]!;
    if (to - from <= JUMP_FACTOR * usualMs || backups.some((backup) => Date.parse(backup.createdAt) >= to && isConfirmed(backup))) continue;
    const jump = at === 0 ? `${spanText(to - from)} later than the newest backup` : `${spanText(to - from)} passed from ${iso(from)} to ${iso(to)}`;
    throw new EtcdsafeError(
      "CLOCK_DIFFERS",
      `this host's clock shows ${ours.toISOString()}, and may be ahead: the newest backup is of ${iso(times[0]!)}, backups are ${spanText(usualMs)} apart as a rule, and ${at === 0 ? "that is " : ""}${jump}`,
      { hint: HINT },
    );
  }
}

/** Whether another clock showed the same when it was saved. */
function isConfirmed({ memberOffsetMs }: Backups[number]): boolean {
  return memberOffsetMs !== null && Math.abs(memberOffsetMs) <= CLOCK_TOLERANCE_MS;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** In the largest unit of which there are at least two. */
function spanText(spanMs: number): string {
  const [unit, name] = UNITS.find(([unitMs]) => spanMs >= 2 * unitMs) ?? UNITS.at(-1)!;
  return `${Number((spanMs / unit).toFixed(1))} ${name}`;
}

const UNITS = [
  [86_400_000, "days"],
  [3_600_000, "hours"],
  [60_000, "minutes"],
  [1000, "seconds"],
] as const;

const RECENT_BACKUPS = 10;
const JUMP_FACTOR = 10;
const USUAL_INTERVALS = 20;
/** Fewer make no habit. */
const INTERVALS_MIN = 4;
const HINT =
  "Check this host's clock (NTP). If it is right, a backup taken now from a member whose clock agrees shows so; or say --clock-is-right where you have checked it. Nothing was removed.";
