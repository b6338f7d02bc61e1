import { expect, test } from "vitest";
import { verdictOf } from "../../../src/agent/http/verdict.ts";
import type { AgentStatus, TaskStatus } from "../../../src/agent/status.ts";
import { backupId } from "../../../src/repository/names.ts";
import {
  ago,
  allWell,
  aSaveRuns,
  backup,
  catalogue,
  everythingFails,
  finished,
  manyBackups,
  nothingYet,
  notReadYet,
  recoveryOf,
  running,
  standby,
  status,
  task,
  unreadable,
} from "./statuses.ts";

const MINUTE_MS = 60 * 1000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const texts = (of: AgentStatus) => verdictOf(of).problems.map(({ level, text }) => `${level}: ${text}`);
const changed = (changes: Partial<AgentStatus>): AgentStatus => {
  const all = { ...allWell, ...changes };
  return { ...all, recovery: recoveryOf(all.catalogue) };
};
const withSave = (changes: Partial<TaskStatus>) => changed({ tasks: [{ ...allWell.tasks[0]!, ...changes }, ...allWell.tasks.slice(1)] });
const withVerify = (changes: Partial<TaskStatus>) => changed({ tasks: [allWell.tasks[0]!, { ...allWell.tasks[1]!, ...changes }, allWell.tasks[2]!] });
const foundDamage = (ageMs: number): Partial<TaskStatus> => ({
  failuresInARow: 1,
  last: finished("verify", ageMs, { state: "failed", failure: { reason: "corrupt", message: "", hint: "" } }),
});
const attempt = (ageMs: number) => ({
  action: "save" as const,
  phase: "uploading",
  backup: null,
  startedAt: ago(ageMs),
  finishedAt: ago(ageMs),
  failure: { code: "STORAGE_FULL", message: "no space", hint: "free some" },
});
/** After the newest backup of allWell. */
const failedSave = finished("save", 5 * MINUTE_MS, { state: "failed", failure: { reason: "etcd-unreachable", message: "no answer", hint: "look" } });

test("verdict: all is well where the writer has saved, verified and has nothing to complain about", () => {
  expect(verdictOf(allWell)).toMatchObject({
    level: "ok",
    headline: "Everything is recoverable",
    recoverableTo: allWell.catalogue!.backups[0]!.createdAt,
    problems: [],
  });
  expect(verdictOf(aSaveRuns)).toMatchObject({ level: "ok" });
  expect(verdictOf(standby)).toMatchObject({ level: "ok", problems: [] });
});

test("verdict: what nobody knows is not called good", () => {
  expect(verdictOf(notReadYet)).toMatchObject({ level: "bad", recoverableTo: null, headline: "Not known: the repository cannot be read" });
  expect(verdictOf(changed({ catalogue: null }))).toMatchObject({
    level: "warn",
    recoverableTo: null,
    headline: "Not known yet: the repository has not been read",
  });
});

