// Tables of what each rule keeps. The tables are what restic's forget does with such snapshots, worked out by hand from its rules:
// newest first; a backup is kept with the reason beside it, or not, where there is a dash.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RetentionPolicy } from "../../src/repository/retention-policy.ts";
import { openCalendar } from "../../src/retention/calendar.ts";
import { keepRulesOf, keptByRules, placeAmong } from "../../src/retention/rules.ts";
import { runs, SEED } from "../support/counts.ts";
import { anyCatalogue, anyKeepRules, backup } from "./catalogues.ts";

const TABLES: Record<string, readonly [policy: RetentionPolicy, table: string]> = {
  "keep-last keeps as many as it says": [
    { keepLast: 2 },
    `2026-11-21T10:00:01Z  keep-last 2
     2026-11-21T10:00  keep-last 2
     2026-11-21T09:00  -`,
  ],
  "keep-last unlimited keeps all": [
    { keepLast: "unlimited" },
    `2026-11-21T10:00  keep-last unlimited
     2020-11-21T09:00  keep-last unlimited`,
  ],
  "keep-hourly keeps the newest of each hour, and counts hours that have backups": [
    { keepHourly: 3 },
    `2026-11-21T10:59  keep-hourly 3: newest of 2026-11-21 10h
     2026-11-21T10:00  -
     2026-11-21T09:59  keep-hourly 3: newest of 2026-11-21 09h
     2026-11-20T09:30  keep-hourly 3: newest of 2026-11-20 09h
     2026-11-20T09:00  -
     2026-11-20T08:00  -`,
  ],
  "keep-hourly, where the clock is set back: the hour that comes twice counts once": [
    { keepHourly: 3, timezone: "Europe/Berlin" },
    `2026-10-25T02:30  keep-hourly 3: newest of 2026-10-25 03h
     2026-10-25T01:30  keep-hourly 3: newest of 2026-10-25 02h
     2026-10-25T00:30  -
     2026-10-24T23:30  keep-hourly 3: newest of 2026-10-25 01h
     2026-10-24T22:30  -`,
  ],
  "keep-hourly, where the clock is set forward: an hour that never was does not count": [
    { keepHourly: 3, timezone: "Europe/Berlin" },
    `2026-03-29T01:30  keep-hourly 3: newest of 2026-03-29 03h
     2026-03-29T00:30  keep-hourly 3: newest of 2026-03-29 01h
     2026-03-28T23:30  keep-hourly 3: newest of 2026-03-29 00h
     2026-03-28T22:30  -`,
  ],
  "keep-hourly, where the clock is set back by half an hour": [
    { keepHourly: 3, timezone: "Australia/Lord_Howe" },
    `2026-04-04T15:45  keep-hourly 3: newest of 2026-04-05 02h
     2026-04-04T15:15  keep-hourly 3: newest of 2026-04-05 01h
     2026-04-04T14:45  -
     2026-04-04T14:15  -
     2026-04-04T13:45  keep-hourly 3: newest of 2026-04-05 00h
     2026-04-04T12:45  -`,
  ],
  "keep-daily keeps the newest of each day": [
    { keepDaily: 2 },
    `2026-11-21T23:59  keep-daily 2: newest of 2026-11-21
     2026-11-21T00:00  -
     2026-11-20T23:59  keep-daily 2: newest of 2026-11-20
     2026-11-19T23:59  -
     2026-11-18T23:59  -`,
  ],
  "keep-daily goes by local days": [
    { keepDaily: 3, timezone: "Europe/Berlin" },
    `2026-11-21T23:00  keep-daily 3: newest of 2026-11-22
     2026-11-21T22:59  keep-daily 3: newest of 2026-11-21
     2026-11-20T23:00  -
     2026-11-20T22:59  keep-daily 3: newest of 2026-11-20
     2026-11-20T22:58  -`,
  ],
  "keep-daily, on a day that has no midnight": [
    { keepDaily: 2, timezone: "America/Sao_Paulo" },
    `2018-11-04T04:00  keep-daily 2: newest of 2018-11-04
     2018-11-04T03:00  -
     2018-11-04T02:59  keep-daily 2: newest of 2018-11-03
     2018-11-03T03:00  -
     2018-11-03T02:59  -`,
  ],
  "keep-weekly keeps the newest of each ISO week, also where a year ends in one": [
    { keepWeekly: 3 },
    `2027-01-04T00:00  keep-weekly 3: newest of 2027-W01
     2027-01-03T23:59  keep-weekly 3: newest of 2026-W53
     2026-12-31T12:00  -
     2026-12-28T00:00  -
     2026-12-27T23:59  keep-weekly 3: newest of 2026-W52
     2026-12-20T23:59  -
     2026-12-19T23:59  -`,
  ],
  "keep-weekly, where the first week of a year begins in the old one": [
    { keepWeekly: 2 },
    `2026-01-01T12:00  keep-weekly 2: newest of 2026-W01
     2025-12-29T00:00  -
     2025-12-28T23:59  keep-weekly 2: newest of 2025-W52
     2025-12-22T00:00  -
     2025-12-21T00:00  -`,
  ],
  "keep-monthly keeps the newest of each month": [
    { keepMonthly: 3 },
    `2024-03-01T00:00  keep-monthly 3: newest of 2024-03
     2024-02-29T23:59  keep-monthly 3: newest of 2024-02
     2024-02-01T00:00  -
     2023-12-31T23:59  keep-monthly 3: newest of 2023-12
     2022-12-31T23:59  -
     2022-12-30T23:59  -`,
  ],
  "keep-monthly goes by local months": [
    { keepMonthly: 2, timezone: "America/Sao_Paulo" },
    `2026-11-01T03:00  keep-monthly 2: newest of 2026-11
     2026-11-01T02:59  keep-monthly 2: newest of 2026-10
     2026-10-01T03:00  -
     2026-10-01T02:59  -`,
  ],
  "keep-yearly keeps the newest of each year, and the oldest while there are too few": [
    { keepYearly: 3 },
    `2026-11-21T10:00  keep-yearly 3: newest of 2026
     2026-01-01T00:00  -
     2025-12-31T23:59  keep-yearly 3: newest of 2025
     2025-06-01T00:00  -
     2025-01-01T00:00  keep-yearly 3: oldest`,
  ],
  "the oldest is no oldest once the count is used up": [
    { keepYearly: 2 },
    `2026-11-21T10:00  keep-yearly 2: newest of 2026
     2025-12-31T23:59  keep-yearly 2: newest of 2025
     2025-01-01T00:00  -`,
  ],
  "each rule counts for itself, and one backup may have many reasons": [
    { keepLast: 1, keepHourly: 1, keepDaily: 2, keepMonthly: "unlimited" },
    `2026-11-21T10:00  keep-last 1; keep-hourly 1: newest of 2026-11-21 10h; keep-daily 2: newest of 2026-11-21; keep-monthly unlimited: newest of 2026-11
     2026-11-21T09:00  -
     2026-11-20T09:00  keep-daily 2: newest of 2026-11-20
     2026-11-19T09:00  -
     2026-10-19T09:00  keep-monthly unlimited: newest of 2026-10
     2026-10-01T09:00  keep-monthly unlimited: oldest`,
  ],
  "keep-within counts from the newest backup, and what is exactly so old is not within": [
    { keepWithin: "1d12h" },
    `2026-11-21T10:00  keep-within 1d12h
     2026-11-20T10:00  keep-within 1d12h
     2026-11-19T22:00:00.001Z  keep-within 1d12h
     2026-11-19T22:00  -`,
  ],
  "keep-within goes by the calendar: a month before March 31st is the end of February": [
    { keepWithin: "1m" },
    `2026-03-31T10:00  keep-within 1m
     2026-02-28T10:01  keep-within 1m
     2026-02-28T10:00  -`,
  ],
  "keep-within in days that have 25 hours": [
    { keepWithin: "1d", timezone: "Europe/Berlin" },
    `2026-10-25T11:00  keep-within 1d
     2026-10-24T10:30  keep-within 1d
     2026-10-24T10:00  -`,
  ],
  "keep-within a year that was a leap year": [
    { keepWithin: "1y" },
    `2025-02-28T10:00  keep-within 1y
     2024-02-29T10:00  keep-within 1y
     2024-02-28T10:00  -`,
  ],
  "keep-within-hourly keeps the newest of each hour within the span": [
    { keepWithinHourly: "3h" },
    `2026-11-21T10:30  keep-within-hourly 3h: newest of 2026-11-21 10h
     2026-11-21T10:15  -
     2026-11-21T09:45  keep-within-hourly 3h: newest of 2026-11-21 09h
     2026-11-21T07:31  keep-within-hourly 3h: newest of 2026-11-21 07h
     2026-11-21T07:30  -`,
  ],
  "keep-within-daily keeps the newest of each day within the span": [
    { keepWithinDaily: "2d", timezone: "Australia/Lord_Howe" },
    `2026-04-05T12:59  keep-within-daily 2d: newest of 2026-04-05
     2026-04-04T13:00  -
     2026-04-04T12:59  keep-within-daily 2d: newest of 2026-04-04
     2026-04-03T12:59  keep-within-daily 2d: newest of 2026-04-03
     2026-04-03T12:29  -
     2026-04-03T12:28  -`,
  ],
  "keep-within-weekly keeps the newest of each week within the span": [
    { keepWithinWeekly: "14d" },
    `2027-01-04T10:00  keep-within-weekly 14d: newest of 2027-W01
     2027-01-01T10:00  keep-within-weekly 14d: newest of 2026-W53
     2026-12-31T10:00  -
     2026-12-27T10:00  keep-within-weekly 14d: newest of 2026-W52
     2026-12-21T10:00  -`,
  ],
  "keep-within-monthly keeps the newest of each month within the span, and the oldest of all if it is within": [
    { keepWithinMonthly: "6m" },
    `2026-11-21T10:00  keep-within-monthly 6m: newest of 2026-11
     2026-06-30T10:00  keep-within-monthly 6m: newest of 2026-06
     2026-06-01T10:00  keep-within-monthly 6m: oldest`,
  ],
  "keep-within-yearly keeps the newest of each year within the span, and no oldest that is not": [
    { keepWithinYearly: "1y6m" },
    `2026-11-21T10:00  keep-within-yearly 1y6m: newest of 2026
     2025-06-30T10:00  keep-within-yearly 1y6m: newest of 2025
     2025-06-01T10:00  -
     2025-05-01T10:00  -`,
  ],
};

