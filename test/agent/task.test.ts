import { expect, test } from "vitest";
import { parseSchedule } from "../../src/agent/schedule.ts";
import { type RunEnd, type RunOnce, Task } from "../../src/agent/task.ts";
import type { FailureReason } from "../../src/metrics/reasons.ts";

const HOURLY = parseSchedule("--save-schedule", "0 * * * *", "UTC");
const YEAR_MS = 365 * 24 * 3_600_000;
const at = (time: string) => new Date(`2026-11-22T${time}Z`);
const NEVER_STOPPED = new AbortController().signal;

function failed(reason: FailureReason): RunEnd {
  return { failure: { reason, message: "no", hint: "look" }, lines: ["no"] };
}

/** A run that ends when it is told to. */
function heldRun() {
  const { promise, resolve } = Promise.withResolvers<RunEnd>();
  let given: Parameters<RunOnce>[0] | undefined;
  const once: RunOnce = (options) => {
    given = options;
    return promise;
  };
  return { once, end: resolve, options: () => given! };
}

/** One run, from one time to another. */
async function ran(task: Task, from: Date, to: Date, end: RunEnd = { failure: null, lines: [] }, signal = NEVER_STOPPED): Promise<void> {
  let now = from;
  const held = heldRun();
  task.begin("x", () => now, held.once, signal);
  now = to;
  held.end(end);
  await task.ended();
}

test("task: one run at a time, and whoever asks meanwhile is given that one", async () => {
  const task = new Task("save", at("09:00:00"));
  const [first, second] = [heldRun(), heldRun()];
  const begun = task.begin("one", () => at("09:10:00"), first.once, NEVER_STOPPED);
  expect(begun).toMatchObject({ isNew: true, job: { id: "one", kind: "save", state: "running", startedAt: "2026-11-22T09:10:00.000Z" } });
  expect(task.begin("two", () => at("09:11:00"), second.once, NEVER_STOPPED)).toMatchObject({ isNew: false, job: { id: "one" } });
  expect(second.options()).toBeUndefined();
  expect([task.isRunning, task.next(HOURLY, at("12:00:00")), task.job("two")]).toEqual([true, null, undefined]);
  first.end({ failure: null, lines: [] });
  await task.ended();
  expect(task.isRunning).toBe(false);
  expect(task.begin("two", () => at("09:12:00"), second.once, NEVER_STOPPED)).toMatchObject({ isNew: true, job: { id: "two" } });
});

test("task: steps are those under way, and what came of it stays to be asked for", async () => {
  const task = new Task("save", at("09:00:00"));
  const held = heldRun();
  let now = at("09:10:00");
  task.begin("one", () => now, held.once, NEVER_STOPPED);
  const { onProgress, signal } = held.options();
  expect(signal).toBe(NEVER_STOPPED);
  onProgress({ step: "snapshot", doneBytes: 1, totalBytes: 5 });
  onProgress({ step: "upload", doneBytes: 0 });
  onProgress({ step: "snapshot", doneBytes: 3, totalBytes: 5 });
  const steps = [
    { step: "snapshot", doneBytes: 3, totalBytes: 5 },
    { step: "upload", doneBytes: 0, totalBytes: null },
  ];
  const status = () => task.status(HOURLY, { timezone: "UTC", now, isWriter: true, newestBackupAt: null });
  expect(task.job("one")).toMatchObject({ state: "running", steps });
  expect(status()).toMatchObject({ kind: "save", schedule: "0 * * * *", nextRunAt: null, running: { id: "one", steps }, last: null });
  onProgress({ step: "snapshot", doneBytes: 5, done: true });
  expect(task.job("one")).toMatchObject({ steps: steps.slice(1) });
  now = at("09:20:00");
  held.end(failed("etcd-unreachable"));
  await task.ended();
  const times = { startedAt: "2026-11-22T09:10:00.000Z", finishedAt: "2026-11-22T09:20:00.000Z" };
  expect(task.job("one")).toEqual({ id: "one", kind: "save", state: "failed", ...times, ...failed("etcd-unreachable") });
  expect(status()).toMatchObject({ running: null, last: { id: "one" }, failuresInARow: 1, isRetry: true, nextRunAt: "2026-11-22T09:21:00.000Z" });
});

test("task: whoever asked for a run can ask what became of it after a hundred others, not for ever", async () => {
  const task = new Task("save", at("09:00:00"));
  for (let count = 0; count <= 100; count++) {
    task.begin(
      `job-${count}`,
      () => at("09:10:00"),
      async () => ({ failure: null, lines: [`${count}`] }),
      NEVER_STOPPED,
    );
    await task.ended();
  }
  expect([task.job("job-0"), task.job("job-1")?.id, task.job("job-100")]).toEqual([
    undefined,
    "job-1",
    expect.objectContaining({ state: "done", lines: ["100"] }),
  ]);
});

