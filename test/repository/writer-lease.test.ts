// Taking, keeping, losing and taking over the writer lease. Time passes where a test says so: the store's clock runs ahead of its files' times, and a
// process whose sleep never ends is one that was suspended.
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { type TestRuntime, testRuntime } from "../support/test-runtime.ts";

const { signal } = new AbortController();
const KEY = "default/writer.json";
const SECONDS = 30;

/** A store that has a clock; `ahead.ms` is how much time has passed since its files were written. */
function clocked(inner: Storage = new MemoryStorage()): { readonly storage: Storage; readonly ahead: { ms: number } } {
  const ahead = { ms: 0 };
  const now = async () => ({ time: new Date(Date.now() + ahead.ms), uncertaintyMs: 1000 });
  return { storage: wrapped(inner, { clock: { now } }), ahead };
}

/** It never wakes by itself. */
function suspended(): TestRuntime {
  const sleep = (_: number, stopped: AbortSignal) => new Promise<void>((_resolve, reject) => stopped.addEventListener("abort", () => reject(stopped.reason)));
  return { ...testRuntime(), sleep };
}

/** Every sleep is over at once, and takes its time on the clock. */
function hurried(): TestRuntime {
  let atMs = 0;
  return {
    ...testRuntime(),
    monotonicMs: () => atMs,
    sleep: async (delayMs, stopped) => {
      await new Promise(setImmediate);
      stopped.throwIfAborted();
      atMs += delayMs;
    },
  };
}

function take(storage: Storage, runtime: TestRuntime = suspended(), purpose = "gc", ignoresConditions = false) {
  const author = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "backup-1", pid: 4711 } };
  const repository = { storage, file: { ignoresConditions } as unknown as Repository["file"] };
  return takeWriterLease(repository, { cluster: "default", purpose, author, expiresAfterSeconds: SECONDS }, { runtime, signal });
}

const stored = (storage: MemoryStorage) => JSON.parse(Buffer.from(storage.bytesOf(KEY)!).toString());

test("writer lease: a second writer is told who has it and since when; given back, it is the next one's, in an epoch of its own", async () => {
  const memory = new MemoryStorage();
  const { storage } = clocked(memory);
  const first = await take(storage, suspended(), "prune");
  expect(first.epoch).toBe(1n);
  const since = stored(memory).acquiredAt;
  await expectThrown(
    "WRITER_LOCKED",
    () => take(storage),
    new RegExp(`^prune on backup-1 \\(process 4711\\) is writing to default of memory: since ${since}$`),
  );
  await first.requireHeld({ signal });
  await first[Symbol.asyncDispose]();
  expect(stored(memory)).toMatchObject({ epoch: "1", releasedAt: expect.any(String) });
  await using second = await take(storage);
  expect(second.epoch).toBe(2n);
});

test("writer lease: one that slept past its lease finds out before it publishes, by whichever way it looks", async () => {
  const { storage, ahead } = clocked();
  const asleep = await take(storage);
  // What the store's clock says may be a second off: until that has passed as well, it may be held.
  for (const second of [SECONDS - 2, SECONDS + 0.5]) {
    ahead.ms = second * 1000;
    await expectThrown("WRITER_LOCKED", () => take(storage), /./);
  }
  ahead.ms = (SECONDS + 5) * 1000;
  await using next = await take(storage);
  expect(next.epoch).toBe(2n);
  expect(asleep.signal.aborted).toBe(false);
  await expectThrown(
    "WRITER_LEASE_LOST",
    () => asleep.requireHeld({ signal }),
    /^the writer lease default\/writer\.json was lost: gc on backup-1 .* has it now$/,
  );
  expect(asleep.signal.reason).toMatchObject({ code: "WRITER_LEASE_LOST" });
  await asleep[Symbol.asyncDispose]();
  await next.requireHeld({ signal });
});

test("writer lease: where the store has no clock, one that is renewed is held, and one that is not is taken over when it was watched long enough", async () => {
  const memory = new MemoryStorage();
  const asleep = await take(memory);
  await using second = await take(memory, hurried());
  await expectThrown("WRITER_LEASE_LOST", () => asleep.requireHeld({ signal }), /./);
  const watching = hurried();
  const renewing = {
    ...watching,
    sleep: async (delayMs: number, stopped: AbortSignal) => {
      await watching.sleep(delayMs, stopped);
      await second.requireHeld({ signal });
    },
  };
  await expectThrown("WRITER_LOCKED", () => take(memory, renewing), /./);
  expect(watching.monotonicMs()).toBeLessThan(SECONDS * 1000);
  expect(watching.logged).toMatchObject([{ message: expect.stringContaining("waiting 30 s to see whether it renews") }]);
});

