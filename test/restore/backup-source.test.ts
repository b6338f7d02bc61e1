// What a restore from a stored backup is planned by: the manifest where that knows it, the stored pages where it does not.
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { peekSnapshot } from "../../src/etcd-files/check/peek.ts";
import type { BackupEntry } from "../../src/repository/catalogue.ts";
import { FRAME_RAW_SIZE_BYTES } from "../../src/repository/frame-codec.ts";
import type { ObjectReader } from "../../src/repository/object-decoder.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { resolveBackup } from "../../src/repository/resolve.ts";
import { backupSource } from "../../src/restore/backup-source.ts";
import { peekObject } from "../../src/restore/peek-object.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { plainRows, randomHistory, randomNumbers } from "../support/random-history.ts";
import { shufflePages } from "../support/shuffled-pages.ts";
import { buildSnapshot, type SnapshotOptions, withTrailer } from "../support/snapshots.ts";
import { alteredSnapshot, CLUSTER, change, factsOf, newRepository, signal, snapshotKey, storeBackup } from "../verify/stored-backup.ts";

const OPTIONS: SnapshotOptions = { alarms: [{ memberId: 7n, alarm: 1 }], authEnabled: true };
/** Compacted, with leases. */
const SNAPSHOT = buildSnapshot({ ...OPTIONS, ...randomHistory(8, { compaction: "finished" }) });

test("backup source: one that was never looked into has the facts of its own pages", async () => {
  const facts = factsOf(SNAPSHOT);
  const [unlooked, looked] = [await sourceOf({ facts: undefined }), await sourceOf({ facts })];
  expect([unlooked.facts.state, looked.facts.state]).toEqual(["partial", "unconfirmed"]);
  expect(facts.compactRevision).toBeGreaterThan(0n);
  expect(facts.leases).toBeGreaterThan(0);
  expect(unlooked.facts).toMatchObject({
    revision: facts.revision.toString(),
    compactRevision: facts.compactRevision.toString(),
    storageVersion: "3.6.0",
    clusterVersion: "3.6.0",
    leases: facts.leases,
    alarms: 1,
    authEnabled: true,
    hashKv: null,
  });
  expect({ ...looked.facts, state: "partial", hashKv: null }).toEqual(unlooked.facts);
  for (const { content } of [unlooked, looked]) expect(await bytesOf(content)).toEqual(Buffer.from(SNAPSHOT));
});

test("backup source: of one that was never looked into few frames are read, each once; of any other none", async () => {
  const snapshot = buildSnapshot({ ...OPTIONS, rows: plainRows(300, { valueSizeBytes: 60_000 }) });
  expect(snapshot.length).toBeGreaterThan(4 * FRAME_RAW_SIZE_BYTES);
  const repository = await newRepository();
  const reads: string[] = [];
  const storage: Storage = {
    location: "memory:",
    capabilities: repository.storage.capabilities,
    put: repository.storage.put.bind(repository.storage),
    stat: repository.storage.stat.bind(repository.storage),
    list: repository.storage.list.bind(repository.storage),
    remove: repository.storage.remove.bind(repository.storage),
    read: (key, options) => {
      reads.push(JSON.stringify([key, options.range]));
      return repository.storage.read(key, options);
    },
  };
  const unlooked = await entryOf(repository, await storeBackup(repository, snapshot, { facts: undefined }));
  await backupSource({ ...repository, storage }, CLUSTER, unlooked, { signal });
  // The seek table, the first frame with the metas, and the last one or two with the end of `key`, the buckets behind it, and the hash.
  expect(reads.length).toBeGreaterThanOrEqual(3);
  expect(reads.length).toBeLessThanOrEqual(4);
  expect(new Set(reads).size).toBe(reads.length);
  reads.length = 0;
  const looked = await entryOf(repository, await storeBackup(repository, SNAPSHOT, { second: "01" }));
  await backupSource({ ...repository, storage }, CLUSTER, looked, { signal });
  expect(reads).toEqual([]);
});

