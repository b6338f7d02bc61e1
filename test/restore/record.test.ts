import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { checkBinding } from "../../src/repository/binding.ts";
import { type ClusterFile, readClusterFile, writeClusterFile } from "../../src/repository/cluster-file.ts";
import { encodeManifest } from "../../src/repository/manifest.ts";
import { manifestKey } from "../../src/repository/names.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import { readRestoreRecords } from "../../src/repository/sidecars.ts";
import type { RestorePlan } from "../../src/restore/plan.ts";
import { recordRestore } from "../../src/restore/record.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: new AbortController().signal, runtime: testRuntime() };
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const CLUSTER_ID = "93b2df0f46cd604b";
const SUCCESSOR = "1f0a9c3b5d7e2468";
const MEMBERS = [{ id: "0ce9dd4bce73f8c4", name: "n1", peerUrls: ["http://127.0.0.1:42001"] }];

async function repository(): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await openOrCreateRepository(storage, author, options);
  return storage;
}

/** What a record is made of. */
function plan(source: Partial<RestorePlan["source"]>, revisionAfter = "1000000762"): RestorePlan {
  const revision = { before: "762", after: revisionAfter, bump: "auto", bumpedBy: "1000000000", markCompacted: true, evidence: [] };
  return {
    source: { cluster: null, backupId: null, location: "etcd.db", revision: "762", ...source },
    revision,
    clusterId: CLUSTER_ID,
    members: MEMBERS,
  } as unknown as RestorePlan;
}

async function bind(storage: MemoryStorage, bindings: ClusterFile["bindings"]): Promise<void> {
  const { clusterId, boundAt } = bindings.at(-1)!;
  const file: ClusterFile = {
    format: 1,
    requires: [],
    cluster: "default",
    clusterId,
    members: [],
    kubeSystemUid: null,
    updatedAt: boundAt,
    bindings,
    adoptionPending: false,
    timeline: null,
  };
  await writeClusterFile(storage, file, undefined, options);
}

function records(storage: MemoryStorage) {
  return readRestoreRecords(storage, "default", CLUSTER_ID, options);
}

/** Whether the restored cluster may save, being another one than the name is bound to. */
async function decision(storage: MemoryStorage) {
  const { file } = (await readClusterFile(storage, "default", options))!;
  const observed = { clusterId: CLUSTER_ID, members: [], kubeSystemUid: null };
  return checkBinding({ cluster: "default", bound: file, hasBackups: true, observed, restores: await records(storage), lineage: undefined });
}

const START_MS = options.runtime.now().getTime();

function at(minutes: number) {
  return new Date(START_MS + minutes * 60_000).toISOString();
}

test("restore record: of a backup it names the parent; of a file it says what is known", async () => {
  const storage = await repository();
  const manifest = sampleManifest({ revision: "762" });
  await storage.put(manifestKey("default", manifest.id), streamOf(encodeManifest(manifest)), options);
  await recordRestore(storage, "default", author, plan({ backupId: manifest.id, location: "memory:" }), options);
  await recordRestore(storage, "default", author, plan({}), options);
  expect((await records(storage)).map(({ record }) => record)).toMatchObject([
    { source: { backup: null, rawSha256: null, location: "etcd.db" }, parent: { clusterId: null, timeline: null, revision: "762" }, purpose: "cluster" },
    { source: { backup: manifest.id }, parent: { clusterId: manifest.clusterId, timeline: manifest.timeline }, revisionAfter: "1000000762", members: MEMBERS },
  ]);
});

test("restore record: runs that write one member each leave one record; another restore of the same ids leaves its own", async () => {
  const storage = await repository();
  for (const location of ["etcd.db", "/tmp/etcd.db", "etcd.db"]) await recordRestore(storage, "default", author, plan({ location }), options);
  expect(await records(storage)).toHaveLength(1);
  await recordRestore(storage, "default", author, plan({}, "2000000762"), options);
  expect(await records(storage)).toHaveLength(2);
});

test("restore record: once it has let its cluster in, the same restore again has to be recorded again", async () => {
  const storage = await repository();
  await recordRestore(storage, "default", author, plan({}), options);
  const [first] = await records(storage);
  const { restoredAt } = first!.record;
  const boundAt = new Date(Date.parse(restoredAt) + 60_000).toISOString();
  await bind(storage, [{ clusterId: CLUSTER_ID, boundAt, by: "restore", restore: first!.key }]);
  expect(await recordRestore(storage, "default", author, plan({}), { ...options, found: { restoredAt, isStarted: true } })).toBeNull();
  expect(await records(storage)).toHaveLength(1);
  await recordRestore(storage, "default", author, plan({}), options);
  expect(await records(storage)).toHaveLength(2);
});

