import { expect, test } from "vitest";
import { verdictOf } from "../../../src/agent/http/verdict.ts";
import type { AgentStatus, TaskStatus } from "../../../src/agent/status.ts";
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
  standby,
  status,
  task,
} from "./statuses.ts";

const HOUR_MS = 60 * 60 * 1000;
const texts = (of: AgentStatus) => verdictOf(of).problems.map(({ level, text }) => `${level}: ${text}`);
const changed = (changes: Partial<AgentStatus>): AgentStatus => {
  const all = { ...allWell, ...changes };
  return { ...all, recovery: recoveryOf(all.catalogue) };
};
const withSave = (changes: Partial<TaskStatus>) => changed({ tasks: [{ ...allWell.tasks[0]!, ...changes }, ...allWell.tasks.slice(1)] });
const failedSave = finished("save", HOUR_MS, { state: "failed", failure: { reason: "etcd-unreachable", message: "no answer", hint: "look" } });

test("verdict: all is well where the writer has saved, verified and has nothing to complain about", () => {
  expect(verdictOf(allWell)).toMatchObject({
    level: "ok",
    headline: "Everything is recoverable",
    recoverableTo: allWell.catalogue!.backups[0]!.createdAt,
    problems: [],
  });
  expect(verdictOf(aSaveRuns)).toMatchObject({ level: "ok" });
  expect(verdictOf(standby)).toMatchObject({ level: "ok" });
});

test("verdict: what nobody knows is not called good", () => {
  expect(verdictOf(notReadYet)).toMatchObject({ level: "bad", recoverableTo: null, headline: "Not known yet: the repository has not been read" });
  expect(verdictOf(changed({ catalogue: null }))).toMatchObject({ level: "warn", recoverableTo: null });
});

test("verdict: an empty repository has nothing to recover; one whose backups are all bad is worse", () => {
  expect(verdictOf(nothingYet)).toMatchObject({ level: "warn", headline: "No backup yet: nothing can be recovered", recoverableTo: null, newest: null });
  const bad = catalogue([backup(HOUR_MS, { state: "damaged" }), backup(2 * HOUR_MS, { state: "suspect" })]);
  expect(verdictOf(changed({ catalogue: bad }))).toMatchObject({ level: "bad", headline: "Nothing can be recovered: no backup is usable" });
});

test("verdict: everything that fails is told, the worst first", () => {
  expect(verdictOf(everythingFails)).toMatchObject({ level: "bad", headline: "Something is wrong; recoverable to 29 h 7 min ago" });
  expect(texts(everythingFails)).toEqual([
    "bad: The save failed 29 times in a row; tried again in 4 min",
    "bad: The verification failed at 2026-11-21 05:07:12 UTC",
    "bad: 2 backups are damaged",
    "bad: No new backup for 29 h 7 min, longer than usual",
    "warn: Trouble with the writer's lease",
    "warn: The prune failed 2 times in a row",
    "warn: A changed configuration was refused at 2026-11-22 02:17:12 UTC: the former one is in force",
  ]);
});

test("verdict: one failure is a warning, the third in a row is more; a corrupt backup is at once", () => {
  expect(texts(withSave({ failuresInARow: 1, last: failedSave }))).toEqual(["warn: The save failed at 2026-11-22 02:07:12 UTC"]);
  expect(verdictOf(withSave({ failuresInARow: 3, last: failedSave }))).toMatchObject({ level: "bad" });
  const corrupt = finished("verify", HOUR_MS, { state: "failed", failure: { reason: "corrupt", message: "", hint: "" } });
  expect(verdictOf(withSave({ failuresInARow: 1, last: corrupt }))).toMatchObject({ level: "bad" });
});

test("verdict: a run that is overdue, a schedule that is missing, and backups that nobody reads back are told", () => {
  expect(texts(withSave({ nextRunAt: ago(HOUR_MS) }))).toEqual(["warn: The save should have begun 1 h ago"]);
  expect(texts(withSave({ nextRunAt: ago(60_000) }))).toEqual([]);
  expect(texts(withSave({ schedule: null }))).toEqual(["warn: No schedule says when backups are made: only who asks gets one"]);
  const unread = catalogue([backup(HOUR_MS / 2)]);
  expect(texts(changed({ catalogue: unread }))).toEqual([]);
  expect(texts(changed({ catalogue: unread, tasks: allWell.tasks.filter(({ kind }) => kind !== "verify") }))).toEqual([
    "warn: No backup was read back from the store, and no schedule says that one will be",
  ]);
});

test("verdict: without a writer nothing is backed up", () => {
  const nobody = { role: "standby", lease: { holder: null, error: null } } as const;
  expect(texts(changed(nobody))).toEqual(["warn: No agent holds the writer's lease: nothing is backed up until one does"]);
});

test("verdict: a standby sees in the repository that saves fail since the newest backup, and an older failure is none", () => {
  const attempt = (ageMs: number) => ({
    action: "save" as const,
    phase: "uploading",
    backup: null,
    startedAt: ago(ageMs),
    finishedAt: ago(ageMs),
    failure: { code: "STORAGE_FULL", message: "no space", hint: "free some" },
  });
  const seen = (...ages: readonly number[]) => ({ ...standby, catalogue: { ...standby.catalogue!, failed: ages.map(attempt) } });
  expect(texts(seen(60_000))).toEqual(["warn: A save failed since the newest backup"]);
  expect(texts(seen(60_000, 120_000, 180_000, HOUR_MS))).toEqual(["bad: 3 saves failed since the newest backup"]);
  expect(texts(seen(HOUR_MS))).toEqual([]);
});

test("verdict: recovery goes on as far as the last window does, and old damage is a warning", () => {
  expect(verdictOf(manyBackups)).toMatchObject({ level: "warn", recoverableTo: ago(12_000), problems: [{ level: "warn", text: "1 backup is damaged" }] });
});

test("verdict: the newest backup that a restore passes over is told", () => {
  const suspect = catalogue([backup(60_000, { state: "suspect" }), ...allWell.catalogue!.backups]);
  expect(texts(changed({ catalogue: suspect }))).toEqual(["warn: The newest backup is suspect: a restore takes an older one"]);
  expect(verdictOf(status({ catalogue: suspect, tasks: [task("save")] })).newest?.id).toBe(allWell.catalogue!.backups[0]!.id);
});
