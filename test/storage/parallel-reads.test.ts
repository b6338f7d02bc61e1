import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { PART_SIZE_BYTES, parallelReads } from "../../src/storage/parallel-reads.ts";
import type { ReadOptions, Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { truncatingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage, stallingStorage } from "../faults/kit/storages.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const LARGE = large(5 * PART_SIZE_BYTES + 4321);

function large(sizeBytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let at = 0, state = SEED | 1; at < words.length; at++) words[at] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Buffer.from(words.buffer, 0, sizeBytes);
}

async function stored(bytes: Uint8Array): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await storage.put("k", streamOf(bytes), { signal });
  return storage;
}

/** Hashed as it comes, since chunks are gone after the next is asked for. */
async function hashOf(storage: Storage, range?: ReadOptions["range"]): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of storage.read("k", { signal, ...(range && { range }) })) hash.update(chunk);
  return hash.digest("hex");
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Counts what is asked of the storage inside. */
function counted(inner: Storage) {
  const counts = { reads: 0, stats: 0, underWay: 0, most: 0 };
  const storage = wrapped(inner, {
    stat: (key, options) => {
      counts.stats++;
      return inner.stat(key, options);
    },
    read: async function* (key, options) {
      counts.reads++;
      counts.most = Math.max(counts.most, ++counts.underWay);
      try {
        await new Promise((resolve) => setImmediate(resolve));
        yield* inner.read(key, options);
      } finally {
        counts.underWay--;
      }
    },
  });
  return { storage, counts };
}

test("parallel reads: a document takes one request, and a large object several at a time, in order", async () => {
  const small = counted(await stored(Buffer.from("hello")));
  expect(await hashOf(parallelReads(small.storage))).toBe(sha256(Buffer.from("hello")));
  expect(small.counts).toMatchObject({ reads: 1, stats: 0 });
  const whole = counted(await stored(LARGE));
  expect(await hashOf(parallelReads(whole.storage), { start: 0, end: LARGE.length })).toBe(sha256(LARGE));
  expect(whole.counts).toMatchObject({ reads: 6, stats: 2, most: 4 });
});

test("parallel reads: give the bytes of any range that the storage inside gives", async () => {
  const sizes = [0, 1, 70_000, PART_SIZE_BYTES - 1, PART_SIZE_BYTES, PART_SIZE_BYTES + 1, 2 * PART_SIZE_BYTES + 5];
  const storages = await Promise.all(sizes.map(async (sizeBytes) => ({ sizeBytes, inner: await stored(LARGE.subarray(0, sizeBytes)) })));
  const near = fc.oneof(fc.nat(3), fc.nat({ max: 2 * PART_SIZE_BYTES + 10 }), fc.constantFrom(PART_SIZE_BYTES - 1, PART_SIZE_BYTES, PART_SIZE_BYTES + 1));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...storages), fc.option(fc.tuple(near, near)), async ({ inner }, bounds) => {
      const range = bounds === null ? undefined : { start: Math.min(...bounds), end: Math.max(...bounds) };
      expect(await hashOf(parallelReads(inner), range)).toBe(await hashOf(inner, range));
    }),
    { seed: SEED, numRuns: runs(25, 300) },
  );
}, 60_000);

test("parallel reads: an object that is overwritten or removed meanwhile is no object, whatever range came from which version", async () => {
  for (const change of ["overwritten", "removed"] as const) {
    const inner = await stored(LARGE);
    const reading = parallelReads(inner).read("k", { signal });
    const read = (async () => {
      for await (const _ of reading) {
        if (change === "removed") await inner.remove("k", { signal });
        else await inner.put("k", streamOf(LARGE.toReversed()), { signal });
      }
    })();
    // A range of what is gone may be asked for, or the look at the end finds it out.
    await expect(read).rejects.toMatchObject({ code: expect.stringMatching(change === "removed" ? /^STORAGE_(CONFLICT|NOT_FOUND)$/ : /^STORAGE_CONFLICT$/) });
  }
});

test("parallel reads: a first range of one version is never handed on with the rest of another", async () => {
  const inner = await stored(LARGE.subarray(0, 2 * PART_SIZE_BYTES));
  const newer = LARGE.subarray(0, 2 * PART_SIZE_BYTES).toReversed();
  let reads = 0;
  const overwritten = wrapped(inner, {
    read: async function* (key, options) {
      yield* inner.read(key, options);
      if (++reads === 1) await inner.put("k", streamOf(newer), { signal });
    },
  });
  expect(await hashOf(parallelReads(overwritten))).toBe(sha256(newer));
});

test("parallel reads: say where a range fails, is cut short or was never there, and not before", async () => {
  const inner = await stored(LARGE);
  const failing = failingStorage(inner, { operations: ["read"], from: 3, times: 1, afterBytes: 100_000 });
  await expect(hashOf(parallelReads(failing))).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  const cut = truncatingStorage(inner, 100_000, { operations: ["read"], from: 3, times: 1 });
  await expect(hashOf(parallelReads(cut))).rejects.toMatchObject({ code: "OBJECT_TRUNCATED" });
  for (const range of [undefined, { start: 0, end: 10 }, { start: 0, end: 3 * PART_SIZE_BYTES }])
    await expect(hashOf(parallelReads(new MemoryStorage()), range)).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
});

test("parallel reads: who stops reading, or aborts, leaves no range under way", async () => {
  const ended: string[] = [];
  const inner = await stored(LARGE);
  const stalling = stallingStorage(inner, { operations: ["read"], from: 2 });
  const watched = wrapped(stalling, {
    read: async function* (key, options) {
      try {
        yield* stalling.read(key, options);
      } finally {
        ended.push(key);
      }
    },
  });
  for await (const _ of parallelReads(watched).read("k", { signal, range: { start: 0, end: LARGE.length } })) break;
  await expect.poll(() => ended.length).toBe(4);
  const stop = new AbortController();
  const reading = Array.fromAsync(parallelReads(watched).read("k", { signal: stop.signal }));
  stop.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
});
