// A snapshot on its way into a repository: checked and uploaded at the same time, and whichever fails ends the other.
import { expect, test } from "vitest";
import { notCompared } from "../../src/backup/comparison.ts";
import { type Received, RepositoryTarget } from "../../src/backup/repository-target.ts";
import type { CheckedSnapshot, TakeOptions } from "../../src/backup/take.ts";
import { openSpool } from "../../src/bytes/spool.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { newestRowsAt } from "../../src/etcd-files/mvcc/newest-rows.ts";
import type { ObservedCluster } from "../../src/repository/cluster-file.ts";
import { readManifest } from "../../src/repository/manifest.ts";
import { manifestKey, parseBackupId, uploadKey } from "../../src/repository/names.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { failingStorage, stallingStorage } from "../faults/kit/storages.ts";
import { SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { droppedByCompaction, plainRows, randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { factsOf } from "../verify/stored-backup.ts";

const SNAPSHOT = buildSnapshot({ rows: plainRows(50) });
const OBSERVED: ObservedCluster = { clusterId: "0000000000000001", members: [], kubeSystemUid: null };
const AUTHOR = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
const TAGS = { env: "prod" };
const ID = "20261121T093000Z-0000000000000000051-k3jv2a";
const UPLOAD = { operations: ["put"], key: /snapshot\.db/ } as const;

/** What storing ends with, and in which phase, when the check does so. */
async function stored(storage: Storage, check: (signal: AbortSignal) => Promise<CheckedSnapshot>, { id, snapshot: bytes } = { id: ID, snapshot: SNAPSHOT }) {
  const shared = { author: AUTHOR, cluster: "default", compareEveryMs: undefined, encryption: "not-said", isOnThisHost: true, signing: undefined } as const;
  const target = new RepositoryTarget({ ...shared, storage, tags: TAGS });
  const phases: string[] = [];
  const onPhase = (phase: string) => void phases.push(phase);
  const serving = { memberId: 1n, name: "cp-1", endpoint: "http://localhost:2379", isLeader: true, etcdVersion: "3.6.16" };
  const take = { signal: AbortSignal.timeout(20_000), runtime: testRuntime(), onPhase, serving, memberClockMs: 42 } as unknown as TakeOptions;
  await target.prepare(OBSERVED, take);
  await using directory = await temporaryDirectory("repository-target");
  await using spool = await openSpool(directory.path, bytes.length);
  await spool.append([bytes]);
  await spool.flush();
  const snapshot = { spool, rawSizeBytes: bytes.length, quorumSeen: true, revisionBefore: 2n } as unknown as Received["snapshot"];
  const { createdAt } = parseBackupId(id)!;
  const received = { id, createdAt, observed: OBSERVED, snapshot, check: ({ signal }: TakeOptions) => check(signal) };
  const error = await target.storeReceived(received, take).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, phases };
}

test("save into a repository: the manifest has the operator's tags", async () => {
  const storage = new MemoryStorage();
  const checked = { facts: factsOf(SNAPSHOT), comparison: notCompared("made by a test"), warnings: [], newestRowsAt: () => [] };
  expect((await stored(storage, async () => checked)).error).toBeUndefined();
  expect(await readManifest(storage, "default", ID, { signal: AbortSignal.timeout(1000) })).toMatchObject({ tags: TAGS });
});

test("save into a repository: how far off other clocks are goes into the manifest, where they are known", async () => {
  const checked = { facts: factsOf(SNAPSHOT), comparison: notCompared("made by a test"), warnings: [], newestRowsAt: () => [] };
  const offsets = async (storage: Storage) => {
    expect((await stored(storage, async () => checked)).error).toBeUndefined();
    return (await readManifest(storage, "default", ID, { signal: AbortSignal.timeout(1000) })).clockOffsets;
  };
  expect(await offsets(new MemoryStorage())).toEqual({ storeMs: null, memberMs: 42 });
  const ahead = wrapped(new MemoryStorage(), { clock: { now: async () => ({ time: new Date(Date.now() + 90_000), uncertaintyMs: 0 }) } });
  const { storeMs } = await offsets(ahead);
  expect(Math.abs(storeMs! - 90_000)).toBeLessThan(2000);
});

test("save into a repository: a damaged snapshot does not wait for a store that stands still", async () => {
  const damaged = new EtcdsafeError("SNAPSHOT_DAMAGED", "damaged");
  const { error, phases } = await stored(stallingStorage(new MemoryStorage(), UPLOAD), async () => {
    throw damaged;
  });
  expect(error).toBe(damaged);
  expect(phases).toEqual(["check"]);
});

test("save into a repository: a store that fails ends the check", async () => {
  const full = new EtcdsafeError("STORAGE_FULL", "full");
  const checking = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
  const { error, phases } = await stored(failingStorage(new MemoryStorage(), { ...UPLOAD, error: () => full }), checking);
  expect(error).toBe(full);
  expect(phases).toEqual(["upload"]);
});

test("save into a repository: one that loses the backup as it publishes says that it is there, and may lack objects", async () => {
  const inner = new MemoryStorage();
  const losing = wrapped(inner, {
    put: async (key, body, options) => {
      if (key === manifestKey("default", ID)) await inner.remove(uploadKey("default", ID), options);
      return inner.put(key, body, options);
    },
  });
  const checked = { facts: factsOf(SNAPSHOT), comparison: notCompared("made by a test"), warnings: [], newestRowsAt: () => [] };
  const { error } = await stored(losing, async () => checked);
  expect(error).toMatchObject({ code: "WRITER_LEASE_LOST", message: expect.stringMatching(/^2\S+ is in memory:, but may lack objects: /) });
});

test("save into a repository: a member that has not finished the compaction which the one before had holds no other data", async () => {
  const { rows } = randomHistory(SEED, { revisions: 60, keys: 8, compaction: "none" });
  const dropped = droppedByCompaction(rows, 40);
  const left = rows.filter((row) => !dropped.has(row));
  const [first, ...next] = [
    buildSnapshot({ rows: left, compactRevision: 40 }),
    buildSnapshot({ rows, compactRevision: 3, scheduledCompactRevision: 40 }),
    // That one says that it is done with it.
    buildSnapshot({ rows, compactRevision: 40 }),
  ].map((snapshot, index) => ({ id: `20261121T09300${index}Z-0000000000000000051-k3jv2a`, snapshot }));
  const storage = new MemoryStorage();
  const save = async (each: NonNullable<typeof first>) => {
    const newest = (revision: bigint) => newestRowsAt(openDatabase(bufferPageSource(each.snapshot)), Number(revision));
    const checked = { facts: factsOf(each.snapshot), comparison: notCompared("made by a test"), warnings: [], newestRowsAt: newest };
    return (await stored(storage, async () => checked, each)).error;
  };
  expect(await save(first!)).toBeUndefined();
  expect(await save(next[0]!)).toBeUndefined();
  await storage.remove(manifestKey("default", next[0]!.id), { signal: AbortSignal.timeout(1000) });
  expect(await save(next[1]!)).toMatchObject({ code: "CLUSTER_MISMATCH", message: expect.stringMatching(/hold different data at revision/) });
});
