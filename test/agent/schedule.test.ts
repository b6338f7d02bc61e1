import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSchedule } from "../../src/agent/schedule.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";

const MINUTE_MS = 60_000;

/** The first times after `from`, without seconds. */
function times(text: string, timezone: string, from: string, count: number): string[] {
  const schedule = parseSchedule("--save-schedule", text, timezone);
  const found: string[] = [];
  for (let time = schedule.next(new Date(from)); time !== null && found.length < count; time = schedule.next(time)) found.push(time.toISOString());
  return found.map((time) => time.replace(/:00\.000Z$/, "Z"));
}

test("schedule: keeps what was written", () => {
  expect(parseSchedule("--save-schedule", "17 * * * *", "Europe/Berlin")).toMatchObject({ text: "17 * * * *", timezone: "Europe/Berlin" });
});

test("schedule: the next time is after the one given, never that one itself", () => {
  expect(times("0 0 1 1 *", "UTC", "2026-12-31T23:59:59.999Z", 2)).toEqual(["2027-01-01T00:00Z", "2028-01-01T00:00Z"]);
  expect(times("0 0 1 1 *", "UTC", "2027-01-01T00:00:00.000Z", 1)).toEqual(["2028-01-01T00:00Z"]);
  expect(times("0 0 1 1 *", "UTC", "2027-01-01T00:00:00.001Z", 1)).toEqual(["2028-01-01T00:00Z"]);
});

test.each([
  ["30 3 * * 1-5", "UTC", "2026-11-20T03:30:00Z", ["2026-11-23T03:30Z", "2026-11-24T03:30Z"]],
  ["0 0 * * 7", "UTC", "2026-11-20T00:00:00Z", ["2026-11-22T00:00Z", "2026-11-29T00:00Z"]],
  ["*/20 8,20 * * *", "UTC", "2026-11-20T08:20:00Z", ["2026-11-20T08:40Z", "2026-11-20T20:00Z"]],
  ["0 0 29 2 *", "UTC", "2026-11-20T00:00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]],
  ["0 6 * * *", "Asia/Kathmandu", "2026-11-20T00:00:00Z", ["2026-11-20T00:15Z", "2026-11-21T00:15Z"]],
  ["0 6 * * *", "America/New_York", "2026-10-31T00:00:00Z", ["2026-10-31T10:00Z", "2026-11-01T11:00Z"]],
] as const)("schedule: %j in %s", (text, timezone, from, expected) => {
  expect(times(text, timezone, from, 2)).toEqual(expected);
});

// On 2026-03-29 at 02:00 (01:00Z) Berlin's clocks go to 03:00: there is no 02:30.
test.each([
  ["30 2 * * *", "2026-03-28T00:00:00Z", ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]],
  ["0 3 * * *", "2026-03-28T03:00:00Z", ["2026-03-29T01:00Z", "2026-03-30T01:00Z", "2026-03-31T01:00Z"]],
  ["0 * * * *", "2026-03-28T23:30:00Z", ["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z"]],
  ["30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30Z", "2026-03-29T01:30Z", "2026-03-29T02:30Z"]],
])("schedule: %j where Berlin's clocks leave an hour out", (text, from, expected) => {
  expect(times(text, "Europe/Berlin", from, 3)).toEqual(expected);
});

