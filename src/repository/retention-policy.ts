// Retention policies as a repository, a prune and the planner know them, and the spans of time written in them.
import type { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import type { retentionPolicySchema } from "./schemas/policy.ts";

export type RetentionPolicy = z.infer<typeof retentionPolicySchema>;

/** A span by the calendar: a month is as long as the month is, and a day as the day, which may have 23 or 25 hours. */
export interface Span {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

/** Reads `1y6m7d12h`: years, months, days and hours, in that order, each at most once. */
export function parseSpan(text: string): Span {
  const found = SPAN.exec(text);
  if (found === null) throw new EtcdsafeError("CONFIG_INVALID", `${JSON.stringify(text)} is not a duration like 7d12h`, { hint: SPAN_HINT });
  const [years, months, days, hours] = found.slice(1).map((digits) => Number(digits ?? 0));
  return { years: years!, months: months!, days: days!, hours: hours! };
}

export function isZeroSpan({ years, months, days, hours }: Span): boolean {
  return years === 0 && months === 0 && days === 0 && hours === 0;
}

/** As in schemas/policy.ts. */
const SPAN = /^(?=\d)(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)d)?(?:(\d+)h)?$/;
const SPAN_HINT = "Years, months, days and hours, in that order, each at most once: 1y6m, 30d, 7d12h. Here m means months.";
