// Deleting a backup: what is left when the process ends anywhere in between, and what keeps a backup from being deleted.
import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { planGc } from "../../src/maintenance/gc.ts";
import { scanDeletions } from "../../src/repository/backup-scan.ts";
import { listBackups } from "../../src/repository/catalogue.ts";
import { writeDeletion } from "../../src/repository/deletions.ts";
import { placeUploadMarker } from "../../src/repository/held-marker.ts";
import { deletionKey, manifestKey, pinKey, uploadKey, verificationKey } from "../../src/repository/names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import { deleteBackup, finishDeletions } from "../../src/retention/deletion.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { expectThrown } from "../support/failures.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { AUTHOR, CLUSTER, newRepository, someSnapshot, storeBackup } from "../verify/stored-backup.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const options = { signal, runtime: testRuntime() };
let memory: MemoryStorage;
/** The same with a clock, which a test sets ahead. */
let storage: Storage;
let aheadMs: number;
let doomed: string;
let other: string;

beforeEach(async () => {
  const made = await newRepository();
  memory = made.storage;
  aheadMs = 0;
  storage = wrapped(memory, clock());
  doomed = await storeBackup(made, someSnapshot());
  other = await storeBackup(made, someSnapshot(), { second: "01" });
  await put(verificationKey(CLUSTER, doomed, new Date(), { level: "hash", outcome: "passed" }));
  await put(verificationKey(CLUSTER, other, new Date(), { level: "hash", outcome: "passed" }));
  await put(`${CLUSTER}/backups/${doomed}/notes.txt`);
});

const clock = () => ({ clock: { now: async () => ({ time: new Date(Date.now() + aheadMs), uncertaintyMs: 0 }) } });
/** With upload markers of this age. */
const aged = (ageMs: number): Storage =>
  wrapped(storage, {
    stat: async (key, call) => {
      const info = await storage.stat(key, call);
      return info === undefined || !key.includes("/uploads/") ? info : { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - ageMs) };
    },
  });
const repository = (over: Storage = storage): Repository => ({ storage: over, file: { ignoresConditions: false } as Repository["file"] });
const put = (key: string) => memory.put(key, streamOf(Buffer.from("x")), { signal });
const keys = async () => (await Array.fromAsync(memory.list("", { signal }))).map(({ key }) => key);
const ofBackup = (all: readonly string[], id: string) => all.filter((key) => key.includes(id) && !key.endsWith("notes.txt"));
const listed = async () => (await listBackups(repository(), CLUSTER, { signal })).map(({ id }) => id);

async function withLease<T>(over: Storage, work: (options: Parameters<typeof deleteBackup>[2]) => Promise<T>): Promise<T> {
  await using lease = await takeWriterLease(repository(over), { cluster: CLUSTER, purpose: "prune", author: AUTHOR, expiresAfterSeconds: 30 }, options);
  return await work({ ...options, author: AUTHOR, lease });
}

const remove = (over: Storage = storage) =>
  withLease(over, (deleting) => deleteBackup(repository(over), { cluster: CLUSTER, backup: doomed, reasons: ["kept by no rule"] }, deleting));
const finish = () =>
  withLease(storage, async (deleting) => finishDeletions(repository(), CLUSTER, await scanDeletions(storage, CLUSTER, { signal }), deleting));

test("deletion: all of the backup goes, and nothing else", async () => {
  const before = ofBackup(await keys(), other);
  expect(await remove()).toBeUndefined();
  expect(ofBackup(await keys(), doomed)).toEqual([]);
  expect(ofBackup(await keys(), other)).toEqual(before);
  expect(await keys()).toContain(`${CLUSTER}/backups/${doomed}/notes.txt`);
  expect(await listed()).toEqual([other]);
  expect(await remove()).toBe("somebody else removed it meanwhile");
});

test("deletion: wherever the process ends, the backup is one or is gone, and the next run makes sure of it", async () => {
  const snapshot = new Map<string, Uint8Array>();
  for (const key of await keys()) snapshot.set(key, memory.bytesOf(key)!);
  const before = ofBackup(await keys(), doomed).sort();
  const ends = { whole: 0, gone: 0 };
  for (let calls = 1; ; calls++) {
    for (const key of await keys()) await memory.remove(key, { signal });
    for (const [key, bytes] of snapshot) await memory.put(key, streamOf(bytes), { signal });
    aheadMs = 0;
    const dying = failingStorage(storage, { from: calls, error: () => new EtcdsafeError("STORAGE_UNREACHABLE", "the process has ended") });
    const died = await remove(wrapped(dying, clock())).then(
      () => false,
      () => true,
    );
    // What it left is whole, or is no backup to anybody.
    const isListed = (await listed()).includes(doomed);
    if (isListed) expect(ofBackup(await keys(), doomed)).toEqual(expect.arrayContaining(before));
    expect(await listed()).toContain(other);
    // What a prune left alone, `repo gc` leaves to the next one.
    expect((await planGc(repository(), options)).remove.flatMap(({ objects }) => objects)).toEqual([]);
    aheadMs = 31_000;
    const { finished, left } = await finish();
    expect(left).toEqual([]);
    const after = ofBackup(await keys(), doomed).filter((key) => key !== uploadKey(CLUSTER, doomed));
    if ((await listed()).includes(doomed)) expect([after.sort(), finished]).toEqual([before, []]);
    else expect(after).toEqual([]);
    ends[(await listed()).includes(doomed) ? "whole" : "gone"] += 1;
    expect(ofBackup(await keys(), other)).toHaveLength(3);
    if (!died) break;
    expect(calls).toBeLessThan(100);
  }
  expect(ends.whole).toBeGreaterThan(3);
  expect(ends.gone).toBeGreaterThan(5);
});