test("restore record: a plan that is run again after another cluster took the name lets its own in no more, but is evidence", async () => {
  const storage = await repository();
  const restoredAt = "2026-11-21T09:00:00.000Z";
  await bind(storage, [
    { clusterId: CLUSTER_ID, boundAt: "2026-11-21T09:10:00.000Z", by: "adopt", restore: null },
    { clusterId: SUCCESSOR, boundAt: "2026-11-21T09:20:00.000Z", by: "restore", restore: `default/restores/${SUCCESSOR}.json` },
  ]);
  for (const isStarted of [true, false]) {
    const again = { ...options, found: { restoredAt, isStarted } };
    expect(await recordRestore(storage, "default", author, plan({}), again)).toBe(SUCCESSOR);
  }
  expect((await records(storage)).map(({ record }) => record)).toMatchObject([{ restoredAt, revisionAfter: "1000000762" }]);
  expect(await decision(storage)).toMatchObject({ allowed: false, reason: "cluster-id-differs" });
  expect(await recordRestore(storage, "default", author, plan({}, "2000000762"), options)).toBeNull();
});

test("restore record: what is restored now follows a binding that it has seen, though the clock of the host that saved is ahead", async () => {
  const storage = await repository();
  await bind(storage, [{ clusterId: SUCCESSOR, boundAt: at(10), by: "restore", restore: null }]);
  expect(await recordRestore(storage, "default", author, plan({}), options)).toBeNull();
  expect(await decision(storage)).toMatchObject({ allowed: true });
  // The plan run again, which finds the files dated by the host's own clock.
  const found = { restoredAt: options.runtime.now().toISOString(), isStarted: false };
  expect(await recordRestore(storage, "default", author, plan({}), { ...options, found })).toBeNull();
  expect(await records(storage)).toHaveLength(1);
});

test("restore record: a restore of now is never told that the name has passed on, whatever is bound and recorded, and may save next", async () => {
  for (const minutes of [-10, 0, 10]) {
    for (const clusterId of [CLUSTER_ID, SUCCESSOR]) {
      for (const recordedAt of [null, -20, -10, 0, 10, 20]) {
        const storage = await repository();
        const runtime = { now: () => new Date(at(recordedAt ?? 0)) };
        if (recordedAt !== null) await recordRestore(storage, "default", author, plan({}), { ...options, runtime });
        await bind(storage, [{ clusterId, boundAt: at(minutes), by: "restore", restore: (await records(storage))[0]?.key ?? null }]);
        const label = JSON.stringify({ minutes, clusterId, recordedAt });
        expect(await recordRestore(storage, "default", author, plan({}), options), label).toBeNull();
        const { allowed, restore } = { restore: null, ...(await decision(storage)) };
        expect([allowed, restore === null], label).toEqual([true, false]);
      }
    }
  }
});

test("restore record: one from before the name passed to another cluster does not stand for the same restore after that", async () => {
  const storage = await repository();
  const earlier = { now: () => new Date(at(-20)) };
  await recordRestore(storage, "default", author, plan({}), { ...options, runtime: earlier });
  await bind(storage, [{ clusterId: SUCCESSOR, boundAt: at(-10), by: "restore", restore: null }]);
  expect(await decision(storage)).toMatchObject({ allowed: false, reason: "cluster-id-differs" });
  expect(await recordRestore(storage, "default", author, plan({}), options)).toBeNull();
  expect(await records(storage)).toHaveLength(2);
  expect(await decision(storage)).toMatchObject({ allowed: true });
});

test("restore record: one that could not be written at first may be later, since a backup of the bound cluster was restored after its binding", async () => {
  const manifest = sampleManifest({ revision: "762" });
  const parent = manifest.clusterId!;
  const successor = { clusterId: SUCCESSOR, boundAt: at(5), by: "restore", restore: null } as const;
  const binding = { clusterId: parent, boundAt: at(10), by: "adopt", restore: null } as const;
  const earlier = { ...binding, boundAt: at(1) };
  // Of these only the first tells that the restore came after the last binding: the others have backups of the parent from before it.
  for (const [bindings, backupId, passedTo] of [
    [[successor, binding], manifest.id, null],
    [[successor, binding], null, parent],
    [[earlier, successor, binding], manifest.id, parent],
    [[earlier, { ...successor, boundAt: at(10) }], manifest.id, SUCCESSOR],
  ] as const) {
    const storage = await repository();
    await storage.put(manifestKey("default", manifest.id), streamOf(encodeManifest(manifest)), options);
    await bind(storage, [...bindings]);
    const found = { restoredAt: at(0), isStarted: false };
    expect(await recordRestore(storage, "default", author, plan({ backupId }), { ...options, found })).toBe(passedTo);
    expect(await records(storage)).toMatchObject([{ record: { restoredAt: passedTo === null ? at(10) : found.restoredAt } }]);
    expect((await decision(storage)).allowed).toBe(passedTo === null);
  }
});

test("restore record: one that has let its cluster in lets it in no more once the name has passed on, though a clock dated it after that", async () => {
  const storage = await repository();
  const ahead = { now: () => new Date(at(10)) };
  await recordRestore(storage, "default", author, plan({}), { ...options, runtime: ahead });
  const [first] = await records(storage);
  await bind(storage, [
    { clusterId: CLUSTER_ID, boundAt: at(1), by: "restore", restore: first!.key },
    { clusterId: SUCCESSOR, boundAt: at(5), by: "restore", restore: null },
  ]);
  const found = { restoredAt: at(0), isStarted: true };
  expect(await recordRestore(storage, "default", author, plan({}), { ...options, found })).toBe(SUCCESSOR);
  expect(await decision(storage)).toMatchObject({ allowed: false });
});
