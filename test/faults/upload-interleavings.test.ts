// Copies of one backup, some of which fail, and a garbage collection, all at the same time in one store, their requests in any order. Everybody takes
// everybody else for dead: markers look as old as those of processes that stood still for ten minutes before each request.
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { copyBackup } from "../../src/copy/copy-backup.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { type Manifest, readManifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../src/repository/names.ts";
import { checkStoredBytes } from "../../src/repository/object-decoder.ts";
import type { Runtime } from "../../src/runtime.ts";
import type { ObjectInfo, Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { report } from "../support/report.ts";
import { AUTHOR, CLUSTER, newRepository, recordingRuntime, type StoredRepository, signal, storeBackup } from "../verify/stored-backup.ts";

const STOOD_STILL_MS = 10 * 60_000;
let from: StoredRepository;
let manifest: Manifest;
let others: AgeKeyPair;

beforeAll(async () => {
  from = await newRepository();
  others = await newAgeKeys();
  const id = await storeBackup(from, Buffer.alloc(5000, "etcd"), { facts: undefined });
  manifest = await readManifest(from.storage, CLUSTER, id, { signal });
});

/** Every request waits until it is picked. The one of number `failsAt` fails, after it has taken effect where that number is even. */
function inAnyOrder(inner: MemoryStorage, scheduler: fc.Scheduler, who: string, failsAt: number): Storage {
  let requests = 0;
  const request = async <T>(what: string, step: () => Promise<T>): Promise<T> => {
    const number = ++requests;
    const failure = new EtcdsafeError("STORAGE_UNREACHABLE", "the test's store fails here");
    await scheduler.schedule(Promise.resolve(), `${who} ${what}`);
    if (number === failsAt && number % 2 === 1) throw failure;
    const result = await step();
    if (number === failsAt) throw failure;
    return result;
  };
  const aged = (info: ObjectInfo): ObjectInfo =>
    info.key.includes("/uploads/") ? { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - STOOD_STILL_MS) } : info;
  return wrapped(inner, {
    clock: { now: async () => ({ time: new Date(), uncertaintyMs: 0 }) },
    put: (key, body, options) => request(`put ${key}`, () => inner.put(key, body, options)),
    remove: (key, options) => request(`remove ${key}`, () => inner.remove(key, options)),
    stat: (key, options) => request(`stat ${key}`, async () => ((info) => info && aged(info))(await inner.stat(key, options))),
    read: async function* (key, options) {
      await request(`read ${key}`, async () => undefined);
      yield* inner.read(key, options);
    },
    list: async function* (prefix, options) {
      yield* (await request(`list ${prefix}`, () => Array.fromAsync(inner.list(prefix, options)))).map(aged);
    },
  });
}

/** Nobody's heartbeat comes. */
function suspended(): Runtime {
  const sleep = (_: number, end: AbortSignal) => new Promise<void>((resolve) => end.addEventListener("abort", () => resolve(), { once: true }));
  return { ...recordingRuntime(), sleep };
}

test("uploads: in whatever order the requests of copies and of a garbage collection come, a copy that says that it is done is whole", async () => {
  const seen = { copied: 0, lost: 0, refused: 0, failed: 0, collected: 0, "left by the collection": 0, "half, and nobody said it was done": 0 };
  const copier = fc.record({ failsAt: fc.integer({ min: 1, max: 60 }), isEncrypted: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(copier, { minLength: 2, maxLength: 3 }), fc.boolean(), async (scheduler, copiers, isCollected) => {
      const inner = new MemoryStorage();
      const running = copiers.map(async ({ failsAt, isEncrypted }, index) => {
        const to = { storage: inAnyOrder(inner, scheduler, `copy ${index}`, failsAt), file: from.file };
        const options = { runtime: suspended(), signal, author: AUTHOR, keys: undefined, protection: {}, isGone: () => false };
        await copyBackup(from, to, { cluster: CLUSTER, manifest, to: isEncrypted ? others : undefined }, options);
      });
      const collecting = (async () => {
        if (!isCollected) return { removed: [], leave: [] };
        const repository = { storage: inAnyOrder(inner, scheduler, "gc", Number.POSITIVE_INFINITY), file: from.file };
        const options = { runtime: suspended(), signal };
        // What is there at some moment of the copies.
        for (let wait = 0; wait < 12; wait++) await scheduler.schedule(Promise.resolve(), "gc waits");
        return applyGc(repository, await planGc(repository, options), AUTHOR, options);
      })();
      const all = Promise.allSettled(running);
      await scheduler.waitFor(Promise.all([all, collecting]));
      const ended = await all;
      const { removed, leave } = await collecting;
      seen.collected += removed.length;
      seen["left by the collection"] += leave.length;
      for (const each of ended) {
        if (each.status === "fulfilled") seen.copied++;
        else if (each.reason.code === "WRITER_LEASE_LOST") seen.lost++;
        else if (each.reason.code === "STORAGE_CONFLICT") seen.refused++;
        else if (each.reason.code === "STORAGE_UNREACHABLE") seen.failed++;
        else throw each.reason;
      }
      const isThere = inner.bytesOf(manifestKey(CLUSTER, manifest.id)) !== undefined;
      const isDone = ended.some(({ status }) => status === "fulfilled");
      if (isDone) await requireWhole(inner);
      else if (isThere) {
        await requireWhole(inner).catch(() => {
          seen["half, and nobody said it was done"]++;
        });
      }
    }),
    { seed: SEED, numRuns: runs(150, 20_000) },
  );
  report("what became of copies", seen);
  for (const [what, times] of Object.entries(seen)) if (!what.startsWith("half")) expect(times, what).toBeGreaterThan(0);
});

async function requireWhole(storage: Storage): Promise<void> {
  const { objects } = await readManifest(storage, CLUSTER, manifest.id, { signal });
  for (const object of objects) await checkStoredBytes(storage, backupObjectKey(CLUSTER, manifest.id, object.name), object, { signal });
}
