// Garbage collection on a store: what it removes, what keeps it from that, and what came to life between its plan and its deed.
import { beforeEach, expect, test } from "vitest";
import { readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { placeUploadMarker } from "../../src/repository/held-marker.ts";
import { manifestKey, SNAPSHOT_OBJECT, uploadKey, writerLeaseKey } from "../../src/repository/names.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { expectThrown } from "../support/failures.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import { type TestRuntime, testRuntime } from "../support/test-runtime.ts";
import { AUTHOR, newRepository, someSnapshot, storeBackup } from "../verify/stored-backup.ts";

const { signal } = new AbortController();
const ID = "20261121T093000Z-0000000000000012345-k3jv2a";
const OBJECT = `default/backups/${ID}/snapshot.db.zst`;
const MARKER = `default/uploads/${ID}.json`;
const options = { signal, runtime: testRuntime() };
let memory: MemoryStorage;
/** The same with a clock, which a test may set ahead. */
let storage: Storage;
let aheadMs: number;

beforeEach(async () => {
  const made = await newRepository();
  memory = made.storage;
  aheadMs = 0;
  storage = wrapped(memory, { clock: { now: async () => ({ time: new Date(Date.now() + aheadMs), uncertaintyMs: 0 }) } });
  await storeBackup(made, someSnapshot());
});

const repository = (over: Storage = storage): Repository => ({ storage: over, file: { ignoresConditions: false } as Repository["file"] });
/** With files of these ages as the store tells of them. */
const aged = (over: Storage, which: RegExp, ageMs: number): Storage =>
  wrapped(over, {
    stat: async (key, options) => {
      const info = await over.stat(key, options);
      return info === undefined || !which.test(key) ? info : { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - ageMs) };
    },
  });
const put = (key: string) => memory.put(key, streamOf(Buffer.from("x")), { signal });
const keys = async () => (await Array.fromAsync(memory.list("", { signal }))).map(({ key }) => key);

test("gc: removes what an upload left, and nothing else; a second run finds nothing", async () => {
  const before = await keys();
  await put(OBJECT);
  await put("default/notes.txt");
  const plan = await planGc(repository(), options);
  expect(plan).toMatchObject({ remove: [{ backup: ID, objects: [{ key: OBJECT }] }], leave: [] });
  expect(await keys()).toContain(OBJECT);
  expect(await applyGc(repository(), plan, AUTHOR, options)).toMatchObject({ removed: plan.remove, failed: [] });
  expect(await keys()).toEqual([...before, "default/notes.txt", "default/writer.json"].sort());
  expect(await planGc(repository(), options)).toEqual({ remove: [], leave: [] });
});

test("gc: plans nothing where the state is elsewhere: whoever is writing would not be seen", async () => {
  await put(OBJECT);
  const file = { ignoresConditions: false, stateStore: { location: "memory:state", ignoresConditions: false } } as Repository["file"];
  await expectThrown("CONFIG_INVALID", () => planGc({ storage, file }, options), /keeps its state in memory:state/);
});

test("gc: a living upload is left alone; it is garbage once the store's clock says that it has missed three heartbeats", async () => {
  const marker = await placeUploadMarker(repository(), { author: AUTHOR, cluster: "default", backup: ID, action: "save" }, options);
  await put(OBJECT);
  expect(await planGc(repository(), options)).toMatchObject({ remove: [], leave: [{ backup: ID }] });
  await marker.stop();
  aheadMs = 180_000;
  const plan = await planGc(repository(), options);
  expect(plan.remove).toMatchObject([{ marker: MARKER, objects: [{ key: OBJECT }] }]);
  // The lease's file is as old as the marker here: by the time it tells, the upload still lives.
  expect(await applyGc(repository(), plan, AUTHOR, options)).toMatchObject({ removed: [], leave: [{ reason: "it is being written again" }] });
  expect(await keys()).toContain(OBJECT);
});

test("gc: beside what a copy that died has published it looks whether that is whole, and has it listed as damaged where it is not", async () => {
  const [id, other] = (await keys()).flatMap((key) => /backups\/([^/]+)\/manifest\.json$/.exec(key)?.[1] ?? []);
  expect(other).toBeUndefined();
  const snapshot = (await keys()).find((key) => key.includes(`${id}/snapshot.db`))!;
  const stateOf = async () => (await listBackups(repository(), "default", options))[0];
  const died = async (action: "copy" | "save") => {
    const marker = await placeUploadMarker(repository(), { author: AUTHOR, cluster: "default", backup: id!, action }, options);
    await marker.stop();
    aheadMs += 200_000;
    const plan = await planGc(repository(), options);
    aheadMs += 200_000; // By the lease's file, which is as old as the marker here, it would live still.
    return applyGc(repository(aged(storage, /uploads/, 400_000)), plan, AUTHOR, options);
  };
  expect(await died("copy")).toMatchObject({ removed: [{ backup: id, objects: [] }] });
  expect(await stateOf()).toMatchObject({ state: "unconfirmed" });
  const bytes = Buffer.from(memory.bytesOf(snapshot)!);
  bytes[bytes.length - 1]! ^= 1;
  await memory.put(snapshot, streamOf(bytes), { signal });
  expect(await died("save")).toMatchObject({ removed: [{ backup: id }] });
  expect(await stateOf()).toMatchObject({ state: "unconfirmed" });
  expect(await died("copy")).toMatchObject({ removed: [{ backup: id }] });
  expect(await stateOf()).toMatchObject({ state: "damaged", damage: [expect.stringMatching(/stored-bytes/)] });
  expect(await keys()).not.toContain(uploadKey("default", id!));
});