// On 2026-10-25 at 03:00 (01:00Z) they go back to 02:00: there are a 02:30 at 00:30Z and another at 01:30Z.
test.each([
  ["30 2 * * *", "2026-10-24T00:00:00Z", ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"]],
  ["30 2 * * *", "2026-10-25T01:10:00Z", ["2026-10-26T01:30Z", "2026-10-27T01:30Z", "2026-10-28T01:30Z"]],
  ["0 3 * * *", "2026-10-25T00:00:00Z", ["2026-10-25T02:00Z", "2026-10-26T02:00Z", "2026-10-27T02:00Z"]],
  ["0 * * * *", "2026-10-24T23:30:00Z", ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"]],
  ["30 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T02:30Z"]],
])("schedule: %j where Berlin has an hour twice", (text, from, expected) => {
  expect(times(text, "Europe/Berlin", from, 3)).toEqual(expected);
});

test.each([
  ["@hourly", ["2026-06-15T11:00Z", "2026-06-15T12:00Z"]],
  ["@daily", ["2026-06-15T22:00Z", "2026-06-16T22:00Z"]],
  ["@weekly", ["2026-06-20T22:00Z", "2026-06-27T22:00Z"]],
  ["@monthly", ["2026-06-30T22:00Z", "2026-07-31T22:00Z"]],
  ["@yearly", ["2026-12-31T23:00Z", "2027-12-31T23:00Z"]],
])("schedule: %s, by Berlin's clocks", (text, expected) => {
  expect(times(text, "Europe/Berlin", "2026-06-15T10:20:30Z", 2)).toEqual(expected);
});

test.each([
  ["0 0 0 * * *", "UTC", /^--save-schedule: "0 0 0 \* \* \*" in the time zone UTC is no schedule: it has 6 fields$/],
  ["* * * *", "UTC", /is no schedule: it has 4 fields$/],
  ["nonsense", "UTC", /is no schedule: it has 1 field$/],
  ["", "UTC", /^--save-schedule: "" in the time zone UTC is no schedule: it has 0 fields$/],
  ["@reboot", "UTC", /is no schedule: it has 1 field$/],
  ["@every 5m", "UTC", /is no schedule: it has 2 fields$/],
  // Once, and never again: no schedule goes on with that.
  ["2096-01-01T00:00:00", "UTC", /is no schedule: it has 1 field$/],
  ["61 * * * *", "UTC", /is no schedule: Invalid value for minute: 61$/],
  ["0 24 * * *", "UTC", /is no schedule: Invalid value for hour: 24$/],
  ["*/0 * * * *", "UTC", /is no schedule: Syntax error, illegal stepping: 0$/],
  ["x * * * *", "UTC", /is no schedule: .*illegal characters/],
  ["0 0 30 2 *", "UTC", /is no schedule: it never comes$/],
  ["0 0 31 4,6,9,11 *", "Europe/Berlin", /in the time zone Europe\/Berlin is no schedule: it never comes$/],
  ["0 0 * * *", "Mars/Olympus", /^--save-schedule: "0 0 \* \* \*" in the time zone Mars\/Olympus is no schedule: there is no such time zone$/],
  ["@daily", "Berlin", /in the time zone Berlin is no schedule: there is no such time zone$/],
] as const)("schedule: %j in %s is refused", async (text, timezone, message) => {
  const { hint } = await expectThrown("CONFIG_INVALID", () => parseSchedule("--save-schedule", text, timezone), message);
  expect(hint).toMatch(/^Five fields, /);
});

const ZONES = {
  "Europe/Berlin": ["2026-03-28T12:00Z", "2026-10-24T12:00Z"],
  "America/New_York": ["2026-03-07T12:00Z", "2026-10-31T12:00Z"],
  // Half an hour; and a half hour beside all others.
  "Australia/Lord_Howe": ["2026-04-04T00:00Z", "2026-10-03T00:00Z"],
  "America/St_Johns": ["2026-03-07T12:00Z", "2026-10-31T12:00Z"],
  // At midnight.
  "America/Santiago": ["2026-04-04T12:00Z", "2026-09-05T12:00Z"],
} as const;

/** Of each minute of two days: what the clocks show. */
function minutesFrom(start: string, timezone: string): { readonly at: number; readonly hour: number; readonly minute: number; readonly text: string }[] {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, dateStyle: "short", timeStyle: "short", hourCycle: "h23" });
  return Array.from({ length: 2 * 24 * 60 }, (_, index) => {
    const at = Date.parse(start) + index * MINUTE_MS;
    const text = clock.format(at);
    const [hour, minute] = text.slice(-5).split(":").map(Number);
    return { at, hour: hour!, minute: minute!, text };
  });
}

test("schedule: around every change of the clocks, no time that they show is left out, and none comes but those", () => {
  const days = Object.entries(ZONES).flatMap(([timezone, starts]) =>
    starts.map((start) => {
      const minutes = minutesFrom(start, timezone);
      return { timezone, minutes, twice: new Set([...Map.groupBy(minutes, ({ text }) => text)].filter(([, same]) => same.length > 1).map(([text]) => text)) };
    }),
  );
  const field = (max: number) =>
    fc.oneof(
      fc.constant({ text: "*", has: () => true }),
      fc.constantFrom(2, 5, 15).map((step) => ({ text: `*/${step}`, has: (value: number) => value % step === 0 })),
      fc.uniqueArray(fc.nat(max), { minLength: 1, maxLength: 3 }).map((values) => ({ text: values.join(","), has: (value: number) => values.includes(value) })),
    );
  fc.assert(
    fc.property(fc.constantFrom(...days), field(59), fc.oneof(field(23), field(4)), ({ timezone, minutes, twice }, minute, hour) => {
      const schedule = parseSchedule("--save-schedule", `${minute.text} ${hour.text} * * *`, timezone);
      const [from, to] = [minutes[0]!.at - 1, minutes.at(-1)!.at];
      const came: number[] = [];
      for (let time = schedule.next(new Date(from))!; time.getTime() <= to; time = schedule.next(time)!) {
        came.push(time.getTime());
        if (came.length > 1 && came.at(-1)! <= came.at(-2)!) break;
      }
      expect(came).toEqual([...new Set(came)].sort((a, b) => a - b));
      const shown = minutes.filter((each) => minute.has(each.minute) && hour.has(each.hour));
      const all = new Set(came);
      expect(shown.filter(({ at, text }) => !twice.has(text) && !all.has(at))).toEqual([]);
      for (const same of Map.groupBy(shown, ({ text }) => text).values()) expect(same.some(({ at }) => all.has(at))).toBe(true);
      const matching = new Set(shown.map(({ at }) => at));
      for (const at of came.filter((each) => !matching.has(each))) {
        // What the clocks left out less than an hour before comes once they are past it.
        const index = minutes.findIndex((each) => each.at === at);
        const before = minutes.slice(Math.max(0, index - 60), index + 1);
        const jumps = before.some((each, i) => {
          const forward = i === 0 ? 1 : (each.hour * 60 + each.minute - before[i - 1]!.hour * 60 - before[i - 1]!.minute + 1440) % 1440;
          return forward > 1 && forward < 120;
        });
        expect(jumps, `${schedule.text} ${timezone} ${new Date(at).toISOString()}`).toBe(true);
      }
    }),
    { seed: SEED, numRuns: runs(60, 3_000) },
  );
});
