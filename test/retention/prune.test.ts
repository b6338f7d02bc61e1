// Pruning a repository: what is read for the plan, what is removed, what is recorded, and what comes in between.
import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { deletionKey, manifestKey, pinKey, prunesPrefix } from "../../src/repository/names.ts";
import { writePin } from "../../src/repository/pins.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import { applyPrune, type PruneRequest, planPrune } from "../../src/retention/prune.ts";
import type { Locks } from "../../src/storage/capabilities.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { storeAt } from "./stored-history.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const AUTHOR = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
const NOW = "2026-11-22T05:00:00.000Z";
const { logged, ...effects } = testRuntime();
const options = { signal, runtime: { ...effects, now: () => new Date(NOW) } };
const KEEP_2: PruneRequest = { cluster: "default", policy: { keepLast: 2 }, policyFrom: "options", clockIsRight: false };
let storage: MemoryStorage;
/** Oldest first, an hour apart, the last one an hour ago. */
let ids: string[];

beforeEach(async () => {
  storage = new MemoryStorage();
  ids = [];
  for (let hour = 0; hour < 5; hour++) ids.push(await storeAt(storage, `2026-11-22T0${hour}:00:00.000Z`));
});

const on = (over: Storage): Repository => ({ storage: over, file: { ignoresConditions: false } as Repository["file"] });
const plan = (request: PruneRequest = KEEP_2, over: Storage = storage) => planPrune(on(over), request, options);
const prune = async (request: PruneRequest = KEEP_2, over: Storage = storage) => applyPrune(on(over), await plan(request, over), AUTHOR, options);
const listed = async () => (await listBackups(on(storage), "default", { signal })).map(({ id }) => id).reverse();
const keys = async (prefix = "") => (await Array.fromAsync(storage.list(prefix, { signal }))).map(({ key }) => key);
const removedIds = ({ plan: { remove } }: Awaited<ReturnType<typeof plan>>) => remove.map(({ backup }) => backup.id);

test("prune: the plan changes nothing; the prune removes what it says, and records it; a second one finds nothing", async () => {
  await storage.put("default/notes.txt", streamOf(Buffer.from("x")), { signal });
  const before = await keys();
  const planned = await plan();
  expect(removedIds(planned)).toEqual(ids.slice(0, 3));
  expect(planned).toMatchObject({ backups: 5, nowFrom: "host", unrecognised: ["default/notes.txt"], removedByRuns: [] });
  expect(await keys()).toEqual(before);
  const result = await applyPrune(on(storage), planned, AUTHOR, options);
  expect(result).toMatchObject({
    kept: 2,
    failures: [],
    finished: [],
    isHidden: false,
    left: [{ key: "default/notes.txt", reason: "not written by etcdsafe" }],
  });
  expect(result.removed.map(({ backup, reasons }) => [backup, reasons])).toEqual(ids.slice(0, 3).map((id) => [id, ["kept by no rule"]]));
  expect(await listed()).toEqual(ids.slice(3));
  expect(await keys()).toEqual(expect.arrayContaining(["default/notes.txt", result.record]));
  const again = await plan();
  expect([removedIds(again), again.removedByRuns]).toEqual([[], [3]]);
  expect((await prune()).removed).toEqual([]);
});

test("prune: what is pinned, locked, damaged, unreadable or in the future is taken for that", async () => {
  await writePin(storage, "default", AUTHOR, { backup: ids[0]!, reason: "before the upgrade", pinnedAt: NOW }, { signal });
  await storage.remove(`default/backups/${ids[3]}/snapshot.db.zst`, { signal });
  await storage.put(manifestKey("default", ids[2]!), streamOf(Buffer.from("{}")), { signal });
  const future = await storeAt(storage, "2027-01-01T00:00:00.000Z");
  const planned = await plan(KEEP_2);
  expect(removedIds(planned)).toEqual([]);
  const kept = Object.fromEntries(planned.plan.keep.map(({ backup, reasons }) => [backup.id, reasons]));
  expect(Object.keys(kept).sort()).toEqual([ids[0], ids[1], ids[3], ids[4]]);
  expect(kept[ids[0]!]).toEqual([expect.stringContaining("before the upgrade")]);
  expect(planned.plan.leave.map(({ key }) => key).sort()).toEqual([ids[2], future].sort());
});