test("gc: what was finished between plan and deed stays", async () => {
  await put(OBJECT);
  const plan = await planGc(repository(), options);
  await put(`default/backups/${ID}/manifest.json`);
  expect(await applyGc(repository(), plan, AUTHOR, options)).toMatchObject({ removed: [], leave: [{ reason: "it was finished meanwhile" }] });
  expect(await keys()).toContain(OBJECT);
});

test("gc: waits for no writer, and tells who it is", async () => {
  await put(OBJECT);
  const plan = await planGc(repository(), options);
  const request = { cluster: "default", purpose: "prune", author: AUTHOR, expiresAfterSeconds: 30 };
  await using _lease = await takeWriterLease(repository(), request, options);
  await expectThrown("WRITER_LOCKED", () => applyGc(repository(), plan, AUTHOR, options), /^prune on test/);
  expect(await keys()).toContain(OBJECT);
});

test("gc: what may not be removed is told, its marker stays, and the others go", async () => {
  const denied = OBJECT.replace("k3jv2a", "aaaaaa");
  for (const key of [denied, `${OBJECT}.age`, OBJECT]) await put(key);
  const refusing = wrapped(storage, {
    remove: async (key, removal) => {
      if (key === denied) throw new EtcdsafeError("STORAGE_DENIED", "may not delete");
      await storage.remove(key, removal);
    },
  });
  const result = await applyGc(repository(refusing), await planGc(repository(), options), AUTHOR, options);
  expect(result.failed).toEqual([{ cluster: "default", backup: ID.replace("k3jv2a", "aaaaaa"), reason: "may not delete", code: "STORAGE_DENIED" }]);
  expect(result.removed).toMatchObject([{ backup: ID, objects: [{}, {}] }]);
  expect(await keys()).toContain(denied);
});

test("gc: parts of unfinished uploads are aborted", async () => {
  const aborted: string[] = [];
  const upload = { key: OBJECT, uploadId: "u1", startedAt: new Date() };
  const unfinished: Storage["unfinished"] = {
    list: async function* () {
      yield upload;
      yield { ...upload, key: "somebody/else", uploadId: "u2" };
    },
    abort: async ({ uploadId }) => void aborted.push(uploadId),
  };
  const over = repository(wrapped(storage, { unfinished }));
  await applyGc(over, await planGc(over, options), AUTHOR, options);
  expect(aborted).toEqual(["u1"]);
});

test("gc: a save that wakes up at any moment of the collection is either whole, or fails", async () => {
  const sample = sampleManifest();
  const sampleMarker = uploadKey("default", sample.id);
  const sampleObject = `default/backups/${sample.id}/${SNAPSHOT_OBJECT}`;
  const outcomes: string[] = [];
  for (let at = 1; ; at++) {
    const made = await newRepository();
    const upload = await beginUpload(made, AUTHOR, { cluster: "default", id: sample.id, action: "save" }, { signal, runtime: suspended() });
    const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(Buffer.alloc(4128, "etcd"))), { signal });
    const old = aged(made.storage, /uploads/, 200_000);
    let requests = 0;
    let published: Promise<unknown> | undefined;
    const awake = async () => {
      if (++requests !== at) return old;
      published = upload.publish({ ...sample, objects: [object] }, { signal }).then(
        () => "published",
        (error: EtcdsafeError) => error.code,
      );
      await published;
      return old;
    };
    const over = wrapped(old, {
      put: async (...call) => (await awake()).put(...call),
      stat: async (...call) => (await awake()).stat(...call),
      remove: async (...call) => (await awake()).remove(...call),
    });
    const plan = await planGc({ ...made, storage: old }, options);
    expect(plan.remove).toMatchObject([{ backup: sample.id, marker: sampleMarker }]);
    const { removed, leave, failed } = await applyGc({ ...made, storage: over }, plan, AUTHOR, { ...options, runtime: suspended() });
    expect(failed).toEqual([]);
    if (published === undefined) break;
    const outcome = await published;
    outcomes.push(`${outcome}, ${removed.length} removed`);
    expect(removed.length + leave.length).toBe(1);
    expect(made.storage.bytesOf(sampleObject) !== undefined && made.storage.bytesOf(manifestKey("default", sample.id)) !== undefined).toBe(
      outcome === "published",
    );
    expect(removed.length).toBe(outcome === "published" ? 0 : 1);
  }
  expect(new Set(outcomes)).toEqual(new Set(["published, 0 removed", "WRITER_LEASE_LOST, 1 removed", "STORAGE_NOT_FOUND, 1 removed"]));
});