test.each(Object.entries(TABLES))("rules: %s", (_, [policy, table]) => {
  const expected = table.split("\n").map((row) => row.trim().split("  "));
  const list = expected.map(([createdAt]) => backup(createdAt!)).map((it) => ({ backup: it, createdMs: Date.parse(it.createdAt) }));
  const kept = keptByRules(list, keepRulesOf(policy)!, openCalendar(policy.timezone ?? "UTC"));
  expect(list.map(({ backup: it }) => [it.id, kept.get(it)?.join("; ") ?? "-"])).toEqual(expected);
});

test("rules: keep-tag keeps what has any of the tags, with that value where one is given", () => {
  const tags = [{ release: "1" }, { release: "2" }, { by: "release" }, { note: "a=b", release: "3" }, {}];
  const list = tags.map((it, at) => ({ backup: backup(`2026-11-21T0${9 - at}:00`, { tags: it }), createdMs: -at }));
  const keptBy = (keepTags: string[]) => {
    const kept = keptByRules(list, keepRulesOf({ keepTags })!, openCalendar("UTC"));
    return list.map(({ backup: it }) => kept.get(it)?.join("; ") ?? "-");
  };
  expect(keptBy(["release"])).toEqual(["keep-tag release", "keep-tag release", "-", "keep-tag release", "-"]);
  expect(keptBy(["release=2", "by"])).toEqual(["-", "keep-tag release=2", "keep-tag by", "-", "-"]);
  expect(keptBy(["note=a=b", "release=3"])).toEqual(["-", "-", "-", "keep-tag note=a=b; keep-tag release=3", "-"]);
  expect(keptBy(["toString", "release="])).toEqual(["-", "-", "-", "-", "-"]);
});

