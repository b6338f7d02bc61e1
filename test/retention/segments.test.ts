import { expect, test } from "vitest";
import { openCalendar } from "../../src/retention/calendar.ts";
import type { RetentionBackup, RetentionSegment } from "../../src/retention/plan.ts";
import { planSegments } from "../../src/retention/segments.ts";
import { backup, NOW, segment } from "./catalogues.ts";

const YOUNG = "2026-11-21T11:00";
const OLD = "2026-11-01T11:00";

/** With the segments of the last day to be kept: what is kept, what is removed, and the revisions of the backups that are needed. */
function planned(segments: readonly RetentionSegment[], backups: readonly RetentionBackup[], within: string | undefined = "1d") {
  const good = backups.map((it) => ({ backup: it, createdMs: 0 }));
  const { keep, remove, needed } = planSegments(segments, good, within, openCalendar("UTC"), NOW);
  return {
    keep: keep.map((verdict) => verdict.segment.key),
    remove: remove.map((verdict) => verdict.segment.key),
    needed: [...needed].map(([{ revision }, reasons]) => `${revision} ${reasons.join("; ").replace("needed by the recorded points since revision", "since")}`),
  };
}

/** Newest first, as the highest revision is. */
function backupsAt(...revisions: number[]): RetentionBackup[] {
  return revisions.map((revision) => backup(OLD, { id: `${revision}`, revision: `${revision}` }));
}

test("segments: young ones stay, with the newest good backup they can begin at and the segments in between", () => {
  const segments = [segment(1, 9, OLD), segment(10, 19, OLD), segment(20, 29, OLD), segment(30, 39, YOUNG), segment(40, 49, YOUNG)];
  expect(planned(segments, backupsAt(45, 35, 12, 5))).toEqual({
    keep: ["10-19", "20-29", "30-39", "40-49"],
    remove: ["1-9"],
    needed: ["12 since 30"],
  });
  const { keep } = planSegments(segments, [{ backup: backupsAt(12)[0]!, createdMs: 0 }], "1d", openCalendar("UTC"), NOW);
  expect(keep.map(({ reasons }) => reasons)).toEqual([
    ["needed by the recorded points since revision 30"],
    ["needed by the recorded points since revision 30"],
    ["keep-points-within 1d"],
    ["keep-points-within 1d"],
  ]);
});

test.each([
  [30, ["30-39"], ["10-19", "20-29"]], // The backup holds the segment's first revision,
  [29, ["30-39"], ["10-19", "20-29"]], // or the one before it;
  [28, ["20-29", "30-39"], ["10-19"]], // from here on a segment in between is needed,
  [20, ["20-29", "30-39"], ["10-19"]],
  [19, ["20-29", "30-39"], ["10-19"]],
  [18, ["10-19", "20-29", "30-39"], []], // or two.
])("segments: with a backup at revision %i, %j stay and %j do not", (revision, keep, remove) => {
  const segments = [segment(10, 19, OLD), segment(20, 29, OLD), segment(30, 39, YOUNG)];
  expect(planned(segments, backupsAt(revision))).toEqual({ keep, remove, needed: [`${revision} since 30`] });
});

test("segments: a month is one by the calendar, and exactly so old is young enough", () => {
  const segments = [segment(1, 9, "2026-10-21T11:59"), segment(10, 19, "2026-10-21T12:00")];
  expect(planned(segments, backupsAt(9), "1m")).toMatchObject({ keep: ["10-19"], remove: ["1-9"] });
});

test("segments: one dated in the future, or at no time, is young", () => {
  const segments = [segment(1, 9, "2027-11-21T11:00"), segment(20, 29, OLD, { modifiedAt: "never" })];
  expect(planned(segments, backupsAt(9))).toMatchObject({ keep: ["1-9", "20-29"], remove: [] });
});

test("segments: all stay where nothing is said of points, with what they begin at", () => {
  const segments = [segment(1, 9, OLD), segment(10, 19, YOUNG)];
  const { keep } = planSegments(segments, [], undefined, openCalendar("UTC"), NOW);
  expect(keep).toEqual(segments.map((it) => ({ segment: it, reasons: ["without keep-points-within every segment stays"] })));
  const needed = planSegments(
    segments,
    [...backupsAt(12, 1)].map((it) => ({ backup: it, createdMs: 0 })),
    undefined,
    openCalendar("UTC"),
    NOW,
  ).needed;
  expect([...needed.keys()].map(({ revision }) => revision)).toEqual(["1"]);
});

test("segments: what follows a young one stays with it, whenever it was modified, until a gap", () => {
  const segments = [segment(10, 19, YOUNG), segment(20, 29, OLD), segment(31, 39, OLD)];
  expect(planned(segments, backupsAt(9))).toEqual({ keep: ["10-19", "20-29"], remove: ["31-39"], needed: ["9 since 10"] });
});

