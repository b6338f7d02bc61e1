import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test } from "vitest";
import { collect, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { SNAPSHOT_OBJECT } from "../../src/repository/names.ts";
import { decodeObject } from "../../src/repository/object-decoder.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { LogEvent } from "../../src/runtime.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { forgettingStorage, truncatingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const raw = Buffer.alloc(4128, "etcd");
const manifest = sampleManifest();
const MARKER = `default/uploads/${manifest.id}.json`;
const MANIFEST = `default/backups/${manifest.id}/manifest.json`;
const OBJECT = `default/backups/${manifest.id}/snapshot.db.zst`;
let inner: MemoryStorage;
let logged: LogEvent[];
/** Ends each sleep of the heartbeat when the test says so. */
let beat: () => Promise<void>;
let runtime: Parameters<typeof beginUpload>[3]["runtime"];

beforeEach(() => {
  inner = new MemoryStorage();
  logged = [];
  let wake = Promise.withResolvers<void>();
  let seconds = 0;
  beat = async () => {
    seconds += 60;
    wake.resolve();
    wake = Promise.withResolvers();
    await sleep(5);
  };
  runtime = {
    now: () => new Date(Date.parse("2026-11-21T09:30:00.000Z") + seconds * 1000),
    monotonicMs: () => seconds * 1000,
    randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    log: (event) => logged.push(event),
    sleep: (_, stop) =>
      new Promise<void>((resolve, reject) => {
        stop.addEventListener("abort", () => reject(stop.reason));
        void wake.promise.then(resolve);
      }),
  };
});

function begin(storage: Storage = inner) {
  return beginUpload({ storage, file: {} as Repository["file"] }, author, { cluster: "default", id: manifest.id, action: "save" }, { signal, runtime });
}

async function keys(): Promise<string[]> {
  return (await Array.fromAsync(inner.list("", { signal }))).map(({ key }) => key);
}

test("publish: marker, object, manifest, and the marker goes", async () => {
  const upload = await begin();
  expect(await keys()).toEqual([MARKER]);
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  expect(await keys()).toEqual([OBJECT, MARKER]);
  const published = { ...manifest, objects: [object] };
  await upload.publish(published, { signal });
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
  const [entry] = await listBackups({ storage: inner, file: {} as Repository["file"] }, "default", { signal });
  expect(entry).toMatchObject({ manifest: published, state: "proven", storedSizeBytes: object.storedSizeBytes });
  expect(Buffer.from(await collect(decodeObject(inner, OBJECT, object, { signal }), 10_000, () => new Error()))).toEqual(raw);
  expect(logged).toEqual([]);
});

test("publish: the marker's heartbeat goes on until the end, through a store that fails for a while", async () => {
  const failing = failingStorage(inner, { operations: ["put"], key: /uploads/, from: 2, times: 1 });
  const upload = await begin(failing);
  const heartbeat = () => JSON.parse(Buffer.from(inner.bytesOf(MARKER)!).toString()).heartbeatAt;
  expect(heartbeat()).toBe("2026-11-21T09:30:00.000Z");
  await beat();
  await expect.poll(() => logged).toEqual([expect.objectContaining({ level: "warn", message: expect.stringContaining("heartbeat") })]);
  await beat();
  await expect.poll(heartbeat).toBe("2026-11-21T09:32:00.000Z");
  await upload.abandon(1_000);
  await beat();
  expect(await keys()).toEqual([]);
});

test("publish: two backups never share an id", async () => {
  await begin();
  await expect(begin()).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
});

test("publish: an object or a manifest that is there already is not replaced", async () => {
  const theirs = Buffer.from("another's");
  const upload = await begin();
  await inner.put(OBJECT, streamOf(theirs), { signal });
  const put = () => upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await expect(put()).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  await upload.abandon(1_000);
  expect(inner.bytesOf(OBJECT)).toEqual(new Uint8Array(theirs));
  await inner.remove(OBJECT, { signal });

  const second = await begin();
  const object = await second.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await inner.put(MANIFEST, streamOf(theirs), { signal });
  await expect(second.publish({ ...manifest, objects: [object] }, { signal })).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  expect(inner.bytesOf(MANIFEST)).toEqual(new Uint8Array(theirs));
});

test("publish: a source that fails leaves nothing once it is abandoned", async () => {
  const upload = await begin();
  const broken = async function* () {
    yield raw;
    throw new EtcdsafeError("ETCD_STREAM_CUT", "cut");
  };
  await expect(upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(broken()), { signal })).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
  await upload.abandon(1_000);
  expect(await keys()).toEqual([]);
});

test("publish: abandoning never throws, and says what it left", async () => {
  const upload = await begin(failingStorage(inner, { operations: ["remove"] }));
  await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await upload.abandon(1_000);
  expect(await keys()).toEqual([OBJECT, MARKER]);
  expect(logged).toEqual([expect.objectContaining({ level: "warn", message: expect.stringContaining(manifest.id) })]);
});

test("publish: a store that kept less than it was sent is found out at once", async () => {
  const upload = await begin(truncatingStorage(inner, 50, { operations: ["put"], key: /snapshot/ }));
  await expect(upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal })).rejects.toMatchObject({
    code: expect.stringMatching(/OBJECT_TRUNCATED|INTERNAL/),
  });
});

test("publish: no manifest is written for objects that are not there", async () => {
  const upload = await begin(forgettingStorage(inner, /snapshot/));
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await expect(upload.publish({ ...manifest, objects: [object] }, { signal })).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
  expect(await keys()).toEqual([MARKER]);
});

test("publish: when it is not known whether the manifest arrived, nothing is removed", async () => {
  const upload = await begin(failingStorage(inner, { operations: ["put"], key: /manifest/, afterwards: true }));
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await expect(upload.publish({ ...manifest, objects: [object] }, { signal })).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  await upload.abandon(1_000);
  const [entry] = await listBackups({ storage: inner, file: {} as Repository["file"] }, "default", { signal });
  expect(entry).toMatchObject({ id: manifest.id, state: "proven" });
});

test("publish: a marker that stays behind does not fail a stored backup", async () => {
  const upload = await begin(failingStorage(inner, { operations: ["remove"] }));
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
  await upload.publish({ ...manifest, objects: [object] }, { signal });
  expect(logged).toEqual([expect.objectContaining({ level: "warn", message: expect.stringContaining("marker") })]);
});
