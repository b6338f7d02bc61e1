import { mkdir, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replaceLocked } from "../../src/storage/file-lock.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const { signal } = new AbortController(); // Each test has its time-out.

/** A file ready to replace `target`, and how long the lock was waited for. */
async function replacement(directory: TemporaryDirectory, name: string) {
  const staged = { directory: join(directory.path, name), name };
  await mkdir(staged.directory);
  await writeFile(join(staged.directory, name), name);
  const lock = join(directory.path, "lock");
  const target = join(directory.path, "target");
  let waitedMs = 0;
  const sleep = async (delayMs: number) => {
    waitedMs += delayMs;
  };
  return {
    lock,
    target,
    waitedMs: () => waitedMs,
    replace: (check: (held: string) => Promise<void> = async () => undefined, wait = sleep, abort = signal) =>
      replaceLocked(lock, staged, "key", { check, commit: (held) => rename(held, target) }, { runtime: { sleep: wait }, signal: abort }),
  };
}

test("file lock: replaces the target and leaves no lock", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace, target, waitedMs } = await replacement(directory, "new");
  await replace();
  expect(await readFile(target, "utf8")).toBe("new");
  expect(await readdir(directory.path)).toEqual(["target"]);
  expect(waitedMs()).toBe(0);
});

test("file lock: is given back when the check refuses", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace } = await replacement(directory, "new");
  await expect(replace(async () => Promise.reject(new Error("changed meanwhile")))).rejects.toThrow("changed meanwhile");
  expect(await readdir(directory.path)).toEqual([]);
});

test("file lock: waits for its holder, who is never disturbed while others follow each other", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace, lock, target } = await replacement(directory, "new");
  await mkdir(lock);
  await writeFile(join(lock, "holder-0"), "");
  let polls = 0;
  await replace(undefined, async () => {
    polls++;
    if (polls % 100 === 0) await rename(join(lock, `holder-${polls / 100 - 1}`), join(lock, `holder-${polls / 100}`));
    if (polls === 1_000) await unlink(join(lock, "holder-10"));
  });
  expect(polls).toBe(1_000);
  expect(await readFile(target, "utf8")).toBe("new");
});

test("file lock: dispossesses a holder that does not end, whose own commit then fails", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace, lock, target, waitedMs } = await replacement(directory, "new");
  const late = await replacement(directory, "late");
  const checked = Promise.withResolvers<void>();
  const wakeUp = Promise.withResolvers<void>();
  const sleeper = late.replace(async () => {
    checked.resolve();
    await wakeUp.promise;
  });
  sleeper.catch(() => undefined);
  await checked.promise;
  expect(await readdir(lock)).toEqual(["late"]);
  await replace();
  expect(waitedMs()).toBeGreaterThanOrEqual(10_000);
  wakeUp.resolve();
  await expect(sleeper).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  expect(await readFile(target, "utf8")).toBe("new");
});

test("file lock: gives up after a minute of other holders", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace, lock } = await replacement(directory, "new");
  await mkdir(lock);
  await writeFile(join(lock, "0"), "");
  let polls = 0;
  const busy = () => rename(join(lock, `${polls++}`), join(lock, `${polls}`));
  await expect(replace(undefined, busy)).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
});

test("file lock: stops waiting when aborted", async () => {
  await using directory = await temporaryDirectory("lock");
  const { replace, lock } = await replacement(directory, "new");
  await mkdir(lock);
  await writeFile(join(lock, "holder"), "");
  const controller = new AbortController();
  await expect(replace(undefined, async () => controller.abort(new Error("enough")), controller.signal)).rejects.toThrow("enough");
});
