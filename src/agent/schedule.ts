// When something is to be done: a cron expression in a time zone.
import { Cron } from "croner";
import { EtcdsafeError } from "../errors.ts";

export interface Schedule {
  /** As it was written. */
  readonly text: string;
  readonly timezone: string;
  /** The first time after `time`; null where there is none any more. */
  next(time: Date): Date | null;
}

/** Besides what has five fields. Croner knows dates as well, which come once and never again. */
const NAMED = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/i;

/**
 * Five fields (minute, hour, day of the month, month, day of the week), or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. What falls into the hour that a
 * clock leaves out is done right after it. Throws CONFIG_INVALID, which begins with `option`, also for what never comes.
 */
export function parseSchedule(option: string, text: string, timezone: string): Schedule {
  try {
    const fields = text.split(/\s+/).filter((field) => field !== "").length;
    if (fields !== 5 && !NAMED.test(text)) throw new Error(`it has ${fields} field${fields === 1 ? "" : "s"}`);
    if (!isTimezone(timezone)) throw new Error("there is no such time zone");
    const cron = new Cron(text, { timezone, mode: "5-part", paused: true });
    if (cron.nextRun() === null) throw new Error("it never comes");
    return { text, timezone, next: (time) => cron.nextRun(time) };
  } catch (error) {
    const why = (error as Error).message.replace(/^Cron\w*: /, "");
    throw new EtcdsafeError("CONFIG_INVALID", `${option}: ${JSON.stringify(text)} in the time zone ${timezone} is no schedule: ${why}`, {
      hint: 'Five fields, as "17 * * * *" (17 minutes past each hour) or "30 3 * * 1-5"; and a time zone such as UTC or Europe/Berlin.',
      cause: error,
    });
  }
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