test("verdict: a repository that cannot be read is a warning at once, and after a quarter of an hour nothing is called good any more", () => {
  const why = { since: ago(MINUTE_MS), code: "REPOSITORY_INVALID", message: "it is no JSON" };
  const readAgo = (ageMs: number) => ({ ...allWell.catalogue!, readAt: ago(ageMs) });
  const atOnce = changed({ catalogue: readAgo(5 * MINUTE_MS), unreadable: why });
  expect(verdictOf(atOnce)).toMatchObject({
    level: "warn",
    headline: "Recoverable, but look at this",
    problems: [
      {
        level: "warn",
        text: "The repository could not be read since 2026-11-22 03:06:12 UTC: what stands here was read 5 min ago",
        message: "it is no JSON (REPOSITORY_INVALID)",
      },
    ],
  });
  expect(verdictOf(unreadable)).toMatchObject({ level: "bad", headline: "Not known: the repository was read last 24 min ago" });
  expect(texts(unreadable)).toEqual(["bad: The repository could not be read since 2026-11-22 02:47:12 UTC: what stands here was read 24 min ago"]);
  // Whatever keeps it from being read, also where nobody says so.
  const hangs = changed({ catalogue: readAgo(72 * HOUR_MS) });
  expect(verdictOf(hangs)).toMatchObject({ level: "bad", headline: "Not known: the repository was read last 3 d ago" });
  expect(texts(hangs)).toEqual(["bad: No reading of the repository comes to its end: what stands here was read 3 d ago"]);
  expect(texts(changed({ catalogue: readAgo(14 * MINUTE_MS) }))).toEqual([]);
  // Also where the clock was set back in between.
  const setBack = { ...unreadable, catalogue: readAgo(-5 * HOUR_MS) };
  const ahead = "at 2026-11-22 08:07:12 UTC, by a clock that was ahead";
  expect(verdictOf(setBack)).toMatchObject({ level: "bad", headline: `Not known: the repository was read last ${ahead}` });
  expect(texts(setBack)).toEqual([`bad: The repository could not be read since 2026-11-22 02:47:12 UTC: what stands here was read ${ahead}`]);
  expect(texts({ ...standby, unreadable: why })[0]).toMatch(/^warn: The repository could not be read/);
});

test("verdict: an empty repository has nothing to recover; one whose backups are all bad is worse", () => {
  expect(verdictOf(nothingYet)).toMatchObject({
    level: "warn",
    headline: "No backup when the repository was read 4 min ago: nothing can be recovered",
    recoverableTo: null,
    newest: null,
  });
  const bad = catalogue([backup(HOUR_MS, { state: "damaged" }), backup(2 * HOUR_MS, { state: "suspect" })]);
  expect(verdictOf(changed({ catalogue: bad }))).toMatchObject({ level: "bad", headline: "Nothing can be recovered: no backup is usable" });
});

test("verdict: everything that fails is told, the worst first", () => {
  expect(verdictOf(everythingFails)).toMatchObject({ level: "bad", headline: "Something is wrong; recoverable to 29 h 7 min ago" });
  expect(texts(everythingFails)).toEqual([
    "bad: The save failed 29 times in a row; tried again in 4 min",
    "bad: The verification failed at 2026-11-21 05:07:12 UTC",
    "bad: 2 backups are damaged",
    "bad: No new backup for 29 h 7 min: by the schedule one was due 28 h 7 min ago",
    "warn: Trouble with the writer's lease",
    "warn: The prune failed 2 times in a row",
    "warn: A changed configuration was refused at 2026-11-22 02:17:12 UTC: the former one is in force",
  ]);
});

test("verdict: one failure is a warning, the third in a row is more; a corrupt backup is at once", () => {
  expect(texts(withSave({ failuresInARow: 1, last: failedSave }))).toEqual(["warn: The save failed at 2026-11-22 03:02:12 UTC"]);
  expect(verdictOf(withSave({ failuresInARow: 3, last: failedSave }))).toMatchObject({ level: "bad" });
  expect(verdictOf(withVerify(foundDamage(MINUTE_MS)))).toMatchObject({ level: "bad" });
});

test("verdict: a failure is none any more once another agent, or somebody, has done the same since; until then it is", () => {
  expect(texts(withSave({ failuresInARow: 0, last: failedSave }))).toEqual([]);
  expect(texts(withVerify({ ...foundDamage(40 * DAY_MS), failuresInARow: 0 }))).toEqual([]);
  // Of who has not heard of it: the repository tells.
  expect(texts(withSave({ failuresInARow: 3, last: { ...failedSave, finishedAt: ago(8 * MINUTE_MS) } }))).toEqual([]);
  const readBack = (ageMs: number) => catalogue([backup(HOUR_MS / 2, { verified: { level: "structure", finishedAt: ago(ageMs) } })]);
  // A backup that was read back since, as a save does with its own, is not what was found bad.
  const stands = ["bad: The verification failed at 2026-11-22 02:07:12 UTC"];
  expect(texts({ ...withVerify(foundDamage(HOUR_MS)), catalogue: readBack(MINUTE_MS) })).toEqual(stands);
  // What others failed in since is told by the repository.
  const again = { ...withSave({ failuresInARow: 1, last: { ...failedSave, finishedAt: ago(8 * MINUTE_MS) } }) };
  expect(texts({ ...again, catalogue: { ...again.catalogue!, failed: [attempt(MINUTE_MS)] } })).toEqual(["warn: A save failed since the newest backup"]);
});

