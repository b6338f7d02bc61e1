import { expect, test } from "vitest";
import { readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { SNAPSHOT_OBJECT } from "../../src/repository/names.ts";
import type { LockPolicy } from "../../src/repository/object-lock.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { versionedStorage } from "../support/versioned-storage.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const manifest = sampleManifest();
const OBJECT = `default/backups/${manifest.id}/snapshot.db.zst`;
const MANIFEST = `default/backups/${manifest.id}/manifest.json`;
const DAY_MS = 86_400_000;
const LOCK: LockPolicy = { retention: { mode: "compliance", retainForMs: 30 * DAY_MS }, legalHold: true };

function begin(storage: Storage, lock: LockPolicy) {
  const backup = { cluster: "default", id: manifest.id, action: "save" } as const;
  return beginUpload({ storage, file: {} as Repository["file"] }, author, backup, { signal, runtime: testRuntime(), protection: { lock } });
}

async function publish(storage: Storage) {
  const upload = await begin(storage, LOCK);
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(Buffer.alloc(4128, "etcd"))), { signal });
  await upload.publish({ ...manifest, objects: [object] }, { signal });
  return object;
}

test("object lock: nothing is locked before a backup's checks have passed; its objects are before the manifest, which is last", async () => {
  const storage = versionedStorage();
  storage.time = new Date("2026-11-21T10:00:00.000Z");
  const order: string[] = [];
  const watchedLock = (...call: Parameters<typeof storage.locks.lock>) => {
    order.push(`lock ${call[0]}`);
    return storage.locks.lock(...call);
  };
  const watched = {
    ...wrapped(storage, {
      put: async (key, body, options) => {
        const info = await storage.put(key, body, options);
        order.push(`put ${key}`);
        return info;
      },
    }),
    locks: { ...storage.locks, lock: watchedLock },
  };
  const object = await publish(watched);
  expect(order.filter((each) => !each.includes("/uploads/"))).toEqual([`put ${OBJECT}`, `lock ${OBJECT}`, `put ${MANIFEST}`, `lock ${MANIFEST}`]);
  // By the store's clock, however far this host's is from it.
  const lock = { retention: { mode: "compliance", until: new Date("2026-12-21T10:00:00.000Z") }, legalHold: true };
  expect(storage.locked.get(`${OBJECT} ${object.storeVersion}`)).toEqual(lock);
  expect([...storage.locked]).toHaveLength(2);
  expect([...storage.locked.values()]).toEqual([lock, lock]);
});

test("object lock: where a version cannot be locked, there is no backup", async () => {
  const storage = versionedStorage();
  const denied = async () => {
    throw new EtcdsafeError("STORAGE_DENIED", "s3:PutObjectRetention is not allowed");
  };
  await expectThrown("STORAGE_DENIED", () => publish({ ...storage, locks: { ...storage.locks, lock: denied } }), /PutObjectRetention/);
  expect(await storage.stat(MANIFEST, { signal })).toBeUndefined();
});

test("object lock: a store that cannot lock is refused before anything is stored", async () => {
  const plain = new MemoryStorage();
  await expectThrown("CONFIG_INVALID", () => begin(plain, LOCK), /versions cannot be locked in memory:: this kind of store cannot/);
  const bucket = versionedStorage();
  bucket.defaultRetention = undefined;
  await expectThrown("CONFIG_INVALID", () => begin(bucket, LOCK), /: that is not a bucket that was made with Object Lock$/);
  for (const storage of [plain, bucket]) expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([]);
});
