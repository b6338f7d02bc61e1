import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { readAttempts } from "../../src/repository/attempts.ts";
import { writeAttempt } from "../../src/repository/sidecars.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const NOW = new Date("2026-11-22T12:00:00.000Z");
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

function fail(storage: MemoryStorage, agoMs: number, message = "m") {
  const time = new Date(NOW.getTime() - agoMs).toISOString();
  const failure = { code: "STORAGE_FULL", message, hint: "h" };
  const facts = { action: "save", phase: "upload", backup: null, startedAt: time, finishedAt: time, failure } as const;
  return writeAttempt(storage, "default", author, facts, { signal, runtime: testRuntime() });
}

const read = (storage: Parameters<typeof readAttempts>[0]) => readAttempts(storage, "default", { signal, now: NOW });

test("attempts: those of seven days, to the millisecond, newest first", async () => {
  const storage = new MemoryStorage();
  expect(await read(storage)).toEqual({ attempts: [], total: 0 });
  for (const [agoMs, message] of [
    [WEEK_MS + 1, "too old"],
    [WEEK_MS, "oldest"],
    [0, "now"],
    [5000, "before"],
    [-60_000, "ahead"],
  ] as const)
    await fail(storage, agoMs, message);
  const { attempts, total } = await read(storage);
  expect(attempts.map(({ failure }) => failure.message)).toEqual(["ahead", "now", "before", "oldest"]);
  expect(attempts[1]).toEqual({
    ...{ action: "save", phase: "upload", backup: null, startedAt: NOW.toISOString(), finishedAt: NOW.toISOString() },
    failure: { code: "STORAGE_FULL", message: "now", hint: "h" },
  });
  expect(total).toBe(4);
});

test("attempts: of many, the newest hundred are read, and all are counted", async () => {
  const storage = new MemoryStorage();
  for (let minute = 0; minute < 130; minute++) await fail(storage, minute * 60_000, String(minute));
  const { attempts, total } = await read(storage);
  expect(attempts.map(({ failure }) => failure.message)).toEqual(Array.from({ length: 100 }, (_, minute) => String(minute)));
  expect(total).toBe(130);
});

test("attempts: one that cannot be read is counted, what is none is not", async () => {
  const storage = new MemoryStorage();
  await fail(storage, 1000, "good");
  const broken = await fail(storage, 0);
  await storage.put(broken, streamOf(Buffer.from("{")), { signal });
  for (const name of ["notes.txt", "20261122T115959.000Z.json", "20261122T115959.000Z-aaaaaa.json.bak"])
    await storage.put(`default/attempts/${name}`, streamOf(Buffer.from("{}")), { signal });
  expect(await read(storage)).toMatchObject({ attempts: [{ failure: { message: "good" } }], total: 2 });
  expect(await read(failingStorage(storage, { operations: ["read"] }))).toEqual({ attempts: [], total: 2 });
});
