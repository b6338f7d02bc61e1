import { generateKeyPairSync } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, test, vi } from "vitest";
import { collect, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { SNAPSHOT_OBJECT } from "../../src/repository/names.ts";
import { decodeObject } from "../../src/repository/object-decoder.ts";
import { type BackupUpload, beginUpload } from "../../src/repository/publish.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { readSigningKey, type SigningKey } from "../../src/repository/signature.ts";
import type { LogEvent } from "../../src/runtime.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { forgettingStorage, truncatingStorage } from "../faults/kit/lying-storages.ts";
import { failingStorage, stallingStorage } from "../faults/kit/storages.ts";
import { expectThrown } from "../support/failures.ts";
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
let seconds: number;
let runtime: Parameters<typeof beginUpload>[3]["runtime"];
let signing: SigningKey | undefined;

beforeEach(() => {
  inner = new MemoryStorage();
  logged = [];
  signing = undefined;
  let wake = Promise.withResolvers<void>();
  seconds = 0;
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

type Action = Parameters<typeof beginUpload>[2]["action"];

function begin(storage: Storage = inner, more: { readonly action?: Action; readonly replacing?: string; readonly ignoresConditions?: boolean } = {}) {
  const { action = "save", replacing, ignoresConditions = false } = more;
  const repository = { storage, file: { ignoresConditions } as unknown as Repository["file"] };
  return beginUpload(repository, author, { cluster: "default", id: manifest.id, action }, { signal, runtime, replacing, protection: { signing } });
}

/** As whoever takes the one that is there for dead. */
async function takeOver(action: Action = "copy") {
  return begin(inner, { action, replacing: (await inner.stat(MARKER, { signal }))!.version });
}

function putSnapshot(upload: Awaited<ReturnType<typeof begin>>) {
  return upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(raw)), { signal });
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

test("publish: whoever was taken for dead removes nothing of the one that took over, whatever he fails with", async () => {
  const asleep = await begin(failingStorage(inner, { operations: ["put"], key: /bundle/ }), { action: "copy" });
  await putSnapshot(asleep);
  const heir = await takeOver();
  await heir.discard([OBJECT], { signal });
  const object = await putSnapshot(heir);
  const bundle = asleep.put({ role: "bundle", name: "bundle.tar.zst" }, readerOf(streamOf(raw)), { signal });
  await expect(bundle).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  await asleep.abandon(1_000);
  expect(await keys()).toEqual([OBJECT, MARKER]);
  expect(logged).toMatchObject([
    { level: "warn", message: expect.stringMatching(/could not be removed: the upload marker .* was lost: copy on h \(process 1\) has it now$/) },
  ]);
  await heir.publish({ ...manifest, objects: [object] }, { signal });
  await asleep.abandon(1_000);
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
});

test("publish: nor does one whose signature comes too late", async () => {
  signing = readSigningKey(generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }) as string) as SigningKey;
  let heir: BackupUpload | undefined;
  const slow = wrapped(inner, {
    put: async (key, body, options) => {
      if (key.endsWith(".sig") && heir === undefined) {
        heir = await takeOver();
        heir.keep({ name: SNAPSHOT_OBJECT }, (await inner.stat(OBJECT, { signal }))!);
        await heir.publish({ ...manifest, objects: [object] }, { signal });
      }
      return inner.put(key, body, options);
    },
  });
  const asleep = await begin(slow, { action: "copy" });
  const object = await putSnapshot(asleep);
  await expect(asleep.publish({ ...manifest, objects: [object] }, { signal })).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  await asleep.abandon(1_000);
  expect(await keys()).toEqual([MANIFEST, `${MANIFEST}.sig`, OBJECT]);
});

test("publish: a heartbeat that finds the marker in other hands ends what is under way", async () => {
  const upload = await begin(stallingStorage(inner, { operations: ["put"], key: /snapshot/ }));
  const put = putSnapshot(upload);
  put.catch(() => undefined); // Awaited below.
  const heir = await takeOver();
  await beat();
  await expectThrown("WRITER_LEASE_LOST", () => put, /has it now/);
  expect(upload.lost.aborted).toBe(true);
  expect(heir.lost.aborted).toBe(false);
  await upload.abandon(1_000);
  expect(await keys()).toEqual([MARKER]);
  await heir.abandon(1_000);
  expect(await keys()).toEqual([]);
});

test("publish: without its marker nobody creates a manifest", async () => {
  const upload = await begin();
  const object = await putSnapshot(upload);
  await inner.remove(MARKER, { signal });
  await expectThrown("WRITER_LEASE_LOST", () => upload.publish({ ...manifest, objects: [object] }, { signal }), /the upload marker .* was lost: it is gone$/);
  await upload.abandon(1_000);
  expect(await keys()).toEqual([OBJECT]);
});