test("deletion: of who may not remove anything, the backup stays as it was", async () => {
  const before = (await keys()).filter((key) => !key.endsWith("writer.json"));
  const error = () => new EtcdsafeError("STORAGE_DENIED", "of the test");
  await expectThrown("STORAGE_DENIED", () => remove(wrapped(failingStorage(storage, { operations: ["remove"], error }), clock())), /of the test/);
  expect((await keys()).filter((key) => !key.endsWith("writer.json"))).toEqual(before);
  // As of a directory whose owner is another than that of the one beside it.
  const denied = failingStorage(storage, { operations: ["remove"], key: /manifest\.json$/, error });
  await expectThrown("STORAGE_DENIED", () => remove(wrapped(denied, clock())), /of the test/);
  expect((await keys()).filter((key) => !key.endsWith("writer.json"))).toEqual(before);
  expect(await listed()).toContain(doomed);
});

test("deletion: a backup that was pinned meanwhile stays, and so does one that somebody writes", async () => {
  await put(pinKey(CLUSTER, doomed));
  expect(await remove()).toBe("it was pinned meanwhile");
  await memory.remove(pinKey(CLUSTER, doomed), { signal });
  const writing = { author: AUTHOR, cluster: CLUSTER, backup: doomed, action: "copy" } as const;
  const marker = await placeUploadMarker(repository(), writing, options);
  expect(await remove()).toMatch(/^it is being written by copy on /);
  // Whoever died over it does not keep it for ever.
  await marker.stop();
  expect(await remove(aged(181_000))).toBeUndefined();
  expect(ofBackup(await keys(), doomed)).toEqual([]);
});

test("deletion: one who has lost the lease removes nothing more", async () => {
  await expectThrown(
    "WRITER_LEASE_LOST",
    () =>
      withLease(storage, async (deleting) => {
        await memory.remove(`${CLUSTER}/writer.json`, { signal });
        return deleteBackup(repository(), { cluster: CLUSTER, backup: doomed, reasons: ["r"] }, deleting);
      }),
    /was lost/,
  );
  expect(await listed()).toContain(doomed);
});

test("deletion: a marker that cannot be read, or names what is none of its business, removes no other backup", async () => {
  await memory.remove(manifestKey(CLUSTER, doomed), { signal });
  await put(deletionKey(CLUSTER, doomed));
  expect(await finish()).toEqual({ finished: [doomed], left: [], failures: [] });
  expect((await planGc(repository(), options)).remove.flatMap(({ backup }) => backup)).toEqual([doomed]);
  const marker = {
    ...{ format: 1, requires: [], tool: AUTHOR.tool, writer: { host: "h", pid: 1 }, cluster: CLUSTER, backup: doomed },
    ...{ startedAt: new Date().toISOString(), reasons: ["r"], keys: [manifestKey(CLUSTER, other), `${CLUSTER}/backups/${doomed}/snapshot.db.zst`] },
  };
  await memory.put(deletionKey(CLUSTER, doomed), streamOf(Buffer.from(JSON.stringify(marker))), { signal });
  expect(await finish()).toEqual({ finished: [doomed], left: [], failures: [] });
  expect(ofBackup(await keys(), doomed)).toEqual([]);
  expect(await listed()).toEqual([other]);
});

test("deletion: one that cannot be finished does not keep the others from it", async () => {
  for (const id of [doomed, other]) {
    await memory.remove(manifestKey(CLUSTER, id), { signal });
    const keys = [`${CLUSTER}/backups/${id}/snapshot.db.zst`];
    await writeDeletion(memory, CLUSTER, AUTHOR, { backup: id, startedAt: new Date().toISOString(), reasons: ["r"], keys }, { signal });
  }
  const failing = wrapped(failingStorage(storage, { operations: ["remove"], key: new RegExp(`${doomed}/snapshot`) }), clock());
  const begun = [doomed, other];
  const end = await withLease(failing, (deleting) => finishDeletions(repository(failing), CLUSTER, begun, deleting));
  expect(end).toMatchObject({ finished: [other], left: [], failures: [{ code: "STORAGE_UNREACHABLE" }] });
});
