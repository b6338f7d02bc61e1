import { expect, test } from "vitest";
import type { RetentionPolicy } from "../../src/repository/retention-policy.ts";
import { planRetention, type RetentionBackup, type RetentionSegment } from "../../src/retention/plan.ts";
import { expectThrown } from "../support/failures.ts";
import { backup, idsOf, NOW, segment } from "./catalogues.ts";

function plan(backups: readonly RetentionBackup[], policy: RetentionPolicy, segments: readonly RetentionSegment[] = []) {
  return planRetention({ backups, segments }, policy, NOW);
}

/** Every backup with what was decided, in the order in which they were given. */
function verdicts(backups: readonly RetentionBackup[], policy: RetentionPolicy, segments: readonly RetentionSegment[] = []): string[] {
  const { keep, remove, leave } = plan(backups, policy, segments);
  const found = new Map([
    ...keep.map(({ backup: { id }, reasons }) => [id, `keep: ${reasons.join("; ")}`] as const),
    ...remove.map(({ backup: { id }, reasons }) => [id, `remove: ${reasons.join("; ")}`] as const),
    ...leave.map(({ key, reason }) => [key, `leave: ${reason}`] as const),
  ]);
  expect(found.size).toBe(keep.length + remove.length + leave.length);
  return backups.map(({ id }) => `${id} ${found.get(id)}`);
}

test("plan: keeps newest first, and removes oldest first, with all reasons", () => {
  const backups = [backup("2026-11-18T10:00"), backup("2026-11-21T10:00"), backup("2026-11-19T10:00"), backup("2026-11-20T10:00")];
  const { keep, remove, leave, segments } = plan(backups, { keepLast: 1, keepDaily: 2 });
  expect(keep).toEqual([
    { backup: backups[1], reasons: ["keep-last 1", "keep-daily 2: newest of 2026-11-21", "the newest proven one", "the newest good one"] },
    { backup: backups[3], reasons: ["keep-daily 2: newest of 2026-11-20"] },
  ]);
  expect(remove).toEqual([
    { backup: backups[0], reasons: ["kept by no rule"] },
    { backup: backups[2], reasons: ["kept by no rule"] },
  ]);
  expect({ leave, segments }).toEqual({ leave: [], segments: { keep: [], remove: [] } });
});

test.each<RetentionPolicy>([{}, { minimum: 3 }, { keepLast: 0, keepWithin: "0h", keepTags: [] }, { timezone: "UTC" }])(
  "plan: refuses %j, which has no rule",
  async (policy) => {
    const error = await expectThrown("USAGE", () => plan([backup("2026-11-21T10:00")], policy), /^no rule says what to keep or what to remove/);
    expect(error.hint).toMatch(/--keep-last, .*--max-age or --max-bytes/);
  },
);

test("plan: refuses a time zone that is none, also where no rule asks for it", async () => {
  await expectThrown("CONFIG_INVALID", () => plan([], { keepLast: 1, timezone: "Mars" }), /"Mars" is not a time zone/);
});

test("plan: nothing of nothing", () => {
  expect(plan([], { keepLast: 1, maxSizeBytes: 0 })).toEqual({ keep: [], remove: [], leave: [], segments: { keep: [], remove: [] } });
});

test("plan: of backups created in the same millisecond the first is the newer", () => {
  const twins = [backup("2026-11-21T10:00", { id: "z" }), backup("2026-11-21T10:00", { id: "a", revision: "2" })];
  expect(idsOf(plan(twins, { keepLast: 1 }).keep)).toEqual(["z"]);
  expect(idsOf(plan(twins.toReversed(), { keepLast: 1 }).keep)).toEqual(["a"]);
  const unknown = twins.map((each) => ({ ...each, revision: null }));
  expect(idsOf(plan(unknown, { keepLast: 1 }).keep)).toEqual(["z"]);
});

test("plan: what was stored again, of one time and revision, counts as one backup, and stays or goes with the other", () => {
  const again = (createdAt: string, revision: string, other: Partial<RetentionBackup> = {}) => [
    backup(createdAt, { id: `${createdAt} again`, revision, ...other }),
    backup(createdAt, { revision }),
  ];
  const backups = [
    ...again("2026-11-21T10:00", "4"),
    ...again("2026-11-21T09:00", "3", { state: "damaged" }),
    ...again("2026-11-21T08:00", "2"),
    ...again("2026-11-21T07:00", "1"),
  ];
  expect(verdicts(backups, { keepLast: 3, minimum: 2 })).toEqual([
    "2026-11-21T10:00 again keep: keep-last 3; the newest proven one; of the 2 newest good ones",
    "2026-11-21T10:00 keep: holds the same as 2026-11-21T10:00 again; the newest proven one; of the 2 newest good ones",
    "2026-11-21T09:00 again keep: keep-last 3",
    "2026-11-21T09:00 keep: keep-last 3; of the 2 newest good ones",
    "2026-11-21T08:00 again keep: keep-last 3",
    "2026-11-21T08:00 keep: holds the same as 2026-11-21T08:00 again",
    "2026-11-21T07:00 again remove: kept by no rule",
    "2026-11-21T07:00 remove: kept by no rule",
  ]);
  // Also by rules that choose one of each period, of which the oldest may be either.
  expect(idsOf(plan(backups, { keepDaily: 5 }).keep)).toEqual([
    ...["2026-11-21T10:00 again", "2026-11-21T10:00", "2026-11-21T07:00 again", "2026-11-21T07:00"],
  ]);
});

