import { expect, test } from "vitest";
import { parseSpan } from "../../src/repository/retention-policy.ts";
import { openCalendar, type Period } from "../../src/retention/calendar.ts";
import { expectThrown } from "../support/failures.ts";

// Each worked out with a wall calendar and the zone's rules: Berlin is +1, +2 from the last Sunday of March to the last of October, both at 01:00 UTC.
// Lord Howe is +10:30, +11 from the first Sunday of October to the first of April. São Paulo began summer time at midnight, until 2018.
const LOCAL: readonly [at: string, timeZone: string, period: Period, name: string][] = [
  ["2026-11-21T09:59:59.999Z", "UTC", "hour", "2026-11-21 09h"],
  ["2026-11-21T10:00:00.000Z", "UTC", "hour", "2026-11-21 10h"],
  ["2026-11-21T10:00:00.000Z", "Asia/Kolkata", "hour", "2026-11-21 15h"],
  ["2026-11-21T10:30:00.000Z", "Asia/Kolkata", "hour", "2026-11-21 16h"],
  // The clock goes from 02:00 to 03:00.
  ["2026-03-29T00:59:59.999Z", "Europe/Berlin", "hour", "2026-03-29 01h"],
  ["2026-03-29T01:00:00.000Z", "Europe/Berlin", "hour", "2026-03-29 03h"],
  // It goes from 03:00 back to 02:00: two hours are the same one.
  ["2026-10-25T00:00:00.000Z", "Europe/Berlin", "hour", "2026-10-25 02h"],
  ["2026-10-25T01:59:59.999Z", "Europe/Berlin", "hour", "2026-10-25 02h"],
  ["2026-10-25T02:00:00.000Z", "Europe/Berlin", "hour", "2026-10-25 03h"],
  // From 02:00 back to 01:30: that hour lasts for an hour and a half.
  ["2026-04-04T14:00:00.000Z", "Australia/Lord_Howe", "hour", "2026-04-05 01h"],
  ["2026-04-04T15:29:59.999Z", "Australia/Lord_Howe", "hour", "2026-04-05 01h"],
  ["2026-04-04T15:30:00.000Z", "Australia/Lord_Howe", "hour", "2026-04-05 02h"],
  // From 02:00 to 02:30: that one for half an hour.
  ["2026-10-03T15:29:59.999Z", "Australia/Lord_Howe", "hour", "2026-10-04 01h"],
  ["2026-10-03T15:30:00.000Z", "Australia/Lord_Howe", "hour", "2026-10-04 02h"],
  ["2026-10-03T16:00:00.000Z", "Australia/Lord_Howe", "hour", "2026-10-04 03h"],

  ["2026-11-20T23:59:59.999Z", "UTC", "day", "2026-11-20"],
  ["2026-11-21T00:00:00.000Z", "UTC", "day", "2026-11-21"],
  ["2026-11-20T23:00:00.000Z", "Europe/Berlin", "day", "2026-11-21"],
  ["2026-11-21T02:59:59.999Z", "America/Sao_Paulo", "day", "2026-11-20"],
  // A day without midnight: 2018-11-04 began at 01:00, which was 03:00 UTC.
  ["2018-11-04T02:59:59.999Z", "America/Sao_Paulo", "day", "2018-11-03"],
  ["2018-11-04T03:00:00.000Z", "America/Sao_Paulo", "day", "2018-11-04"],
  ["2018-11-04T03:00:00.000Z", "America/Sao_Paulo", "hour", "2018-11-04 01h"],
  // A day with its last hour twice: 2018-02-17 ended at 03:00 UTC, and the hour from 23:00 had begun at 01:00 UTC.
  ["2018-02-18T01:00:00.000Z", "America/Sao_Paulo", "hour", "2018-02-17 23h"],
  ["2018-02-18T02:59:59.999Z", "America/Sao_Paulo", "hour", "2018-02-17 23h"],
  ["2018-02-18T03:00:00.000Z", "America/Sao_Paulo", "day", "2018-02-18"],

  // ISO weeks begin on Monday, and belong to the year that has their Thursday.
  ["2026-11-22T23:59:59.999Z", "UTC", "week", "2026-W47"],
  ["2026-11-23T00:00:00.000Z", "UTC", "week", "2026-W48"],
  ["2025-12-28T23:59:59.999Z", "UTC", "week", "2025-W52"],
  ["2025-12-29T00:00:00.000Z", "UTC", "week", "2026-W01"],
  ["2026-12-31T12:00:00.000Z", "UTC", "week", "2026-W53"],
  ["2027-01-03T23:59:59.999Z", "UTC", "week", "2026-W53"],
  ["2027-01-04T00:00:00.000Z", "UTC", "week", "2027-W01"],
  ["2027-01-03T23:00:00.000Z", "Europe/Berlin", "week", "2027-W01"],
  ["2022-01-01T12:00:00.000Z", "UTC", "week", "2021-W52"],

  ["2024-02-29T23:59:59.999Z", "UTC", "month", "2024-02"],
  ["2024-03-01T00:00:00.000Z", "UTC", "month", "2024-03"],
  ["2024-02-29T23:00:00.000Z", "Europe/Berlin", "month", "2024-03"],
  ["2026-12-31T23:59:59.999Z", "UTC", "year", "2026"],
  ["2027-01-01T00:00:00.000Z", "UTC", "year", "2027"],
  ["2026-12-31T13:00:00.000Z", "Australia/Lord_Howe", "year", "2027"],
];