test("rules: what keeps nothing is no rule", () => {
  expect(keepRulesOf({})).toBeUndefined();
  expect(keepRulesOf({ minimum: 3, maxAge: "1d", maxSizeBytes: 1, keepPointsWithin: "7d", timezone: "UTC" })).toBeUndefined();
  expect(keepRulesOf({ keepLast: 0, keepHourly: 0, keepYearly: 0, keepWithin: "0h", keepWithinDaily: "0d0h", keepTags: [] })).toBeUndefined();
  expect(keepRulesOf({ keepLast: 0, keepDaily: 1 })).toEqual({ counted: [{ name: "keep-daily 1", count: 1, period: "day" }], within: [], tags: [] });
});

test("rules: nothing is kept of nothing", () => {
  expect(keptByRules([], keepRulesOf({ keepLast: 3, keepWithin: "7d" })!, openCalendar("UTC")).size).toBe(0);
});

test("rules: whether another one would be kept is what they say of the list with it", () => {
  const property = fc.property(anyCatalogue, anyKeepRules, fc.constantFrom("UTC", "Europe/Berlin"), ({ backups }, policy, timezone) => {
    const [rules, calendar] = [keepRulesOf(policy), openCalendar(timezone)];
    if (rules === undefined) return;
    const dated = backups.map((each) => ({ backup: each, createdMs: Date.parse(each.createdAt) })).sort((a, b) => b.createdMs - a.createdMs);
    const [list, others] = [dated.filter((_, index) => index % 3 !== 1), dated.filter((_, index) => index % 3 === 1)];
    const isKept = placeAmong(list, rules, calendar);
    for (const other of others) {
      const place = list.findIndex(({ createdMs }) => createdMs <= other.createdMs);
      const whole = place < 0 ? [...list, other] : list.toSpliced(place, 0, other);
      expect(isKept(other)).toBe(keptByRules(whole, rules, calendar).has(other.backup));
    }
  });
  fc.assert(property, { seed: SEED, numRuns: runs(500, 20_000) });
});