test("publish: a marker that went into other hands just before the manifest was there is no success, and nothing is removed", async () => {
  for (const replaced of [true, false]) {
    inner = new MemoryStorage();
    const slow = wrapped(inner, {
      put: async (key, body, options) => {
        if (key === MANIFEST) await (replaced ? takeOver() : inner.remove(MARKER, { signal }));
        return inner.put(key, body, options);
      },
    });
    const upload = await begin(slow);
    const object = await putSnapshot(upload);
    const error = await expectThrown(
      "WRITER_LEASE_LOST",
      () => upload.publish({ ...manifest, objects: [object] }, { signal }),
      /^2\S+ is in memory:, but may lack objects: the upload marker/,
    );
    expect(error.hint).toMatch(/etcdsafe verify 2/);
    await upload.abandon(1_000);
    expect(await keys()).toEqual([MANIFEST, OBJECT, ...(replaced ? [MARKER] : [])]);
  }
});

test("publish: what a backup needs that is there all the same is not removed by whoever gives up", async () => {
  const upload = await begin();
  await putSnapshot(upload);
  await inner.put(MANIFEST, streamOf(Buffer.from("another's")), { signal });
  await upload.abandon(1_000);
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
  const heir = await begin();
  await expectThrown("STORAGE_CONFLICT", () => heir.discard([OBJECT], { signal }), /was finished in memory: by another process meanwhile$/);
  expect(await keys()).toEqual([MANIFEST, OBJECT, MARKER]);
});

test("publish: a renewal whose answer was lost is found to be one's own", async () => {
  const upload = await begin(failingStorage(inner, { operations: ["put"], key: /uploads/, from: 2, times: 1, afterwards: true }));
  const object = await putSnapshot(upload);
  await beat();
  await expect.poll(() => logged).toHaveLength(1);
  await upload.publish({ ...manifest, objects: [object] }, { signal });
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
});

test("publish: others are kept away for an hour before anything is removed; a removal that comes late renews that first", async () => {
  const order: string[] = [];
  const promised = () => JSON.parse(Buffer.from(inner.bytesOf(MARKER)!).toString()).heartbeatSeconds;
  const slow = wrapped(inner, {
    put: async (key, body, options) => {
      const info = await inner.put(key, body, options);
      if (key === MARKER) order.push(`marker ${promised()}`);
      return info;
    },
    remove: async (key, options) => {
      order.push(`remove ${key.split("/").at(-1)}`);
      seconds += key === OBJECT ? 601 : 600;
      await inner.remove(key, options);
    },
  });
  const upload = await begin(slow);
  await inner.put(OBJECT, streamOf(raw), { signal });
  await upload.discard([OBJECT, `${OBJECT}.age`, `${OBJECT}.old`], { signal });
  expect(order).toEqual([
    "marker 60",
    "marker 1200",
    "remove snapshot.db.zst",
    "marker 1200",
    "remove snapshot.db.zst.age",
    "remove snapshot.db.zst.old",
    "marker 60",
  ]);
});

test("publish: what may not be removed keeps nobody away for longer than a dead writer does", async () => {
  const denied = () => new EtcdsafeError("STORAGE_DENIED", "may not delete");
  const upload = await begin(failingStorage(inner, { operations: ["remove"], error: denied }));
  await putSnapshot(upload);
  await upload.abandon(1_000);
  expect(JSON.parse(Buffer.from(inner.bytesOf(MARKER)!).toString())).toMatchObject({ heartbeatSeconds: 60 });
});

test("publish: where conditions are ignored, a holder reads whose the marker is, and a copy that fails removes nothing", async () => {
  const ignoring = wrapped(inner, { put: (key, body, options) => inner.put(key, body, { signal: options.signal }) });
  const asleep = await begin(ignoring, { action: "copy", ignoresConditions: true });
  await putSnapshot(asleep);
  const heir = await begin(ignoring, { action: "copy", ignoresConditions: true });
  const object = await putSnapshot(heir);
  await expectThrown("WRITER_LEASE_LOST", () => asleep.publish({ ...manifest, objects: [object] }, { signal }), /has it now$/);
  await asleep.abandon(1_000);
  await heir.abandon(1_000);
  expect(await keys()).toEqual([OBJECT, MARKER]);
  expect(logged.at(-1)).toMatchObject({ message: expect.stringContaining("may be another copy's by now") });
  const save = await begin(ignoring, { ignoresConditions: true });
  await save.publish({ ...manifest, objects: [object] }, { signal });
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
});

test("publish: a marker that is found in other hands while the manifest is on its way leaves a backup that may be there", async () => {
  const upload = await begin(stallingStorage(inner, { operations: ["put"], key: /manifest/ }));
  const object = await putSnapshot(upload);
  const publishing = upload.publish({ ...manifest, objects: [object] }, { signal });
  publishing.catch(() => undefined); // Awaited below.
  await expect.poll(async () => (await inner.stat(MARKER, { signal }))!.version).toBe("3"); // Renewed for the manifest.
  await takeOver();
  await beat();
  const error = await expectThrown("WRITER_LEASE_LOST", () => publishing, /^2\S+ may be in memory:, but may lack objects: the upload marker/);
  expect(upload.reasonOf(error)).toBe(error);
  expect(upload.reasonOf(new EtcdsafeError("STORAGE_NOT_FOUND", "gone"))).toBe(upload.lost.reason);
});

