// Garbage collection on a store: what it removes, what keeps it from that, and what came to life between its plan and its deed.
import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { placeUploadMarker } from "../../src/repository/held-marker.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { expectThrown } from "../support/failures.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
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

const repository = (over: Storage = storage): Repository => ({ storage: over, file: {} as Repository["file"] });
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