test.each(LOCAL)("calendar: %s is in %s's %s %s", (at, timeZone, period, name) => {
  expect(openCalendar(timeZone).periodOf(Date.parse(at), period)).toBe(name);
});

const BEFORE: readonly [at: string, timeZone: string, span: string, before: string][] = [
  ["2026-11-21T10:00:00.000Z", "UTC", "0h", "2026-11-21T10:00:00.000Z"],
  ["2026-11-21T10:00:00.000Z", "UTC", "12h", "2026-11-20T22:00:00.000Z"],
  ["2026-11-21T10:00:00.000Z", "UTC", "7d12h", "2026-11-13T22:00:00.000Z"],
  ["2026-03-31T10:00:00.000Z", "UTC", "1m", "2026-02-28T10:00:00.000Z"],
  ["2024-02-29T10:00:00.000Z", "UTC", "1y", "2023-02-28T10:00:00.000Z"],
  ["2026-01-15T10:00:00.000Z", "UTC", "1y1m1d1h", "2024-12-14T09:00:00.000Z"],
  // Noon in Berlin is 11:00 UTC in winter and 10:00 in summer: a day is shorter in March, and longer in October; 24 hours never are.
  ["2026-03-29T10:00:00.000Z", "Europe/Berlin", "1d", "2026-03-28T11:00:00.000Z"],
  ["2026-03-29T10:00:00.000Z", "Europe/Berlin", "24h", "2026-03-28T10:00:00.000Z"],
  ["2026-10-25T11:00:00.000Z", "Europe/Berlin", "1d", "2026-10-24T10:00:00.000Z"],
  ["2026-10-25T11:00:00.000Z", "Europe/Berlin", "24h", "2026-10-24T11:00:00.000Z"],
  // 02:30 is skipped on the 29th: 03:30 then. On October 25th it comes twice: the first.
  ["2026-03-30T00:30:00.000Z", "Europe/Berlin", "1d", "2026-03-29T01:30:00.000Z"],
  ["2026-10-26T01:30:00.000Z", "Europe/Berlin", "1d", "2026-10-25T00:30:00.000Z"],
  // Days first, then hours.
  ["2026-03-29T10:00:00.000Z", "Europe/Berlin", "1d12h", "2026-03-27T23:00:00.000Z"],
  ["2026-04-05T01:30:00.000Z", "Australia/Lord_Howe", "1d", "2026-04-04T01:00:00.000Z"],
];

test.each(BEFORE)("calendar: %s in %s, %s earlier, is %s", (at, timeZone, span, before) => {
  expect(new Date(openCalendar(timeZone).before(Date.parse(at), parseSpan(span))).toISOString()).toBe(before);
});

test.each(["9999999y", "99999999999999999999999y", "9".repeat(400).concat("h")])("calendar: %s earlier is before everything", (span) => {
  expect(openCalendar("UTC").before(Date.parse("2026-11-21T10:00:00.000Z"), parseSpan(span))).toBe(Number.NEGATIVE_INFINITY);
});

test("calendar: refuses what is no time zone", async () => {
  const error = await expectThrown("CONFIG_INVALID", () => openCalendar("Europe/Nowhere"), /^"Europe\/Nowhere" is not a time zone$/);
  expect(error.hint).toBe("Give an IANA name such as Europe/Berlin or UTC.");
  await expectThrown("CONFIG_INVALID", () => openCalendar(""), /^"" is not a time zone$/);
});