test("verdict: what was stopped did not fail, and does not hide what had failed before", () => {
  const stopped = { ...failedSave, failure: { reason: "interrupted", message: "it was stopped", hint: "" } } as const;
  expect(texts(withSave({ failuresInARow: 0, last: stopped }))).toEqual([]);
  expect(verdictOf(withSave({ failuresInARow: 1, last: stopped })).problems).toEqual([{ level: "warn", text: "The save failed once" }]);
  expect(texts(withSave({ failuresInARow: 3, last: stopped }))).toEqual(["bad: The save failed 3 times in a row"]);
});

test("verdict: a backup that is late by the schedule is told, by a standby too, however few there are; one that is being made is not, unless for long", () => {
  const only = (ageMs: number) => catalogue([backup(ageMs, { verified: { level: "structure", finishedAt: ago(0) } })]);
  const late = (ageMs: number, changes: Partial<TaskStatus> = {}) => ({
    ...changed({ catalogue: only(ageMs) }),
    tasks: [task("save", { schedule: "0 * * * *", expectedAt: ago(ageMs - HOUR_MS), ...changes })],
  });
  expect(texts(late(2 * HOUR_MS))).toEqual(["warn: No new backup for 2 h: by the schedule one was due 1 h ago"]);
  expect(texts(late(400 * DAY_MS))).toEqual(["bad: No new backup for 400 d: by the schedule one was due 399 d 23 h ago"]);
  expect(texts({ ...late(2 * HOUR_MS), role: "standby", lease: standby.lease })).toEqual(texts(late(2 * HOUR_MS)));
  expect(texts(late(70 * MINUTE_MS))).toEqual([]);
  expect(texts(late(2 * HOUR_MS, { running }))).toEqual([]);
  expect(texts(late(30 * HOUR_MS, { running }))).toEqual([
    "bad: No new backup for 30 h: by the schedule one was due 29 h ago, and a save has been running for 34 s",
  ]);
});

test("verdict: a save that goes on and on excuses a late backup for one interval of the schedule, at least 20 minutes, at most an hour", () => {
  const only = catalogue([backup(3 * HOUR_MS, { verified: { level: "structure", finishedAt: ago(0) } })]);
  const runs = (ageMs: number, expectedAt: string | null = ago(2 * HOUR_MS)) =>
    texts({ ...changed({ catalogue: only }), tasks: [task("save", { schedule: "0 * * * *", expectedAt, running: { ...running, startedAt: ago(ageMs) } })] });
  expect(runs(HOUR_MS)).toEqual([]);
  const late = "No new backup for 3 h: by the schedule one was due 2 h ago, and a save has been running for";
  expect(runs(61 * MINUTE_MS)).toEqual([`warn: ${late} 1 h 1 min`]);
  const everyFiveMinutes = ago(3 * HOUR_MS - 5 * MINUTE_MS);
  expect(runs(20 * MINUTE_MS, everyFiveMinutes)).toEqual([]);
  expect(runs(21 * MINUTE_MS, everyFiveMinutes)[0]).toMatch(/^warn: .* and a save has been running for 21 min$/);
  const daily = { ...changed({ catalogue: catalogue([backup(26 * HOUR_MS), backup(50 * HOUR_MS)]) }) };
  const oneDaily = task("save", { schedule: "0 0 * * *", expectedAt: ago(2 * HOUR_MS), running: { ...running, startedAt: ago(119 * MINUTE_MS) } });
  expect(texts({ ...daily, tasks: [oneDaily, task("verify", { schedule: "@daily" })] })).toEqual([
    "warn: No new backup for 26 h: by the schedule one was due 2 h ago, and a save has been running for 1 h 59 min",
  ]);
  const usual = catalogue([9, 10, 11, 12].map((hours) => backup(hours * HOUR_MS)));
  const unscheduled = (ageMs: number) =>
    texts({
      ...standby,
      catalogue: usual,
      tasks: [task("save", { schedule: "0 * * * *", running: { ...running, startedAt: ago(ageMs) } }), task("verify", { schedule: "@daily" })],
    });
  expect(unscheduled(HOUR_MS)).toEqual([]);
  expect(unscheduled(2 * HOUR_MS)).toEqual(["warn: No new backup for 9 h, longer than usual, and a save has been running for 2 h"]);
});