test("task: failures in a row are counted until one succeeds; what was stopped is none", async () => {
  const task = new Task("save", at("09:00:00"));
  const inARow = () => task.status(HOURLY, { timezone: "UTC", now: at("09:40:00"), isWriter: true, newestBackupAt: null }).failuresInARow;
  await ran(task, at("09:01:00"), at("09:02:00"), failed("etcd-unreachable"));
  await ran(task, at("09:03:00"), at("09:04:00"), failed("deadline-exceeded"));
  expect(inARow()).toBe(2);
  await ran(task, at("09:05:00"), at("09:06:00"), failed("interrupted"));
  expect(inARow()).toBe(2);
  expect(task.job("x")).toMatchObject({ state: "failed", failure: { reason: "interrupted" } });
  expect(task.next(HOURLY, at("09:07:00"))).toEqual({ at: at("09:06:00"), isRetry: true });
  await ran(task, at("09:08:00"), at("09:09:00"));
  expect([inARow(), task.next(HOURLY, at("09:10:00"))]).toEqual([0, { at: at("10:00:00"), isRetry: false }]);
});

test("task: what was told to stop is as due as it was", async () => {
  const task = new Task("save", at("09:30:00"));
  await ran(task, at("10:00:01"), at("10:00:09"), failed("interrupted"), AbortSignal.abort());
  expect(task.next(HOURLY, at("10:00:10"))).toEqual({ at: at("10:00:00"), isRetry: false });
  // Nobody told that one to: another time it would end the same way.
  await ran(task, at("10:00:11"), at("10:00:12"), failed("interrupted"));
  expect(task.next(HOURLY, at("10:00:13"))).toEqual({ at: at("11:00:00"), isRetry: false });
});

test("task: what others did counts, unless a clock that is ahead has dated it", async () => {
  const task = new Task("save", new Date(0));
  expect(task.next(HOURLY, at("09:30:00"))!.at < at("09:30:00")).toBe(true);
  task.learn(null, at("09:30:00"));
  task.learn(at("23:00:00"), at("09:30:00"));
  expect(task.next(HOURLY, at("09:30:00"))!.at < at("09:30:00")).toBe(true);
  task.learn(at("09:00:00"), at("09:30:00"));
  expect(task.next(HOURLY, at("09:30:00"))).toEqual({ at: at("10:00:00"), isRetry: false });
  task.learn(at("08:00:00"), at("09:30:00"));
  expect(task.next(HOURLY, at("09:30:00"))).toEqual({ at: at("10:00:00"), isRetry: false });
});

test("task: what another did since it failed here is not tried again, and what it did before is", async () => {
  const task = new Task("save", at("09:00:00"));
  await ran(task, at("10:00:00"), at("10:10:00"), failed("repository-unreachable"));
  task.learn(at("10:05:00"), at("12:30:00"));
  expect(task.next(HOURLY, at("12:30:00"))).toEqual({ at: at("10:11:00"), isRetry: true });
  task.learn(at("12:00:00"), at("12:30:00"));
  expect(task.next(HOURLY, at("12:30:00"))).toEqual({ at: at("13:00:00"), isRetry: false });
  expect(task.status(HOURLY, { timezone: "UTC", now: at("12:30:00"), isWriter: true, newestBackupAt: null }).failuresInARow).toBe(0);
});

test("task: a host's clock that was a year ahead, and went back, puts nothing off by more than the schedule does", async () => {
  const ahead = (time: string) => new Date(at(time).getTime() + YEAR_MS);
  const next = { at: at("10:00:00"), isRetry: false };
  const saved = new Task("save", at("09:00:00"));
  await ran(saved, ahead("09:10:00"), ahead("09:11:00"));
  expect(saved.next(HOURLY, at("09:30:00"))).toEqual(next);
  const failing = new Task("save", at("09:00:00"));
  await ran(failing, ahead("09:10:00"), ahead("09:11:00"), failed("corrupt"));
  expect(failing.next(HOURLY, at("09:30:00"))).toEqual(next);
  const neverDone = new Task("verify", ahead("09:00:00"));
  expect(neverDone.next(HOURLY, at("09:30:00"))).toEqual(next);
  expect(neverDone.next(HOURLY, at("10:00:01"))).toEqual(next);
  const learns = new Task("save", at("09:00:00"));
  await ran(learns, ahead("09:10:00"), ahead("09:11:00"));
  learns.learn(at("08:00:00"), at("09:30:00"));
  expect(learns.next(HOURLY, at("10:00:01"))).toEqual(next);
});

test("task: when it comes next is told to nobody where another writes, and is never in the past", () => {
  const task = new Task("save", new Date(0));
  const now = at("09:30:00");
  expect(task.status(HOURLY, { timezone: "UTC", now, isWriter: true, newestBackupAt: null }).nextRunAt).toBe(now.toISOString());
  expect(task.status(HOURLY, { timezone: "UTC", now, isWriter: false, newestBackupAt: null }).nextRunAt).toBeNull();
  expect(task.status(null, { timezone: "UTC", now, isWriter: true, newestBackupAt: null })).toMatchObject({ schedule: null, nextRunAt: null });
});
