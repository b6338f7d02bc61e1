import { expect, test } from "vitest";
import { type ClockFacts, judgeClock } from "../../src/retention/clock.ts";
import { expectThrown } from "../support/failures.ts";

const OURS = new Date("2026-11-21T12:00:00.000Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Newest first, so long before our clock's time. */
function backups(ages: readonly number[], offsets: Readonly<Record<number, number>> = {}): ClockFacts["backups"] {
  return ages.map((age, at) => ({ createdAt: new Date(OURS.getTime() - age).toISOString(), memberOffsetMs: offsets[at] ?? null }));
}

/** So many, an hour apart, the newest so old. */
function hourly(count: number, newestAge: number = HOUR): number[] {
  return Array.from({ length: count }, (_, at) => newestAge + at * HOUR);
}

function host(ages: readonly number[], offsets: Readonly<Record<number, number>> = {}): ClockFacts {
  return { ours: OURS, store: null, backups: backups(ages, offsets) };
}

function store(offsetMs: number, uncertaintyMs = 0, ages: readonly number[] = []): ClockFacts {
  return { ours: OURS, store: { time: new Date(OURS.getTime() + offsetMs), uncertaintyMs }, backups: backups(ages, { 0: DAY }) };
}

test.each([0, 5 * MINUTE, -5 * MINUTE])("clock: the store's is believed %i ms from ours", (offsetMs) => {
  expect(judgeClock(store(offsetMs))).toEqual({ now: new Date(OURS.getTime() + offsetMs), from: "store" });
});

test("clock: what is not known of the store's is not held against it, nor do backups matter where the store has a clock", () => {
  expect(judgeClock(store(-6 * MINUTE, MINUTE, hourly(10, 365 * DAY)))).toEqual({ now: new Date(OURS.getTime() - 6 * MINUTE), from: "store" });
});

test.each([
  [
    5 * MINUTE + 1,
    0,
    /^the store's clock shows 2026-11-21T12:05:00.001Z and this host's 2026-11-21T12:00:00.000Z: 5 minutes apart, and 5 minutes are allowed$/,
  ],
  [-6 * MINUTE, MINUTE - 1, /^the store's clock shows 2026-11-21T11:54:00.000Z .*: 6 minutes apart/],
  [-365 * DAY, 0, /365 days apart/],
])("clock: refuses a store's that is %i ms from ours, known to within %i ms", async (offsetMs, uncertaintyMs, message) => {
  const error = await expectThrown("CLOCK_DIFFERS", () => judgeClock(store(offsetMs, uncertaintyMs)), message);
  expect(error.hint).toBe("Set this host's clock by NTP, or the store's if that is wrong. Nothing was removed.");
});

const BELIEVED: Record<string, ClockFacts> = {
  "without backups": host([]),
  "with backups at their usual distance": host(hourly(30)),
  "after ten times the usual interval": host(hourly(30, 10 * HOUR)),
  "after a long time, with too few backups to know what is usual": host([DAY * 365, DAY * 365 + HOUR, DAY * 365 + 2 * HOUR, DAY * 365 + 3 * HOUR]),
  "after a pause, once a member's clock agreed": host([0, ...hourly(10, 365 * DAY)], { 0: 5 * MINUTE }),
  "after a pause, though a later backup could not be compared": host([0, HOUR, ...hourly(10, 365 * DAY)], { 1: -5 * MINUTE }),
  "after a pause that ten backups followed": host([...hourly(10), ...hourly(10, 365 * DAY)]),
  "where backups were made by hand, minutes apart, less than an hour ago": host([50 * MINUTE, 51 * MINUTE, 52 * MINUTE, 53 * MINUTE, 54 * MINUTE]),
  "where the last member's clock that was measured agreed": host(hourly(20), { 3: 5 * MINUTE, 4: DAY }),
  "where a member's clock differed more than ten backups ago": host(hourly(20), { 10: DAY }),
  "with a backup from the future, whatever its member's clock showed": host([-365 * DAY, ...hourly(10)], { 0: DAY }),
  "where each backup was stored again, twice": host(hourly(12).flatMap((age) => [age, age, age])),
};

test.each(Object.entries(BELIEVED))("clock: ours is believed %s", (_, facts) => {
  expect(judgeClock(facts)).toEqual({ now: OURS, from: "host" });
});

const REFUSED: Record<string, readonly [ClockFacts, RegExp]> = {
  "a year after the newest backup": [
    host(hourly(30, 365 * DAY)),
    /^this host's clock shows 2026-11-21T12:00:00.000Z, and may be ahead: the newest backup is of 2025-11-21T12:00:00.000Z, backups are 60 minutes apart as a rule, and that is 365 days later than the newest backup$/,
  ],
  "with five backups, which make four intervals": [host(hourly(5, 365 * DAY)), /may be ahead/],
  "just after ten times the usual interval": [host(hourly(30, 10 * HOUR + 1)), /that is 10 hours later/],
  "when backups followed a jump, but fewer than ten, and nobody's clock confirmed it": [
    host([...hourly(9), ...hourly(20, 365 * DAY)]),
    /the newest backup is of 2026-11-21T11:00:00.000Z, backups are 60 minutes apart as a rule, and 364.6 days passed from 2025-11-21T12:00:00.000Z to 2026-11-21T03:00:00.000Z$/,
  ],
  "when a member's clock agreed before a jump, and none since": [host([...hourly(3), ...hourly(20, 365 * DAY)], { 3: 0 }), /days passed/],
  "when a member's clock agreed after one jump, but not after a later one": [
    host([...hourly(2), ...hourly(2, 100 * DAY), ...hourly(20, 365 * DAY)], { 2: 0 }),
    /99.9 days passed from 2026-08-13T12:00:00.000Z/,
  ],
  "when the usual interval is in the middle, and not the average": [host([HOUR, 2 * HOUR, 30 * DAY, 30 * DAY + HOUR, 30 * DAY + 2 * HOUR]), /as a rule/],
  "though each backup was stored again": [host(hourly(12, 365 * DAY).flatMap((age) => [age, age])), /365 days later/],
  "when the member's clock was behind the host's": [
    host(hourly(20), { 9: -5 * MINUTE - 1, 10: 0 }),
    /^when the backup of 2026-11-21T02:00:00.000Z was saved, the member's clock was 5 minutes behind the host's, and now this host's shows 2026-11-21T12:00:00.000Z$/,
  ],
  "when the member's clock was ahead of the host's": [host(hourly(2), { 0: 2 * DAY }), /the member's clock was 2 days ahead of the host's/],
};

test.each(Object.entries(REFUSED))("clock: ours is refused %s", async (_, [facts, message]) => {
  const error = await expectThrown("CLOCK_DIFFERS", () => judgeClock(facts), message);
  expect(error.hint).toMatch(/^Check this host's clock \(NTP\)\. .* a backup taken now .* --clock-is-right .* Nothing was removed\.$/);
});

test("clock: the usual interval is that of the last twenty, not of long ago", async () => {
  const oftenLongAgo = [...hourly(21, 11 * HOUR), ...Array.from({ length: 100 }, (_, at) => 100 * HOUR + at * MINUTE)];
  await expectThrown("CLOCK_DIFFERS", () => judgeClock(host(oftenLongAgo)), /backups are 60 minutes apart/);
});