test("verdict: a backup that is dated ahead is told, and hides nothing", () => {
  const ahead = catalogue([backup(-5 * HOUR_MS), backup(3 * HOUR_MS)], { failed: [attempt(60_000)] });
  expect(
    texts({
      ...standby,
      catalogue: ahead,
      tasks: [task("save", { schedule: "0 * * * *", expectedAt: ago(2 * HOUR_MS) }), task("verify", { schedule: "@daily" })],
    }),
  ).toEqual([
    "warn: The newest backup is dated 5 h ahead: the clock of whoever made it was wrong, or this one is",
    "warn: No new backup for 3 h: by the schedule one was due 2 h ago",
    "warn: A save failed since the newest backup",
  ]);
  expect(texts(changed({ catalogue: catalogue([backup(-MINUTE_MS), backup(HOUR_MS)]) }))).toEqual([]);
});

test("verdict: recovery goes as far as what was made before now, and to what is dated ahead only where there is nothing else", () => {
  const failing = { ...allWell.tasks[0]!, failuresInARow: 3, last: { ...failedSave, finishedAt: ago(0) } };
  const dated = (...ages: readonly number[]) => changed({ catalogue: catalogue(ages.map((age) => backup(age))), tasks: [failing, ...allWell.tasks.slice(1)] });
  expect(verdictOf(dated(-20 * HOUR_MS, 400 * DAY_MS, 401 * DAY_MS))).toMatchObject({
    recoverableTo: ago(400 * DAY_MS),
    headline: "Something is wrong; recoverable to 400 d ago",
  });
  expect(verdictOf(dated(-20 * HOUR_MS))).toMatchObject({
    recoverableTo: ago(-20 * HOUR_MS),
    headline: "Something is wrong; recoverable to 2026-11-22 23:07:12 UTC",
  });
  expect(verdictOf(dated(-MINUTE_MS, HOUR_MS))).toMatchObject({ recoverableTo: ago(-MINUTE_MS), headline: "Something is wrong; recoverable to now" });
  const all = dated(-20 * HOUR_MS, 5 * HOUR_MS);
  const window = { ...manyBackups.catalogue!.points.windows[0]!, to: ago(HOUR_MS) };
  const windowed = { ...all, catalogue: { ...all.catalogue!, points: { ...all.catalogue!.points, windows: [window] } } };
  expect(verdictOf({ ...windowed, recovery: recoveryOf(windowed.catalogue) }).recoverableTo).toBe(ago(HOUR_MS));
});

test("verdict: without a schedule, what is longer than usual is told; that it is missing, too, and backups that nobody reads back", () => {
  const usual = catalogue([9, 10, 11, 12].map((hours) => backup(hours * HOUR_MS)));
  expect(texts({ ...standby, tasks: [task("save", { schedule: "@daily" }), task("verify", { schedule: "@daily" })], catalogue: usual })).toEqual([
    "warn: No new backup for 9 h, longer than usual",
  ]);
  expect(texts(withSave({ schedule: null }))).toEqual(["warn: No schedule says when backups are made: only who asks gets one"]);
  const unread = catalogue([backup(HOUR_MS / 2)]);
  expect(texts(changed({ catalogue: unread }))).toEqual([]);
  expect(texts(changed({ catalogue: unread, tasks: allWell.tasks.filter(({ kind }) => kind !== "verify") }))).toEqual([
    "warn: No backup was read back from the store, and no schedule says that one will be",
  ]);
});

