// Copies of one backup, some of which fail, and a garbage collection, all at the same time in one store, their requests in any order. Everybody takes
// everybody else for dead: markers look as old as those of processes that stood still for ten minutes before each request.
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { copyBackup } from "../../src/copy/copy-backup.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { type Manifest, readManifest } from "../../src/repository/manifest.ts";
import { backupObjectKey } from "../../src/repository/names.ts";
import { checkStoredBytes } from "../../src/repository/object-decoder.ts";
import type { LogEvent, Runtime } from "../../src/runtime.ts";
import type { ObjectInfo, Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { report } from "../support/report.ts";
import { AUTHOR, CLUSTER, newRepository, recordingRuntime, type StoredRepository, signal, storeBackup } from "../verify/stored-backup.ts";

const COLLECTOR = 0;
const COPIERS_MAX = 2;
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

/** Lets one actor at a time do its requests: each of `turns` is an actor and how many, and then stands still. Afterwards all go on to their ends, in order. */
class Stage {
  readonly #waiting: (() => void)[][];
  readonly #isOver: boolean[];

  constructor(actors: number) {
    this.#waiting = Array.from({ length: actors }, () => []);
    this.#isOver = Array.from({ length: actors }, () => false);
  }

  request(actor: number): Promise<void> {
    return new Promise((resolve) => this.#waiting[actor]!.push(resolve));
  }

  over(actor: number): void {
    this.#isOver[actor] = true;
  }

  async play(turns: readonly (readonly [number, number])[]): Promise<void> {
    for (const [actor, requests] of turns) await this.#goOn(actor, requests);
    for (const actor of this.#waiting.keys()) await this.#goOn(actor, Number.POSITIVE_INFINITY);
  }

  async #goOn(actor: number, requests: number): Promise<void> {
    for (let done = 0; done < requests; done++) {
      while (this.#waiting[actor]?.length === 0 && !this.#isOver[actor]) await new Promise(setImmediate);
      const next = this.#waiting[actor]?.shift();
      if (next === undefined) return;
      next();
    }
  }
}

/** Every request waits for its actor's turn. The one of number `failsAt` fails, after it has taken effect where that number is even. */
function inTurns(inner: MemoryStorage, stage: Stage, actor: number, failsAt: number): Storage {
  let requests = 0;
  const request = async <T>(step: () => Promise<T>): Promise<T> => {
    const number = ++requests;
    const failure = new EtcdsafeError("STORAGE_UNREACHABLE", "the test's store fails here");
    await stage.request(actor);
    if (number === failsAt && number % 2 === 1) throw failure;
    const result = await step();
    if (number === failsAt) throw failure;
    return result;
  };
  const aged = (info: ObjectInfo): ObjectInfo =>
    info.key.includes("/uploads/") ? { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - STOOD_STILL_MS) } : info;
  return wrapped(inner, {
    clock: { now: async () => ({ time: new Date(), uncertaintyMs: 0 }) },
    put: (key, body, options) => request(() => inner.put(key, body, options)),
    remove: (key, options) => request(() => inner.remove(key, options)),
    stat: (key, options) => request(async () => ((info) => info && aged(info))(await inner.stat(key, options))),
    read: async function* (key, options) {
      await request(async () => undefined);
      yield* inner.read(key, options);
    },
    list: async function* (prefix, options) {
      yield* (await request(() => Array.fromAsync(inner.list(prefix, options)))).map(aged);
    },
  });
}

/** Nobody's heartbeat comes. */
function suspended(): Runtime {
  const sleep = (_: number, end: AbortSignal) => new Promise<void>((resolve) => end.addEventListener("abort", () => resolve(), { once: true }));
  return { ...recordingRuntime(), sleep };
}

test("uploads: in whatever order the requests of copies and of a garbage collection come, a copy that says that it is done is whole", async () => {
  const seen = { copied: 0, lost: 0, refused: 0, failed: 0, collected: 0, "left by the collection": 0, "half, listed as damaged": 0 };
  const copier = fc.record({ failsAt: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 2, max: 14 })), isEncrypted: fc.boolean() });
  const turns = fc.array(fc.tuple(fc.integer({ min: 0, max: COPIERS_MAX }), fc.integer({ min: 1, max: 14 })), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(turns, fc.array(copier, { minLength: 1, maxLength: COPIERS_MAX }), async (played, copiers) => {
      const inner = new MemoryStorage();
      const stage = new Stage(copiers.length + 1);
      let unseen = 0;
      const running = copiers.map(async ({ failsAt, isEncrypted }, index) => {
        const to = { storage: inTurns(inner, stage, index + 1, failsAt), file: from.file };
        const log = ({ message }: LogEvent) => {
          if (message.includes("could not be looked at")) unseen++;
        };
        const options = { runtime: { ...suspended(), log }, signal, author: AUTHOR, keys: undefined, protection: {}, isGone: () => false };
        await copyBackup(from, to, { cluster: CLUSTER, manifest, to: isEncrypted ? others : undefined }, options).finally(() => stage.over(index + 1));
      });
      const collecting = (async () => {
        const repository = { storage: inTurns(inner, stage, COLLECTOR, Number.POSITIVE_INFINITY), file: from.file };
        const options = { runtime: suspended(), signal };
        await stage.request(COLLECTOR); // It begins at some moment of the copies.
        return applyGc(repository, await planGc(repository, options), AUTHOR, options);
      })().finally(() => stage.over(COLLECTOR));
      const all = Promise.allSettled(running);
      await stage.play(played);
      const ended = await all;
      const { removed, leave } = await collecting;
      seen.collected += removed.length;
      seen["left by the collection"] += leave.length;
      for (const each of ended) {
        if (each.status === "fulfilled") seen.copied++;
        else if (each.reason.code === "WRITER_LEASE_LOST") seen.lost++;
        else if (each.reason.code === "STORAGE_CONFLICT") seen.refused++;
        else if (each.reason instanceof EtcdsafeError) seen.failed++;
        else throw each.reason;
      }
      const [there] = await listBackups({ storage: inner, file: from.file }, CLUSTER, { signal });
      const isDone = ended.some(({ status }) => status === "fulfilled");
      if (isDone) await requireWhole(inner);
      if (there === undefined) return;
      const isWhole = await requireWhole(inner).then(
        () => true,
        () => false,
      );
      if (isWhole) expect(there).toMatchObject({ state: "partial" });
      else if (there.manifest !== null && there.state === "damaged") seen["half, listed as damaged"]++;
      else expect(unseen, "one failed as it looked").toBeGreaterThan(0);
    }),
    { seed: SEED, numRuns: runs(250, 20_000) },
  );
  report("what became of copies", seen);
  for (const [what, times] of Object.entries(seen)) if (!what.startsWith("half")) expect(times, what).toBeGreaterThan(0);
});

async function requireWhole(storage: Storage): Promise<void> {
  const { objects } = await readManifest(storage, CLUSTER, manifest.id, { signal });
  for (const object of objects) await checkStoredBytes(storage, backupObjectKey(CLUSTER, manifest.id, object.name), object, { signal });
}