test.each(["now", "monotonicMs"] as const)("publish: a removal comes late by whichever clock says so (%s)", async (clock) => {
  let laterMs = 0;
  const { now, monotonicMs } = runtime;
  runtime = {
    ...runtime,
    now: () => new Date(now().getTime() + (clock === "now" ? laterMs : 0)),
    monotonicMs: () => monotonicMs() + (clock === "monotonicMs" ? laterMs : 0),
  };
  const renewals: string[] = [];
  const slow = wrapped(inner, {
    put: (key, body, options) => {
      renewals.push(key);
      return inner.put(key, body, options);
    },
    remove: async (key, options) => {
      laterMs += 601_000;
      await inner.remove(key, options);
    },
  });
  const upload = await begin(slow);
  await upload.discard([OBJECT, `${OBJECT}.age`], { signal });
  expect(renewals).toEqual([MARKER, MARKER, MARKER, MARKER]); // Placed, for the first, for the second, and to go on.
});

test("publish: a removal that takes more than ten minutes is given up, and others are kept away from what may still come of it", async () => {
  const upload = await begin(stallingStorage(inner, { operations: ["remove"], key: /snapshot/ }));
  await putSnapshot(upload);
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => AbortSignal.abort(new Error(`${ms} ms are over`)));
  await expect(upload.discard([OBJECT], { signal })).rejects.toThrow("600000 ms are over");
  timeout.mockRestore();
  expect(JSON.parse(Buffer.from(inner.bytesOf(MARKER)!).toString())).toMatchObject({ heartbeatSeconds: 1200 });
  await upload.abandon(1);
});

test("publish: an abort while the manifest is on its way lets it arrive, so that whoever stops knows that there is a backup", async () => {
  const stop = new AbortController();
  const stopping = wrapped(inner, {
    put: async (key, body, options) => {
      if (key === MANIFEST) {
        stop.abort(new EtcdsafeError("INTERRUPTED", "stopped"));
        await sleep(500);
      }
      options.signal.throwIfAborted();
      return inner.put(key, body, options);
    },
  });
  const upload = await begin(stopping);
  const object = await putSnapshot(upload);
  expect(await upload.publish({ ...manifest, objects: [object] }, { signal: stop.signal })).toEqual({ isFinished: true });
  expect(await keys()).toEqual([MANIFEST, OBJECT]);
  expect(logged).toEqual([]);
});

test("publish: an abort when the manifest is there denies no backup, and says that not all was done for it", async () => {
  const stop = new AbortController();
  const stalling = stallingStorage(inner, { operations: ["stat"], key: /uploads/ });
  const upload = await begin(stalling);
  const object = await putSnapshot(upload);
  const publishing = upload.publish({ ...manifest, objects: [object] }, { signal: stop.signal });
  await expect.poll(keys).toContain(MANIFEST);
  stop.abort(new EtcdsafeError("INTERRUPTED", "stopped"));
  expect(await publishing).toEqual({ isFinished: false });
  await upload.abandon(1_000);
  expect(await keys()).toEqual([MANIFEST, OBJECT, MARKER]);
  const message = `${manifest.id} is stored in memory:, but not all was done for it: stopped. \`etcdsafe verify ${manifest.id}\` tells whether it is whole`;
  expect(logged).toEqual([{ level: "warn", message }]);
});

test("publish: whoever is stopped and has lost the backup says of it what is known", async () => {
  const stop = new AbortController();
  const slow = wrapped(inner, {
    put: async (key, body, options) => {
      if (key === MANIFEST) {
        await takeOver();
        stop.abort(new EtcdsafeError("INTERRUPTED", "stopped"));
      }
      return inner.put(key, body, options);
    },
  });
  const upload = await begin(slow);
  const object = await putSnapshot(upload);
  const error = await expectThrown("INTERRUPTED", () => upload.publish({ ...manifest, objects: [object] }, { signal: stop.signal }), /^stopped$/);
  expect(error.hint).toMatch(/^2\S+ is in memory:, but may lack objects: the upload marker .*`etcdsafe verify 2/);
  expect(upload.reasonOf(error)).toBe(error);
});

test("publish: a store that stands still with the manifest is not waited for after an abort, and what that may have left is said", async () => {
  const upload = await begin(stallingStorage(inner, { operations: ["put"], key: /manifest/ }));
  const object = await putSnapshot(upload);
  const stop = new AbortController();
  const publishing = upload.publish({ ...manifest, objects: [object] }, { signal: stop.signal });
  publishing.catch(() => undefined); // Awaited below.
  await expect.poll(async () => (await inner.stat(MARKER, { signal }))!.version).toBe("3"); // Renewed for the manifest.
  stop.abort(new EtcdsafeError("INTERRUPTED", "stopped"));
  const error = await expectThrown("INTERRUPTED", () => publishing, /^stopped$/);
  expect(error.hint).toBe(`${manifest.id} may be stored in memory:: its manifest was on its way. \`etcdsafe list\` tells.`);
  expect(error.cause).toBe(stop.signal.reason);
});