test("verdict: who cannot see who writes claims nothing of others; with several repositories it says that the first one counts for all", () => {
  const notYet = { role: "standby", lease: { holder: null, error: null } } as const;
  expect(texts(changed(notYet))).toEqual(["warn: This agent has not seen yet who writes"]);
  const noEtcd = { role: "standby", lease: { holder: null, error: { code: "ETCD_UNREACHABLE", message: "no endpoint answers" } } } as const;
  const problem = { level: "bad", text: "This agent does not write, and cannot see who does", message: "no endpoint answers (ETCD_UNREACHABLE)" };
  const first = "The lease is kept in the first repository: while no agent has it, no backup is made in any repository.";
  expect(verdictOf(changed(noEtcd)).problems).toEqual([{ ...problem, hint: first }]);
  const alone = changed({ ...noEtcd, repositories: ["file:///var/backups/etcd"] });
  expect(verdictOf(alone).problems).toEqual([{ ...problem, hint: "While no agent has the writer's lease, no backup is made." }]);
});

test("verdict: a standby sees in the repository that saves fail since the newest backup, and an older failure is none", () => {
  const seen = (...ages: readonly number[]) => ({ ...standby, catalogue: { ...standby.catalogue!, failed: ages.map(attempt) } });
  expect(texts(seen(60_000))).toEqual(["warn: A save failed since the newest backup"]);
  expect(texts(seen(60_000, 120_000, 180_000, HOUR_MS))).toEqual(["bad: 3 saves failed since the newest backup"]);
  expect(texts(seen(HOUR_MS))).toEqual([]);
});

test("verdict: recovery goes on as far as the last window does, and old damage is a warning", () => {
  expect(verdictOf(manyBackups)).toMatchObject({ level: "warn", recoverableTo: ago(12_000), problems: [{ level: "warn", text: "1 backup is damaged" }] });
});

test("verdict: a backup whose manifest cannot be read is told as a damaged one is, by the time in its id", () => {
  const withLost = (...days: readonly number[]) => {
    const lost = days.map((age) =>
      backup(0, { id: backupId(new Date(ago(age * DAY_MS)), 12_345n, (sizeBytes) => new Uint8Array(sizeBytes)), createdAt: null, state: "unreadable" }),
    );
    return { lost, all: changed({ catalogue: catalogue([...lost, ...allWell.catalogue!.backups]) }) };
  };
  const { lost, all } = withLost(1);
  const hint = "Of what is unreadable the manifest cannot be read: `etcdsafe show` says why.";
  expect(verdictOf(all)).toMatchObject({ level: "bad", problems: [{ level: "bad", text: "1 backup is unreadable", message: lost[0]!.id, hint }] });
  expect(texts(withLost(8).all)).toEqual(["warn: 1 backup is unreadable"]);
  const many = withLost(8, 9, 10, 11);
  expect(verdictOf(many.all).problems).toMatchObject([
    {
      text: "4 backups are unreadable",
      message: `${many.lost
        .slice(0, 3)
        .map(({ id }) => id)
        .join(", ")} and 1 more`,
    },
  ]);
  const noId = changed({ catalogue: catalogue([backup(0, { id: "what", createdAt: null, state: "unreadable" }), ...allWell.catalogue!.backups]) });
  expect(texts(noId)).toEqual(["bad: 1 backup is unreadable"]);
});

test("verdict: the newest backup that a restore passes over is told", () => {
  const suspect = catalogue([backup(60_000, { state: "suspect" }), ...allWell.catalogue!.backups]);
  expect(texts(changed({ catalogue: suspect }))).toEqual(["warn: The newest backup is suspect: a restore takes an older one"]);
  expect(verdictOf(status({ catalogue: suspect, tasks: [task("save")] })).newest?.id).toBe(allWell.catalogue!.backups[0]!.id);
});