test("plan: the newest proven backup stays, and the newest unconfirmed one if it is newer", () => {
  const backups = [
    backup("2026-11-21T10:00", { state: "suspect" }),
    backup("2026-11-21T09:00", { state: "unconfirmed" }),
    backup("2026-11-21T08:00", { state: "unconfirmed" }),
    backup("2026-11-21T07:00"),
    backup("2026-11-21T06:00", { state: "unconfirmed" }),
    backup("2026-11-21T05:00"),
  ];
  expect(verdicts(backups, { keepTags: ["none"], minimum: 0 })).toEqual([
    "2026-11-21T10:00 remove: kept by no rule",
    "2026-11-21T09:00 keep: the newest unconfirmed one, and no proven one is newer",
    "2026-11-21T08:00 remove: kept by no rule",
    "2026-11-21T07:00 keep: the newest proven one",
    "2026-11-21T06:00 remove: kept by no rule",
    "2026-11-21T05:00 remove: kept by no rule",
  ]);
});

test("plan: without any proven backup the newest unconfirmed one stays", () => {
  const backups = [backup("2026-11-21T10:00", { state: "damaged" }), backup("2026-11-21T09:00", { state: "unconfirmed" })];
  expect(idsOf(plan(backups, { keepTags: ["none"], minimum: 0 }).keep)).toEqual(["2026-11-21T09:00"]);
});

test("plan: as many of the newest good ones stay as the minimum says, by default one", () => {
  const backups = [
    backup("2026-11-21T10:00"),
    backup("2026-11-21T09:00", { state: "damaged" }),
    backup("2026-11-21T08:00", { timeline: "B" }),
    backup("2026-11-21T07:00"),
    backup("2026-11-21T06:00"),
  ];
  expect(verdicts(backups, { maxAge: "1h", minimum: 3 })).toEqual([
    "2026-11-21T10:00 keep: no keep rule is given: only limits remove; the newest proven one; of the 3 newest good ones",
    "2026-11-21T09:00 remove: older than max-age 1h",
    "2026-11-21T08:00 keep: no keep rule is given: only limits remove; of the 3 newest good ones",
    "2026-11-21T07:00 keep: no keep rule is given: only limits remove; of the 3 newest good ones",
    "2026-11-21T06:00 remove: older than max-age 1h",
  ]);
  expect(plan([backup("2020-11-21T10:00")], { maxAge: "1h" }).keep[0]?.reasons.slice(1)).toEqual(["the newest proven one", "the newest good one"]);
});

test.each(["suspect", "partial", "damaged"] as const)("plan: a %s backup never counts as a good one, and has a list of its own", (state) => {
  const backups = [
    backup("2026-11-21T10:00", { state }),
    backup("2026-11-21T09:00", { state }),
    backup("2026-11-21T08:00"),
    backup("2026-11-21T07:00"),
    backup("2026-11-21T06:00"),
  ];
  expect(verdicts(backups, { keepLast: 2, minimum: 2 })).toEqual([
    "2026-11-21T10:00 keep: keep-last 2",
    "2026-11-21T09:00 keep: keep-last 2",
    "2026-11-21T08:00 keep: keep-last 2; the newest proven one; of the 2 newest good ones",
    "2026-11-21T07:00 keep: keep-last 2; of the 2 newest good ones",
    "2026-11-21T06:00 remove: kept by no rule",
  ]);
});

test("plan: a bad backup stays as long as a good one in its place would, and makes no room by going", () => {
  const backups = [
    backup("2026-11-21T10:00"),
    backup("2026-11-21T09:00", { state: "damaged" }),
    backup("2026-11-21T08:00"),
    backup("2026-11-20T23:00", { state: "suspect" }),
    backup("2026-11-20T10:00"),
    backup("2026-11-20T09:00", { state: "damaged" }),
  ];
  expect(verdicts(backups, { keepLast: 2, keepDaily: 2 })).toEqual([
    "2026-11-21T10:00 keep: keep-last 2; keep-daily 2: newest of 2026-11-21; the newest proven one; the newest good one",
    "2026-11-21T09:00 keep: keep-last 2; keep-daily 2: newest of 2026-11-21",
    "2026-11-21T08:00 keep: keep-last 2",
    "2026-11-20T23:00 keep: keep-last 2; keep-daily 2: newest of 2026-11-20",
    "2026-11-20T10:00 keep: keep-daily 2: newest of 2026-11-20",
    "2026-11-20T09:00 remove: kept by no rule",
  ]);
  expect(idsOf(plan(backups, { keepLast: 1 }).keep)).toEqual(["2026-11-21T10:00"]);
});