test("prune: locks are asked of those alone that would go; what is locked stays, and says until when", async () => {
  const asked: string[] = [];
  let isDenied = true;
  const until = new Date("2026-12-24T00:00:00.000Z");
  const locks: Locks = {
    place: "a bucket",
    defaults: async () => ({ retention: undefined }),
    lock: async () => undefined,
    state: async () => ({ retention: undefined, legalHold: false }),
    canHold: async () => true,
    async *list(prefix) {
      asked.push(prefix);
      const first = { retention: { mode: "compliance", until: new Date("2026-12-01T00:00:00.000Z") }, legalHold: false } as const;
      if (prefix.includes(ids[0]!)) yield { key: `${prefix}a`, lock: first };
      if (prefix.includes(ids[0]!)) yield { key: `${prefix}b`, lock: { ...first, retention: { mode: "compliance", until } } };
      if (prefix.includes(ids[0]!)) yield { key: `${prefix}c`, lock: first };
      if (prefix.includes(ids[1]!)) yield { key: `${prefix}a`, lock: { ...first, legalHold: true } };
      if (prefix.includes(ids[1]!)) yield { key: `${prefix}b`, lock: first };
      if (isDenied && prefix.includes(ids[2]!)) throw new EtcdsafeError("STORAGE_DENIED", "cannot ask for the lock");
    },
  };
  expect(removedIds(await plan(KEEP_2, wrapped(storage, { locks: { ...locks, canHold: async () => false } })))).toEqual(ids.slice(0, 3));
  expect(asked).toEqual([]);
  // As a copy has it: the manifest names a version of another store.
  await storeAt(storage, "2026-11-22T00:00:00.000Z", { objects: sampleObjects("elsewhere") });
  const locking = wrapped(storage, { locks });
  // Where locks are possible, whoever may not ask for them would hide what is locked.
  await expectThrown("STORAGE_DENIED", () => plan(KEEP_2, locking), /cannot ask for the lock/);
  logged.length = 0;
  const unknown = wrapped(storage, { locks: { ...locks, canHold: () => Promise.reject(new EtcdsafeError("STORAGE_DENIED", "not allowed")) } });
  expect(removedIds(await plan(KEEP_2, unknown))).toContain(ids[2]);
  expect(logged).toContainEqual({
    level: "warn",
    message: expect.stringMatching(/^whether backups are locked may not be asked here: .*cannot ask for the lock/),
  });
  isDenied = false;
  asked.length = 0;
  const planned = await plan(KEEP_2, locking);
  expect(removedIds(planned)).toEqual([ids[2]]);
  const reasons = Object.fromEntries(planned.plan.keep.map(({ backup, reasons: why }) => [backup.id, why.join()]));
  expect(reasons[ids[0]!]).toContain("2026-12-24");
  expect(reasons[ids[1]!]).toContain("legal hold");
  expect([...new Set(asked)].sort()).toEqual(ids.slice(0, 3).map((id) => `default/backups/${id}/`));
  // Who acts hears of it too.
  const { left } = await prune(KEEP_2, locking);
  expect(left).toContainEqual({ key: ids[0], reason: expect.stringContaining("2026-12-24") });
});

test("prune: of two with different policies, the second goes by what the first has left", async () => {
  const first = await plan({ ...KEEP_2, policy: { keepLast: 1 } });
  // It would keep but the third, which it takes for the last good one.
  await storage.put(manifestKey("default", ids[4]!), streamOf(Buffer.from("{}")), { signal });
  await storage.put(manifestKey("default", ids[3]!), streamOf(Buffer.from("{}")), { signal });
  const result = await applyPrune(on(storage), first, AUTHOR, options);
  expect(result.removed.map(({ backup }) => backup)).toEqual(ids.slice(0, 2));
  expect(result.left).toEqual(expect.arrayContaining([{ key: ids[2], reason: expect.stringContaining("has changed since") }]));
  expect(await listed()).toEqual(ids.slice(2));
});

test("prune: nobody else may write meanwhile, and who does is named", async () => {
  await using _lease = await takeWriterLease(
    on(storage),
    { cluster: "default", purpose: "prune", author: AUTHOR, expiresAfterSeconds: 3600 },
    {
      ...options,
      runtime: testRuntime(),
    },
  );
  const busy = wrapped(storage, { clock: { now: async () => ({ time: new Date(), uncertaintyMs: 0 }) } });
  await expectThrown("WRITER_LOCKED", () => prune({ ...KEEP_2, clockIsRight: true }, busy), /prune on test/);
  expect(await listed()).toEqual(ids);
});

