import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { throttled } from "../../src/storage/throttled.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { versionedStorage } from "../support/versioned-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const KIB = 1024;

/** A clock that moves only while somebody sleeps. */
function clock() {
  let nowMs = 5_000;
  const sleeps: number[] = [];
  return {
    sleeps,
    passedMs: () => nowMs - 5_000,
    pass: (spanMs: number) => {
      nowMs += spanMs;
    },
    monotonicMs: () => nowMs,
    sleep: async (delayMs: number, within: AbortSignal) => {
      within.throwIfAborted();
      const untilMs = nowMs + delayMs;
      sleeps.push(delayMs);
      await Promise.resolve();
      nowMs = Math.max(nowMs, untilMs);
    },
  };
}

const bytes = (sizeBytes: number) => Buffer.from(Array.from({ length: sizeBytes }, (_, at) => at % 251));
const all = (body: AsyncIterable<Uint8Array>) => collect(body, 1 << 24, () => new Error("too long"));

test("throttled storage: sends and fetches what it is given, at the pace it is told, without long pauses", async () => {
  const time = clock();
  const inner = new MemoryStorage();
  const storage = throttled(inner, { uploadBytesPerSecond: 100 * KIB, downloadBytesPerSecond: 50 * KIB }, time);
  await storage.put("k", streamOf(bytes(300 * KIB), bytes(200 * KIB)), { signal });
  expect(time.passedMs()).toBeGreaterThan(4_500);
  expect(time.passedMs()).toBeLessThanOrEqual(5_000);
  expect(inner.bytesOf("k")).toEqual(new Uint8Array(Buffer.concat([bytes(300 * KIB), bytes(200 * KIB)])));
  const before = time.passedMs();
  expect(await all(storage.read("k", { signal }))).toEqual(Buffer.concat([bytes(300 * KIB), bytes(200 * KIB)]));
  expect(time.passedMs() - before).toBeGreaterThan(9_000);
  expect(Math.max(...time.sleeps)).toBeLessThanOrEqual(1_300); // A chunk of the memory's, 64 KiB, at 50 KiB/s.
});

test("throttled storage: all transfers share the limit, and idle time is not saved up", async () => {
  const time = clock();
  const storage = throttled(new MemoryStorage(), { uploadBytesPerSecond: 100 * KIB, downloadBytesPerSecond: undefined }, time);
  await Promise.all(["a", "b", "c", "d"].map((key) => storage.put(key, streamOf(bytes(100 * KIB)), { signal })));
  expect(time.passedMs()).toBeGreaterThan(3_500);
  time.pass(60_000);
  const before = time.passedMs();
  await storage.put("e", streamOf(bytes(200 * KIB)), { signal });
  expect(time.passedMs() - before).toBeGreaterThan(1_500);
  const reading = time.passedMs();
  await all(storage.read("e", { signal }));
  expect(time.passedMs()).toBe(reading);
});

test("throttled storage: older versions come at the same pace", async () => {
  const time = clock();
  const inner = versionedStorage();
  const { versionId } = await inner.put("k", streamOf(bytes(200 * KIB)), { signal });
  const storage = throttled(inner, { uploadBytesPerSecond: undefined, downloadBytesPerSecond: 50 * KIB }, time);
  expect(await all(storage.versions!.read("k", versionId!, { signal }))).toEqual(bytes(200 * KIB));
  expect(time.passedMs()).toBeGreaterThan(3_000);
});

test("throttled storage: an abort ends the wait", async () => {
  const stop = new AbortController();
  const runtime = {
    monotonicMs: () => 0,
    sleep: async (_: number, within: AbortSignal) => new Promise<void>((_, reject) => within.addEventListener("abort", () => reject(within.reason))),
  };
  const storage = throttled(new MemoryStorage(), { uploadBytesPerSecond: 1, downloadBytesPerSecond: undefined }, runtime);
  const put = storage.put("k", streamOf(bytes(100)), { signal: stop.signal });
  stop.abort(new Error("enough"));
  await expect(put).rejects.toThrow("enough");
});