test("plan: keep-within of the good ones counts from the newest good one, however new a bad one is", () => {
  const backups = [backup("2026-11-21T10:00", { state: "damaged" }), backup("2026-11-11T10:00"), backup("2026-11-10T10:00"), backup("2026-11-08T10:00")];
  expect(idsOf(plan(backups, { keepWithin: "2d" }).remove)).toEqual(["2026-11-08T10:00"]);
});

test("plan: each timeline has a list of its own, and what belongs to none has one, too", () => {
  const backups = [
    backup("2026-11-21T10:00", { timeline: "B" }),
    backup("2026-11-21T09:00", { timeline: "B" }),
    backup("2026-11-20T10:00"),
    backup("2026-11-20T09:00"),
    backup("2026-11-19T10:00", { timeline: null }),
    backup("2026-11-19T09:00", { timeline: null }),
  ];
  expect(idsOf(plan(backups, { keepLast: 1 }).keep)).toEqual(["2026-11-21T10:00", "2026-11-20T10:00", "2026-11-19T10:00"]);
});

test("plan: what is pinned or locked stays, whatever its state, and says why", () => {
  const backups = [
    backup("2026-11-21T10:00"),
    backup("2026-11-20T10:00", { pin: "before the upgrade", state: "suspect" }),
    backup("2026-11-20T09:00", { lock: { until: "2026-12-24T00:00:00Z" } }),
    backup("2026-11-20T08:00", { lock: { until: null } }),
    backup("2026-11-20T07:00", { lock: { until: "2026-11-21T12:00:00.001Z" } }),
    backup("2026-11-20T06:00", { lock: { until: NOW.toISOString() } }),
    backup("2026-11-20T05:00", { lock: { until: "some day" } }),
  ];
  expect(verdicts(backups, { keepLast: 1, maxAge: "3h", maxSizeBytes: 0 }).slice(1)).toEqual([
    "2026-11-20T10:00 keep: pinned: before the upgrade",
    "2026-11-20T09:00 keep: locked by the store until 2026-12-24T00:00:00Z",
    "2026-11-20T08:00 keep: locked by the store: under a legal hold",
    "2026-11-20T07:00 keep: locked by the store until 2026-11-21T12:00:00.001Z",
    "2026-11-20T06:00 remove: kept by no rule; older than max-age 3h",
    "2026-11-20T05:00 keep: locked by the store until some day",
  ]);
});

test("plan: what is being written, cannot be read or is dated in the future is left alone, and takes nobody's place", () => {
  const backups = [
    backup("2026-11-21T12:05:00.001Z"),
    backup("2026-11-21T12:05"),
    backup("2026-11-21T11:00", { isBeingWritten: true }),
    backup("2026-11-21T10:00", { state: "unreadable", pin: "really" }),
    backup("2026-11-21T09:00"),
    backup("2026-11-21T08:00"),
    backup("2026-11-21T07:00", { id: "when?", createdAt: "when?" }),
  ];
  expect(verdicts(backups, { keepLast: 2, maxSizeBytes: 20 })).toEqual([
    "2026-11-21T12:05:00.001Z leave: dated 2026-11-21T12:05:00.001Z, in the future: now is 2026-11-21T12:00:00.000Z",
    "2026-11-21T12:05 keep: keep-last 2; the newest proven one; the newest good one",
    "2026-11-21T11:00 leave: is being written",
    "2026-11-21T10:00 leave: its manifest cannot be read",
    "2026-11-21T09:00 keep: keep-last 2",
    "2026-11-21T08:00 remove: kept by no rule",
    "when? leave: dated when?, in the future: now is 2026-11-21T12:00:00.000Z",
  ]);
});

test("plan: max-age removes what rules keep, counted from now, and what is exactly so old is not older", () => {
  const backups = [backup("2026-11-21T11:00"), backup("2026-11-20T12:00"), backup("2026-11-20T11:59:59.999Z")];
  expect(verdicts(backups, { keepLast: "unlimited", maxAge: "1d" }).slice(1)).toEqual([
    "2026-11-20T12:00 keep: keep-last unlimited",
    "2026-11-20T11:59:59.999Z remove: older than max-age 1d",
  ]);
});

