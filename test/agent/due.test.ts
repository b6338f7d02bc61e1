import fc from "fast-check";
import { expect, test } from "vitest";
import { nextRun, type TaskHistory } from "../../src/agent/due.ts";
import { parseSchedule, type Schedule } from "../../src/agent/schedule.ts";
import { FAILURE_REASONS, type FailureReason } from "../../src/metrics/reasons.ts";
import { runs, SEED } from "../support/counts.ts";

const MINUTE_MS = 60_000;
const at = (time: string) => new Date(`2026-11-22T${time}Z`);
const HOURLY = parseSchedule("--save-schedule", "0 * * * *", "UTC");
const DAILY = parseSchedule("--save-schedule", "0 3 * * *", "UTC");
const NEVER: Schedule = { text: "", timezone: "UTC", next: () => null };
const EPOCH = new Date(0);

function failed(endedAt: string, inARow = 1, reason: FailureReason = "etcd-unreachable"): TaskHistory["failing"] {
  return { inARow, endedAt: at(endedAt), reason };
}

test.each<[string, Schedule, Partial<TaskHistory>, string | null, boolean]>([
  ["never done, and not late for times before the agent", HOURLY, { since: at("09:30:00") }, "10:00:00", false],
  ["begun before", HOURLY, { lastBegunAt: at("09:00:03") }, "10:00:00", false],
  ["begun at that very time", HOURLY, { lastBegunAt: at("09:00:00") }, "10:00:00", false],
  ["begun before there was this agent", HOURLY, { lastBegunAt: at("04:10:00"), since: at("09:30:00") }, "05:00:00", false],
  ["failed, and it is long until it comes", DAILY, { lastBegunAt: at("03:00:00"), failing: failed("03:05:00") }, "03:06:00", true],
  ["failed twice", DAILY, { lastBegunAt: at("03:06:00"), failing: failed("03:10:00", 2) }, "03:12:00", true],
  ["failed, and it comes before the back-off ends", HOURLY, { lastBegunAt: at("09:20:00"), failing: failed("09:45:00", 6) }, "10:00:00", false],
  ["failed, and it comes when the back-off ends", HOURLY, { lastBegunAt: at("09:00:00"), failing: failed("09:59:00") }, "10:00:00", false],
  ["failed after so long that it had come again", HOURLY, { lastBegunAt: at("09:00:00"), failing: failed("12:10:00") }, "12:11:00", true],
  ["the same, and it needs somebody", HOURLY, { lastBegunAt: at("09:00:00"), failing: failed("12:10:00", 1, "corrupt") }, "13:00:00", false],
  ["done by another since it failed here", HOURLY, { lastBegunAt: at("12:00:00"), failing: failed("09:10:00", 1, "corrupt") }, "13:00:00", false],
  ["comes no more", NEVER, { lastBegunAt: at("09:00:00") }, null, false],
  ["comes no more, and failed", NEVER, { lastBegunAt: at("09:00:00"), failing: failed("09:10:00") }, "09:11:00", true],
  ["comes no more, and needs somebody", NEVER, { lastBegunAt: at("09:00:00"), failing: failed("09:10:00", 1, "usage") }, null, false],
])("due: %s", (_, schedule, history, time, isRetry) => {
  const next = nextRun(schedule, { lastBegunAt: null, failing: null, since: EPOCH, ...history });
  expect(next).toEqual(time === null ? null : { at: at(time), isRetry });
});

test("due: a cluster that nobody has saved is overdue", () => {
  expect(nextRun(DAILY, { lastBegunAt: null, failing: null, since: EPOCH })!.at.getTime()).toBeLessThan(at("00:00:00").getTime());
});

test("due: the back-off grows to half an hour, and no further", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 100, 5_000, 1e9].map((inARow) => {
    const next = nextRun(DAILY, { lastBegunAt: at("03:00:00"), failing: failed("03:10:00", inARow), since: EPOCH })!;
    expect(next.isRetry).toBe(true);
    return (next.at.getTime() - at("03:10:00").getTime()) / MINUTE_MS;
  });
  expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
});

test("due: what may be gone is tried again, what needs somebody is not, of every reason there is", () => {
  const again = FAILURE_REASONS.filter(
    (reason) => nextRun(DAILY, { lastBegunAt: at("03:00:00"), failing: failed("03:10:00", 1, reason), since: EPOCH })!.isRetry,
  );
  expect(again.toSorted()).toEqual(["deadline-exceeded", "etcd-unreachable", "failure", "locked", "repository-unreachable"]);
});

test("due: of any history, a run is never earlier than allowed, and always comes where the schedule goes on", () => {
  const start = at("00:00:00").getTime();
  const time = fc.integer({ min: -40 * 24 * 60, max: 40 * 24 * 60 }).map((minutes) => new Date(start + minutes * MINUTE_MS));
  const schedule = fc
    .constantFrom(...["* * * * *", "*/7 * * * *", "@hourly", "30 2 * * *", "0 0 1 * *"])
    .map((text) => parseSchedule("-", text, "Europe/Berlin"));
  const failing = fc.record({ inARow: fc.integer({ min: 1, max: 2_000 }), endedAt: time, reason: fc.constantFrom(...FAILURE_REASONS) });
  const history = fc.record({ lastBegunAt: fc.option(time), failing: fc.option(failing), since: time });
  fc.assert(
    fc.property(schedule, history, (each, known) => {
      const next = nextRun(each, known);
      expect(next).not.toBeNull();
      const from = known.lastBegunAt ?? known.since;
      const latest = new Date(Math.max(from.getTime(), known.failing?.endedAt.getTime() ?? 0));
      const scheduled = each.next(latest)!;
      if (known.failing === null) expect(next).toEqual({ at: each.next(from), isRetry: false });
      else {
        expect(next!.at.getTime()).toBeLessThanOrEqual(scheduled.getTime());
        expect(next!.at.getTime()).toBeGreaterThan(known.failing.endedAt.getTime());
        if (next!.isRetry)
          expect(next!.at.getTime() - known.failing.endedAt.getTime()).toBe(Math.min(30, 2 ** Math.min(known.failing.inARow - 1, 9)) * MINUTE_MS);
        else expect(next!.at).toEqual(scheduled);
      }
    }),
    { seed: SEED, numRuns: runs(300, 10_000) },
  );
});

test("due: however many times were missed, one run catches up with them", () => {
  const now = fc.integer({ min: 0, max: 400 * 24 * 60 }).map((minutes) => new Date(at("09:00:30").getTime() + minutes * MINUTE_MS));
  const schedule = fc.constantFrom("* * * * *", "@hourly", "30 2 * * *").map((text) => parseSchedule("-", text, "America/New_York"));
  fc.assert(
    fc.property(schedule, now, (each, time) => {
      const known = { failing: null, since: EPOCH };
      const isDue = nextRun(each, { ...known, lastBegunAt: at("09:00:00") })!.at <= time;
      expect(isDue).toBe(each.next(at("09:00:00"))! <= time);
      expect(nextRun(each, { ...known, lastBegunAt: time })!.at > time).toBe(true);
    }),
    { seed: SEED, numRuns: runs(100, 5_000) },
  );
});