test("prune: what another run has begun is finished first", async () => {
  await storage.remove(manifestKey("default", ids[0]!), { signal });
  await storage.put(deletionKey("default", ids[0]!), streamOf(Buffer.from("{}")), { signal });
  const planned = await plan();
  expect([planned.unfinished, planned.backups]).toEqual([[ids[0]], 4]);
  expect(await applyPrune(on(storage), planned, AUTHOR, options)).toMatchObject({ finished: [ids[0]], kept: 2 });
  expect(await listed()).toEqual(ids.slice(3));
});

test("prune: credentials that may not delete: it says so, everything stays, and the run is on record as partly done", async () => {
  const denied = failingStorage(storage, { operations: ["remove"], key: /\/(backups|deleting)\//, error: () => new EtcdsafeError("STORAGE_DENIED", "no") });
  const result = await prune(KEEP_2, denied);
  expect(result).toMatchObject({ removed: [], kept: 5, failures: Array(3).fill({ code: "STORAGE_DENIED", message: "no" }) });
  expect(await listed()).toEqual(ids);
  expect(await keys(prunesPrefix("default"))).toEqual([result.record]);
});

test("prune: who may remove nothing tries three, not all", async () => {
  const denied = failingStorage(storage, { operations: ["remove"], key: /\/(backups|deleting)\//, error: () => new EtcdsafeError("STORAGE_DENIED", "no") });
  expect((await prune({ ...KEEP_2, policy: { keepLast: 1 } }, denied)).failures).toHaveLength(3);
});

test("prune: a bucket that keeps what was just written keeps the marker of a deletion, and no backup for it", async () => {
  const held = failingStorage(storage, { operations: ["remove"], key: /\/deleting\//, error: () => new EtcdsafeError("STORAGE_DENIED", "kept for a day") });
  const request = { ...KEEP_2, policy: { keepLast: 1 } };
  const reason = "it is gone, and the store keeps the marker of its deletion for now: kept for a day";
  const gone = ids.slice(0, 4);
  const left = gone.map((key) => ({ key, reason }));
  const first = await prune(request, held);
  expect([first, first.removed.map(({ backup }) => backup)]).toMatchObject([{ failures: [], kept: 1, left }, gone]);
  expect(await prune(request, held)).toMatchObject({ failures: [], kept: 1, left, removed: [] });
  expect(await prune(request)).toMatchObject({ failures: [], finished: gone, left: [] });
  expect(await keys("default/deleting/")).toEqual([]);
});

test("prune: a backup that the store holds keeps no other from going", async () => {
  const held = failingStorage(storage, {
    operations: ["remove"],
    key: new RegExp(`${ids[0]}/manifest`),
    error: () => new EtcdsafeError("STORAGE_DENIED", "held"),
  });
  const result = await prune(KEEP_2, held);
  expect([result.removed.map(({ backup }) => backup), result.failures]).toMatchObject([[ids[1], ids[2]], [{ message: "held" }]]);
  expect(await listed()).toEqual([ids[0], ids[3], ids[4]]);
});

test("prune: what cannot be removed does not keep it from the rest", async () => {
  const failing = failingStorage(storage, { operations: ["remove"], key: new RegExp(`${ids[1]}/snapshot`) });
  const result = await prune(KEEP_2, failing);
  expect(result.failures).toMatchObject([{ code: "STORAGE_UNREACHABLE" }]);
  // Without its manifest it is no backup any more.
  expect([result.removed.map(({ backup }) => backup), result.kept]).toEqual([ids.slice(0, 3), 2]);
  expect(await prune()).toMatchObject({ finished: [ids[1]], failures: [] });
});

test("prune: a run that is stopped in the middle is on record, with what it has removed", async () => {
  const stopping = new AbortController();
  const stopped = new EtcdsafeError("INTERRUPTED", "of the test");
  const over = wrapped(storage, {
    remove: async (key, call) => {
      await storage.remove(key, call);
      if (key === deletionKey("default", ids[0]!)) stopping.abort(stopped);
    },
  });
  await expect(applyPrune(on(over), await plan(), AUTHOR, { ...options, signal: stopping.signal })).rejects.toBe(stopped);
  expect(await listed()).toEqual(ids.slice(1));
  const [record] = await keys(prunesPrefix("default"));
  const run = JSON.parse(Buffer.from(storage.bytesOf(record!)!).toString());
  expect(run).toMatchObject({
    outcome: "partly",
    backupsKept: 4,
    backupsRemoved: [{ backup: ids[0] }],
    failures: [{ message: expect.stringContaining("stopped") }],
  });
});

test("prune: a name that nobody has saved under is a mistyped one", async () => {
  await expectThrown("CLUSTER_NOT_FOUND", () => plan({ ...KEEP_2, cluster: "prodd" }), /there is no cluster prodd/);
  expect(await keys("prodd/")).toEqual([]);
});

test("prune: of a store that keeps versions, what was removed is hidden", async () => {
  const versions = { isEnabled: async () => true, list: async function* () {}, read: () => streamOf(new Uint8Array()) };
  expect(await prune(KEEP_2, wrapped(storage, { versions }))).toMatchObject({ isHidden: true, removed: [{ isHidden: true }, {}, {}] });
});

test("prune: a host whose clock is a year ahead removes nothing, nor one whose clock is not the store's", async () => {
  const ahead = { ...options, runtime: { ...options.runtime, now: () => new Date("2027-11-22T05:00:00.000Z") } };
  const request: PruneRequest = { ...KEEP_2, policy: { maxAge: "30d" } };
  await expectThrown("CLOCK_DIFFERS", () => planPrune(on(storage), request, ahead), /./);
  await expectThrown("CLOCK_DIFFERS", () => planPrune(on(wrapped(storage, { clock: clockOf(NOW) })), request, ahead), /./);
  expect(removedIds(await planPrune(on(storage), { ...request, clockIsRight: true }, ahead))).toEqual(ids.slice(0, 4));
  const byStore = await planPrune(on(wrapped(storage, { clock: clockOf("2026-11-22T05:03:00.000Z") })), request, options);
  expect(byStore).toMatchObject({ nowFrom: "store", now: new Date("2026-11-22T05:03:00.000Z") });
});

test("prune: old records go: attempts after a week, runs after three months but for the newest twenty", async () => {
  const aging = (days: number) =>
    wrapped(storage, {
      list: async function* (prefix, call) {
        for await (const info of storage.list(prefix, call)) yield { ...info, modifiedAt: new Date(Date.parse(NOW) - days * 86_400_000) };
      },
    });
  for (let second = 10; second < 32; second++) await storage.put(`default/prunes/20260101T0000${second}.000Z.json`, streamOf(Buffer.from("{}")), { signal });
  await storage.put("default/attempts/20260101T000000.000Z-aaaaaa.json", streamOf(Buffer.from("{}")), { signal });
  await storage.put("default/attempts/notes.txt", streamOf(Buffer.from("x")), { signal });
  await prune(KEEP_2, aging(6));
  expect(await keys("default/attempts/")).toHaveLength(2);
  await prune(KEEP_2, aging(8));
  expect(await keys("default/attempts/")).toEqual(["default/attempts/notes.txt"]);
  expect(await keys("default/prunes/")).toHaveLength(24);
  await prune(KEEP_2, aging(91));
  expect(await keys("default/prunes/")).toHaveLength(20);
});

test("prune: a pin that is placed while it runs keeps its backup", async () => {
  const pinning = wrapped(storage, {
    put: async (key, body, call) => {
      const info = await storage.put(key, body, call);
      if (key === deletionKey("default", ids[0]!)) await storage.put(pinKey("default", ids[1]!), streamOf(Buffer.from("{}")), { signal });
      return info;
    },
  });
  expect((await prune(KEEP_2, pinning)).left).toContainEqual({ key: ids[1], reason: "it was pinned meanwhile" });
  expect(await listed()).toEqual([ids[1], ids[3], ids[4]]);
});

test("prune: a pin that comes when the deletion has just begun keeps its backup too", async () => {
  const pinning = wrapped(storage, {
    put: async (key, body, call) => {
      const info = await storage.put(key, body, call);
      if (key === deletionKey("default", ids[0]!)) await storage.put(pinKey("default", ids[0]!), streamOf(Buffer.from("{}")), { signal });
      return info;
    },
  });
  expect((await prune(KEEP_2, pinning)).left).toContainEqual({ key: ids[0], reason: "it was pinned meanwhile" });
  expect(await listed()).toEqual([ids[0], ids[3], ids[4]]);
  expect(await keys("default/deleting/")).toEqual([]);
});

function clockOf(time: string) {
  return { now: async () => ({ time: new Date(time), uncertaintyMs: 0 }) };
}

function sampleObjects(storeVersion: string) {
  const sha256 = "ab".repeat(32);
  const sizes = { storedSizeBytes: 100, storedSha256: sha256, rawSizeBytes: 4128, rawSha256: sha256 };
  return [{ role: "snapshot" as const, name: "snapshot.db.zst", codec: ["zstd-seekable"], ...sizes, encryption: null, storeVersion }];
}