test("segments: after a gap points begin at the next backup, which is needed then", () => {
  const segments = [segment(1, 9, OLD), segment(10, 18, OLD), segment(20, 39, YOUNG)];
  expect(planned(segments, backupsAt(35, 25, 15))).toEqual({
    keep: ["10-18", "20-39"], // Nobody can use the one before the gap; it stays as the young ones' past.
    remove: ["1-9"],
    needed: ["15 since 20", "25 since 20"],
  });
  expect(planned(segments, backupsAt(35, 25, 19, 15)).needed).toEqual(["19 since 20"]);
});

test("segments: a backup that several runs need is needed since the first", () => {
  const segments = [segment(20, 29, YOUNG), segment(40, 49, YOUNG)];
  expect(planned(segments, backupsAt(60, 5)).needed).toEqual(["5 since 20", "60 since 20"]);
});

test("segments: without any good backup below, all of the past stays, and the next backup with it", () => {
  const segments = [segment(1, 9, OLD), segment(10, 19, YOUNG), segment(20, 29, OLD)];
  expect(planned(segments, backupsAt(25, 15))).toEqual({ keep: ["1-9", "10-19", "20-29"], remove: [], needed: ["15 since 10"] });
  expect(planned(segments, [])).toEqual({ keep: ["1-9", "10-19", "20-29"], remove: [], needed: [] });
});

test("segments: after one whose last revision nobody knows there may be a gap", () => {
  const segments = [segment(10, null, YOUNG), segment(20, null, YOUNG)];
  expect(planned(segments, backupsAt(22, 12, 9)).needed).toEqual(["9 since 10", "12 since 20", "22 since 20"]);
  const known = [segment(10, 19, YOUNG), segment(20, null, YOUNG)];
  expect(planned(known, backupsAt(22, 12, 9)).needed).toEqual(["9 since 10"]);
});

test("segments: one whose last revision nobody knows reaches until the next begins", () => {
  const segments = [segment(1, null, OLD), segment(10, null, OLD), segment(20, null, YOUNG)];
  expect(planned(segments, backupsAt(10))).toMatchObject({ keep: ["10-", "20-"], remove: ["1-"] });
  expect(planned(segments, backupsAt(9))).toMatchObject({ keep: ["10-", "20-"], remove: ["1-"] });
  expect(planned(segments, backupsAt(8))).toMatchObject({ keep: ["1-", "10-", "20-"], remove: [] });
});

test("segments: small ones and what they were folded into go together", () => {
  const segments = [
    segment(1, null, OLD),
    segment(5, null, OLD),
    segment(1, 9, OLD),
    segment(10, null, YOUNG),
    segment(10, 19, YOUNG),
    segment(15, null, YOUNG),
  ];
  expect(planned(segments, backupsAt(12, 2))).toEqual({
    keep: ["1-", "1-9", "5-", "10-", "10-19", "15-"],
    remove: [],
    needed: ["2 since 10"],
  });
  expect(planned(segments, backupsAt(12, 9))).toEqual({ keep: ["10-", "10-19", "15-"], remove: ["1-", "1-9", "5-"], needed: ["9 since 10"] });
});

test("segments: another timeline's backups and segments are no base and no chain", () => {
  const others = backupsAt(29).map((it) => ({ ...it, timeline: "B" }));
  const segments = [segment(20, 29, OLD, { timeline: "B", key: "B 20-29" }), segment(20, 29, OLD), segment(30, 39, YOUNG)];
  expect(planned(segments, [...others, ...backupsAt(19)])).toEqual({ keep: ["20-29", "30-39"], remove: ["B 20-29"], needed: ["19 since 30"] });
});

test("segments: a backup without a revision is no base, and of two at one revision the newer is", () => {
  const [first, second] = backupsAt(9, 9);
  const good = [backup("2026-11-21T10:00", { revision: null }), { ...first!, id: "newer" }, second!].map((it) => ({ backup: it, createdMs: 0 }));
  expect([...planSegments([segment(10, 19, YOUNG)], good, "1d", openCalendar("UTC"), NOW).needed.keys()].map(({ id }) => id)).toEqual(["newer"]);
});

test("segments: revisions are compared as numbers, however large", () => {
  const segments = [
    segment(1, 2, OLD, { firstRevision: "9", lastRevision: "9007199254740992" }),
    segment(3, 4, YOUNG, { firstRevision: "9007199254740993", lastRevision: null }),
  ];
  const [base] = backupsAt(1).map((it) => ({ ...it, revision: "9007199254740992" }));
  expect(planned(segments, [base!, ...backupsAt(10)])).toEqual({ keep: ["3-4"], remove: ["1-2"], needed: ["9007199254740992 since 9007199254740993"] });
});