test("gc: keeps others away from what it removes, also where there was no marker, and leaves none", async () => {
  await put(OBJECT);
  const markers: unknown[] = [];
  const over = wrapped(storage, {
    remove: async (key, removal) => {
      markers.push(JSON.parse(Buffer.from(memory.bytesOf(MARKER)!).toString()));
      await storage.remove(key, removal);
    },
  });
  await applyGc(repository(over), await planGc(repository(), options), AUTHOR, options);
  expect(markers).toMatchObject([{ action: "gc", heartbeatSeconds: 1200 }, { action: "gc" }]);
  expect(memory.bytesOf(MARKER)).toBeUndefined();
});

test("gc: one that finds its lease in other hands removes nothing more", async () => {
  const second = OBJECT.replace("k3jv2a", "zzzzzz");
  for (const key of [OBJECT, second]) await put(key);
  const thief = wrapped(storage, {
    remove: async (key, removal) => {
      await storage.remove(key, removal);
      if (key === MARKER) await takeLease();
    },
  });
  const plan = await planGc(repository(), options);
  await expectThrown("WRITER_LEASE_LOST", () => applyGc(repository(thief), plan, AUTHOR, { ...options, runtime: suspended() }), /prune on cp-2/);
  expect(await keys()).toContain(second);
  expect(await keys()).not.toContain(OBJECT);
});

test("gc: the loss of its lease ends what is under way, and is what it ends with", async () => {
  await put(OBJECT);
  let beat = Promise.withResolvers<void>();
  const runtime = {
    ...testRuntime(),
    sleep: (_: number, end: AbortSignal) => Promise.race([beat.promise, new Promise<void>((resolve) => end.addEventListener("abort", () => resolve()))]),
  };
  const stalled = Promise.withResolvers<void>();
  const over = wrapped(storage, {
    remove: (key, removal) => {
      if (key !== OBJECT) return storage.remove(key, removal);
      stalled.resolve();
      return new Promise((_, reject) => removal.signal.addEventListener("abort", () => reject(removal.signal.reason)));
    },
  });
  const plan = await planGc(repository(), options);
  const collecting = applyGc(repository(over), plan, AUTHOR, { ...options, runtime });
  collecting.catch(() => undefined); // Awaited below.
  await stalled.promise;
  await takeLease();
  beat.resolve();
  beat = Promise.withResolvers();
  await expectThrown("WRITER_LEASE_LOST", () => collecting, /prune on cp-2/);
  expect(await keys()).toContain(OBJECT);
});

test("gc: a writer that renews its marker after that was looked at is left alone, also where this host's clock is ahead", async () => {
  const still = { signal, runtime: suspended() };
  const marker = await placeUploadMarker(repository(), { author: AUTHOR, cluster: "default", backup: ID, action: "save" }, still);
  await marker.stop();
  await put(OBJECT);
  const stale = aged(storage, /uploads/, 200_000);
  let isRenewed = false;
  const waking = wrapped(stale, {
    stat: async (key, options) => {
      if (key === manifestKey("default", ID)) {
        await memory.put(MARKER, streamOf(memory.bytesOf(MARKER)!), { signal });
        isRenewed = true;
      }
      return stale.stat(key, options);
    },
  });
  const again = { removed: [], leave: [{ backup: ID, reason: "it is being written again" }], failed: [] };
  aheadMs = 181_000;
  const plan = await planGc(repository(), options);
  expect(plan.remove).toMatchObject([{ marker: MARKER }]);
  const ahead = { ...suspended(), now: () => new Date(Date.now() + 3_600_000) };
  expect(await applyGc(repository(), plan, AUTHOR, { signal, runtime: ahead })).toMatchObject(again);
  expect(await applyGc(repository(waking), plan, AUTHOR, still)).toMatchObject(again);
  expect(isRenewed).toBe(true);
  expect(await keys()).toContain(OBJECT);
});

/** As another would that has waited until it expired. */
async function takeLease(): Promise<void> {
  const key = writerLeaseKey("default");
  const file = JSON.parse(Buffer.from(memory.bytesOf(key)!).toString());
  const other = { ...file, epoch: "99", holder: { ...file.holder, id: "aaaaaaaaaaaa", host: "cp-2", purpose: "prune" } };
  await memory.put(key, streamOf(Buffer.from(JSON.stringify(other))), { signal });
}

/** No heartbeat comes. */
function suspended(): TestRuntime {
  const sleep = (_: number, end: AbortSignal) => new Promise<void>((_resolve, reject) => end.addEventListener("abort", () => reject(end.reason)));
  return { ...testRuntime(), sleep };
}
