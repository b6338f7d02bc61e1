// Copies of one backup that meet in one store: what a process asked for before it went, and what is left where two stood in each other's way.
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { type BackupToCopy, type CopyOptions, copyBackup } from "../../src/copy/copy-backup.ts";
import { tidyUp } from "../../src/copy/resume.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { readStoredManifest } from "../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey, uploadKey } from "../../src/repository/names.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { type AgeKeyPair, newAgeKeys } from "../support/age-keys.ts";
import { expectThrown } from "../support/failures.ts";
import { AUTHOR, CLUSTER, newRepository, recordingRuntime, type StoredRepository, signal, someSnapshot, storeBackup } from "../verify/stored-backup.ts";

/** Whose heartbeats do not come. */
function suspended(): ReturnType<typeof recordingRuntime> {
  const sleep = (_: number, end: AbortSignal) => new Promise<void>((resolve) => end.addEventListener("abort", () => resolve(), { once: true }));
  return { ...recordingRuntime(), sleep };
}

/** Copies the one backup of `from`. */
async function copyOne(from: StoredRepository, to: Storage, changes: Partial<CopyOptions> & Partial<Pick<BackupToCopy, "to">> = {}) {
  const [entry] = await listBackups(from, CLUSTER, { signal });
  const { to: encryption, ...more } = changes;
  const options = { runtime: suspended(), signal, author: AUTHOR, keys: undefined, protection: {}, isGone: () => false, ...more };
  return copyBackup(from, { storage: to, file: from.file }, { cluster: CLUSTER, manifest: entry!.manifest!, to: encryption }, options);
}

/** Markers look as old as those of a process that was not heard of for so long. */
function aged(inner: Storage, ageMs: number): Storage {
  return wrapped(inner, {
    stat: async (key, options) => {
      const info = await inner.stat(key, options);
      return info && (key.includes("/uploads/") ? { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - ageMs) } : info);
    },
  });
}

test("copy: whose process is gone while it removed objects is waited for all the same, for a request that it sent may still arrive", async () => {
  const from = await newRepository();
  const id = await storeBackup(from, someSnapshot());
  const object = backupObjectKey(CLUSTER, id, "snapshot.db.zst");
  const { storage } = await newRepository();
  const underWay = Promise.withResolvers<void>();
  const killed = wrapped(storage, {
    // biome-ignore lint/correctness/useYield: it fails as it is read back, so that what was stored is removed
    read: async function* (key) {
      throw new EtcdsafeError("STORAGE_UNREACHABLE", `${key}: reset`);
    },
    remove: (key, options) => {
      if (key !== object) return storage.remove(key, options);
      underWay.resolve();
      return new Promise(() => {});
    },
  });
  void copyOne(from, killed).catch(() => undefined);
  await underWay.promise;
  const error = await expectThrown("STORAGE_CONFLICT", () => copyOne(from, storage, { isGone: () => true }), /is being written to/);
  const marker = (await storage.stat(uploadKey(CLUSTER, id), { signal }))!;
  expect(error.hint).toContain(`counts as dead after ${new Date(marker.modifiedAt.getTime() + 3_600_000).toISOString()}`);
  await storage.remove(object, { signal }); // It has arrived.
  await expectThrown("STORAGE_CONFLICT", () => copyOne(from, aged(storage, 3_599_000), { isGone: () => true }), /last heard of/);
  await copyOne(from, aged(storage, 3_601_000));
  expect(await listBackups({ storage, file: from.file }, CLUSTER, { signal })).toMatchObject([{ id, state: "unconfirmed" }]);
  expect(storage.bytesOf(uploadKey(CLUSTER, id))).toBeUndefined();
});

test("copy: one that loses the backup as it publishes says that it is there, and may lack objects", async () => {
  const from = await newRepository();
  const id = await storeBackup(from, someSnapshot());
  const { storage } = await newRepository();
  const losing = wrapped(storage, {
    put: async (key, body, options) => {
      if (key === manifestKey(CLUSTER, id)) await storage.remove(uploadKey(CLUSTER, id), { signal });
      return storage.put(key, body, options);
    },
  });
  await expectThrown("WRITER_LEASE_LOST", () => copyOne(from, losing), /^2\S+ is in memory:, but may lack objects: /);
});

test("copy: whose objects another has removed says that the backup was lost, and not what it missed", async () => {
  const from = await newRepository();
  const id = await storeBackup(from, someSnapshot());
  const { storage } = await newRepository();
  const object = backupObjectKey(CLUSTER, id, "snapshot.db.zst");
  const losing = wrapped(storage, {
    read: async function* (key, options) {
      if (key === object) for (const each of [object, uploadKey(CLUSTER, id)]) await storage.remove(each, { signal });
      yield* storage.read(key, options);
    },
  });
  await expectThrown("WRITER_LEASE_LOST", () => copyOne(from, losing), /the upload marker .* was lost: it is gone$/);
});

test("copy: of two that encrypt one backup at the same time neither leaves a mixture that is taken for a backup", async () => {
  const others = await newAgeKeys();
  const from = await newRepository();
  const id = await storeBackup(from, someSnapshot());
  for (const lastOneIsKilled of [false, true]) {
    const { storage } = await newRepository();
    /** Stands still right before its manifest. */
    const pausing = () => {
      const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const to = wrapped(aged(storage, 600_000), {
        put: async (key, body, options) => {
          if (key === manifestKey(CLUSTER, id)) {
            reached.resolve();
            await goOn.promise;
          }
          return storage.put(key, body, options);
        },
      });
      return { reached, goOn, ended: copyOne(from, to, { to: others }).catch((error: EtcdsafeError) => error.code) };
    };
    const asleep = pausing();
    await asleep.reached.promise;
    const heir = pausing();
    await heir.reached.promise;
    const repository = { storage, file: from.file };
    if (lastOneIsKilled) {
      // The request of the other one was on its way when that was killed as well.
      const { bytes } = await manifestOfAnother(from, others);
      await storage.put(manifestKey(CLUSTER, id), streamOf(bytes), { signal, ifAbsent: true });
      const gone = aged(storage, 600_000);
      const tidying = () => tidyUp({ ...repository, storage: gone }, CLUSTER, id, { runtime: suspended(), signal, author: AUTHOR, isGone: () => true });
      await expectThrown("SNAPSHOT_DAMAGED", tidying, /is damaged, as where two copies are made at the same time: /);
    } else {
      asleep.goOn.resolve();
      expect(await asleep.ended).toBe("WRITER_LEASE_LOST");
      const [entry] = await listBackups(repository, CLUSTER, { signal });
      expect(entry).toMatchObject({ id, state: "damaged", damage: [expect.stringMatching(/^verification at level stored-bytes failed .* SHA-256/)] });
      for (const key of await verificationsIn(storage)) await storage.remove(key, { signal }); // As if he had not got so far.
      heir.goOn.resolve();
      expect(await heir.ended).toBe("STORAGE_CONFLICT");
    }
    expect(await listBackups(repository, CLUSTER, { signal })).toMatchObject([{ id, state: "damaged" }]);
  }
});

/** Of a copy of the same backup somewhere else. */
async function manifestOfAnother(from: StoredRepository, to: AgeKeyPair) {
  const { storage } = await newRepository();
  const { id } = await copyOne(from, storage, { to });
  return readStoredManifest(storage, CLUSTER, id, { signal });
}

async function verificationsIn(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list(CLUSTER, { signal }))).map(({ key }) => key).filter((key) => key.includes("/verifications/"));
}
