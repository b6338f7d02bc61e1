// Calendar arithmetic in a time zone. Local times that a clock shows twice, or skips, are temporal-polyfill's work; this file says what a period is.
import { Temporal } from "temporal-polyfill";
import { EtcdsafeError } from "../errors.ts";
import type { Span } from "../repository/retention-policy.ts";

export type Period = "hour" | "day" | "week" | "month" | "year";

export interface Calendar {
  /** Which hour, day, ISO week, month or year of local time a moment is in, such as 2026-W53. An hour that the clock shows twice is one. */
  periodOf(timeMs: number, period: Period): string;
  /** The moment so long before another: years, months and days by the calendar (a month before March 31st is the last of February), then hours. -Infinity where no calendar reaches. */
  before(timeMs: number, span: Span): number;
}

/** @param timeZone IANA name. Throws CONFIG_INVALID for one that is not known. */
export function openCalendar(timeZone: string): Calendar {
  const known = new Map<number, Temporal.ZonedDateTime>(); // Each rule asks for the same ones.
  const local = (timeMs: number): Temporal.ZonedDateTime => {
    const found = known.get(timeMs) ?? Temporal.Instant.fromEpochMilliseconds(timeMs).toZonedDateTimeISO(timeZone);
    known.set(timeMs, found);
    return found;
  };
  try {
    local(0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EtcdsafeError("CONFIG_INVALID", `${JSON.stringify(timeZone)} is not a time zone`, {
      hint: "Give an IANA name such as Europe/Berlin or UTC.",
      cause: error,
    });
  }
  return {
    periodOf: (timeMs, period) => NAMES[period](local(timeMs)),
    before: (timeMs, span) => {
      try {
        return local(timeMs).subtract(span).epochMilliseconds;
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return Number.NEGATIVE_INFINITY; // 9999999y is a way to say for ever.
      }
    },
  };
}

const NAMES: Readonly<Record<Period, (local: Temporal.ZonedDateTime) => string>> = {
  hour: (local) => `${date(local)} ${padded(local.hour)}h`,
  day: date,
  week: (local) => `${local.yearOfWeek}-W${padded(local.weekOfYear!)}`,
  month: (local) => `${local.year}-${padded(local.month)}`,
  year: (local) => String(local.year),
};

function date({ year, month, day }: Temporal.ZonedDateTime): string {
  return `${year}-${padded(month)}-${padded(day)}`;
}

function padded(value: number): string {
  return String(value).padStart(2, "0");
}