test("backup source: a snapshot that ends before the revision its manifest names is not taken for the newer one", async () => {
  const repository = await newRepository();
  const id = await storeBackup(repository, SNAPSHOT, { facts: undefined, change: (manifest) => ({ ...manifest, revision: "100000" }) });
  await expect(backupSource(repository, CLUSTER, await entryOf(repository, id), { signal })).rejects.toMatchObject({
    code: "MANIFEST_INVALID",
    message: expect.stringMatching(/says that it holds revision 100000, but its snapshot ends at \d+$/),
  });
});

test("backup source: what cannot be read, or is no database, is refused before there is a plan", async () => {
  const repository = await newRepository();
  const noDatabase = await storeBackup(
    repository,
    alteredSnapshot(SNAPSHOT, (image) => image.fill(0x41, 0, 2 * 4096)),
    { facts: undefined },
  );
  await expect(backupSource(repository, CLUSTER, await entryOf(repository, noDatabase), { signal })).rejects.toMatchObject({
    code: "SNAPSHOT_NOT_A_DATABASE",
    message: expect.stringContaining(noDatabase),
  });
  const garbled = await storeBackup(repository, SNAPSHOT, { facts: undefined, second: "01" });
  const entry = await entryOf(repository, garbled);
  await change(repository.storage, snapshotKey(garbled), (bytes) => {
    bytes[200]! ^= 1;
    return bytes;
  });
  await expect(backupSource(repository, CLUSTER, entry, { signal })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
});

test("peek into an object: pages that lie in more frames than are kept are found all the same, and a stop ends it", async () => {
  const leases = Array.from({ length: 2_000 }, (_, index) => ({ id: BigInt(index + 1), ttlSeconds: 60 }));
  const image = buildSnapshot({ ...OPTIONS, leases, rows: plainRows(1_000, { valueSizeBytes: 4_000 }), trailer: false });
  const snapshot = withTrailer(shufflePages(image, randomNumbers(11), 1));
  let reads = 0;
  const object: ObjectReader = {
    rawSizeBytes: snapshot.length,
    stream: () => {
      throw new Error("not asked for");
    },
    readRaw: async ({ start, end }) => {
      if (++reads > 1_000) throw new Error("the same pages are read again and again");
      return snapshot.slice(start, end);
    },
  };
  expect(snapshot.length).toBeGreaterThan(6 * FRAME_RAW_SIZE_BYTES);
  expect(await peekObject("snapshot", object, { signal })).toEqual(peekSnapshot("snapshot", bufferPageSource(snapshot)));
  expect(reads).toBeGreaterThan(6);
  const stopped = AbortSignal.abort(new Error("stopped"));
  await expect(peekObject("snapshot", object, { signal: stopped })).rejects.toThrow("stopped");
});

test("peek into an object: where too much would have to be fetched, and again, a local copy is read", async () => {
  const leases = Array.from({ length: 40_000 }, (_, index) => ({ id: BigInt(index + 1), ttlSeconds: 60 }));
  const image = buildSnapshot({ ...OPTIONS, leases, rows: plainRows(10_000, { valueSizeBytes: 4_000 }), trailer: false });
  const snapshot = withTrailer(shufflePages(image, randomNumbers(12), 1));
  let copies = 0;
  let fetchedBytes = 0;
  const object: ObjectReader = {
    rawSizeBytes: snapshot.length,
    stream: () => {
      copies++;
      return streamOf(snapshot);
    },
    readRaw: async ({ start, end }) => {
      fetchedBytes += end - start;
      return snapshot.slice(start, end);
    },
  };
  expect(await peekObject("snapshot", object, { signal })).toEqual(peekSnapshot("snapshot", bufferPageSource(snapshot)));
  expect(copies).toBe(1);
  expect(fetchedBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
});

async function sourceOf(stored: Parameters<typeof storeBackup>[2]) {
  const repository = await newRepository();
  const id = await storeBackup(repository, SNAPSHOT, stored);
  return backupSource(repository, CLUSTER, await entryOf(repository, id), { signal });
}

function entryOf(repository: Repository, id: string): Promise<BackupEntry> {
  return resolveBackup(repository, CLUSTER, id, { signal });
}

async function bytesOf(content: Awaited<ReturnType<typeof backupSource>>["content"]): Promise<Buffer> {
  if ("path" in content) throw new Error("a backup is no file");
  const chunks: Buffer[] = [];
  for await (const chunk of content.read({ signal })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