test("writer lease: of many that come at once, one gets it", async () => {
  const { storage } = clocked();
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => take(storage)));
  const leases = taken.filter((each) => each.status === "fulfilled");
  const others = taken.filter((each) => each.status === "rejected");
  expect(leases).toHaveLength(1);
  for (const { reason } of others) expect(reason).toMatchObject({ code: "WRITER_LOCKED" });
  await leases[0]!.value[Symbol.asyncDispose]();
});

test("writer lease: is renewed while it is held, also after a renewal whose answer was lost", async () => {
  const memory = new MemoryStorage();
  let puts = 0;
  const storage = wrapped(memory, {
    put: async (key, body, options) => {
      const info = await memory.put(key, body, options);
      if (++puts === 2) throw new EtcdsafeError("STORAGE_UNREACHABLE", "the answer was lost");
      return info;
    },
  });
  const runtime = { ...hurried(), monotonicMs: () => 0 };
  await using lease = await take(storage, runtime);
  await expect.poll(() => puts).toBeGreaterThan(6);
  expect(lease.signal.aborted).toBe(false);
  await lease.requireHeld({ signal });
  expect(runtime.logged).toMatchObject([{ level: "warn", message: expect.stringContaining("could not be renewed: the answer was lost") }]);
});

test("writer lease: is lost when it could not be renewed for as long as it lasts, or its file is gone", async () => {
  const memory = new MemoryStorage();
  let isDown = false;
  const storage = wrapped(memory, {
    put: (key, body, options) => (isDown ? Promise.reject(new EtcdsafeError("STORAGE_UNREACHABLE", "the store is down")) : memory.put(key, body, options)),
  });
  await using lease = await take(storage, hurried());
  isDown = true;
  await expect.poll(() => lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toMatchObject({ code: "WRITER_LEASE_LOST", message: expect.stringContaining("could not be renewed in time: the store is down") });
  await using other = await take(new MemoryStorage());
  await other.requireHeld({ signal });
  const gone = new MemoryStorage();
  await using holder = await take(gone);
  await gone.remove(KEY, { signal });
  await expectThrown("WRITER_LEASE_LOST", () => holder.requireHeld({ signal }), /its file is gone$/);
});

test("writer lease: is given back, and held no more, also where the store has carried out a renewal that was told to stop", async () => {
  const memory = new MemoryStorage();
  const renewed = Promise.withResolvers<void>();
  let puts = 0;
  const storage = wrapped(memory, {
    put: async (key, body, options) => {
      const info = await memory.put(key, body, { ...options, signal });
      if (++puts !== 2) return info;
      renewed.resolve();
      return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)));
    },
  });
  const runtime = hurried();
  const lease = await take(storage, runtime);
  await renewed.promise;
  await lease.release({ signal });
  const { releasedAt } = stored(memory);
  expect([releasedAt, runtime.logged]).toEqual([expect.any(String), []]);
  await expectThrown("WRITER_LEASE_LOST", () => lease.requireHeld({ signal }), /^the writer lease default\/writer\.json was given back$/);
  expect(stored(memory)).toMatchObject({ releasedAt });
  await using next = await take(storage);
  expect(next.epoch).toBe(2n);
});

test("writer lease: what another has taken meanwhile is not given back", async () => {
  const { storage, ahead } = clocked();
  const runtime = suspended();
  const asleep = await take(storage, runtime);
  ahead.ms = (SECONDS + 5) * 1000;
  await using next = await take(storage);
  await asleep.release({ signal });
  expect(runtime.logged).toEqual([]);
  await next.requireHeld({ signal });
});

test("writer lease: nobody holds one on a store that ignores conditions", async () => {
  const memory = new MemoryStorage();
  await expectThrown(
    "CONFIG_INVALID",
    () => take(memory, suspended(), "gc", true),
    /^gc needs a store that refuses to overwrite what another has written, and memory: does not$/,
  );
  expect(memory.bytesOf(KEY)).toBeUndefined();
});

test("writer lease: a file that is none is refused, and left as it is", async () => {
  const memory = new MemoryStorage();
  await memory.put(KEY, streamOf(Buffer.from("{}")), { signal });
  await expectThrown("REPOSITORY_INVALID", () => take(memory), /default\/writer\.json is not a valid writer lease/);
  expect(stored(memory)).toEqual({});
});