test("plan: max-bytes removes the oldest until the rest fits", () => {
  const backups = ["10", "09", "08", "07"].map((hour) => backup(`2026-11-21T${hour}:00`));
  expect(verdicts(backups, { keepLast: 3, maxSizeBytes: 29 }).slice(1)).toEqual([
    "2026-11-21T09:00 keep: keep-last 3",
    "2026-11-21T08:00 remove: max-bytes 29: with it, 30 bytes would be stored",
    "2026-11-21T07:00 remove: kept by no rule",
  ]);
  expect(idsOf(plan(backups, { keepLast: 3, maxSizeBytes: 30 }).remove)).toEqual(["2026-11-21T07:00"]);
  expect(idsOf(plan(backups, { maxSizeBytes: 0 }).keep)).toEqual(["2026-11-21T10:00"]);
});

test("plan: max-bytes counts what limits by age leave, and what is protected, which it passes over", () => {
  const backups = [
    backup("2026-11-21T10:00"),
    backup("2026-11-21T09:00"),
    backup("2026-11-21T08:00", { pin: "mine" }),
    backup("2026-11-21T07:00"),
    backup("2026-11-01T06:00", { storedSizeBytes: 1000 }),
  ];
  expect(idsOf(plan(backups, { maxAge: "7d", maxSizeBytes: 30 }).remove)).toEqual(["2026-11-01T06:00", "2026-11-21T07:00"]);
  expect(idsOf(plan(backups, { maxAge: "7d", maxSizeBytes: 25 }).remove)).toEqual(["2026-11-01T06:00", "2026-11-21T07:00", "2026-11-21T09:00"]);
  expect(plan(backups, { maxAge: "7d", maxSizeBytes: 25 }).remove.map(({ reasons }) => reasons)).toEqual([
    ["older than max-age 7d"],
    ["max-bytes 25: with it, 40 bytes would be stored"],
    ["max-bytes 25: with it, 30 bytes would be stored"],
  ]);
});

test("plan: max-bytes removes bad ones before good ones, and no good one for the sake of bad ones that have to stay", () => {
  const backups = [
    backup("2026-11-21T10:00", { state: "damaged", pin: "evidence", storedSizeBytes: 1000 }),
    backup("2026-11-21T09:00", { state: "damaged" }),
    backup("2026-11-21T08:00"),
    backup("2026-11-21T07:00"),
  ];
  expect(idsOf(plan(backups, { maxSizeBytes: 20 }).remove)).toEqual(["2026-11-21T09:00"]);
  expect(idsOf(plan(backups, { maxSizeBytes: 19 }).remove)).toEqual(["2026-11-21T07:00", "2026-11-21T09:00"]);
  expect(idsOf(plan(backups.slice(1), { maxSizeBytes: 30 }).remove)).toEqual([]);
});

test("plan: max-bytes counts segments that stay", () => {
  const backups = [backup("2026-11-21T10:00"), backup("2026-11-21T09:00", { revision: "9" })];
  const segments = [segment(10, 20, "2026-11-21T09:30", { timeline: "B", storedSizeBytes: 5 })];
  expect(idsOf(plan(backups, { maxSizeBytes: 25 }, segments).remove)).toEqual([]);
  expect(idsOf(plan(backups, { maxSizeBytes: 24 }, segments).remove)).toEqual(["2026-11-21T09:00"]);
});

test("plan: a backup that kept segments begin at stays, whatever the limits", () => {
  const backups = [
    backup("2026-11-21T10:00", { revision: "90" }),
    backup("2026-11-19T10:00", { revision: "9" }),
    backup("2026-11-18T10:00", { revision: "3" }),
  ];
  const segments = [segment(4, 9, "2026-11-19T10:00"), segment(10, 99, "2026-11-21T10:00")];
  const policy: RetentionPolicy = { keepLast: 1, keepPointsWithin: "1d", maxAge: "1h", maxSizeBytes: 0 };
  expect(verdicts(backups, policy, segments).slice(1)).toEqual([
    "2026-11-19T10:00 keep: needed by the recorded points since revision 10",
    "2026-11-18T10:00 remove: kept by no rule; older than max-age 1h",
  ]);
  expect(plan(backups, policy, segments).segments).toEqual({
    keep: [{ segment: segments[1], reasons: ["keep-points-within 1d"] }],
    remove: [{ segment: segments[0], reasons: ["older than keep-points-within 1d"] }],
  });
});

test("plan: with keep-points-within alone all backups stay", () => {
  const { keep, segments } = plan([backup("2026-11-21T10:00"), backup("2020-11-21T10:00")], { keepPointsWithin: "1d" }, [segment(1, 2, "2020-11-21T10:00")]);
  expect([keep.length, segments.remove.length]).toEqual([2, 1]);
});
