import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { writeClusterFile } from "../../src/repository/cluster-file.ts";
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

function records(storage: MemoryStorage) {
  return readRestoreRecords(storage, "default", CLUSTER_ID, options);
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
  const boundAt = options.runtime.now().toISOString();
  await writeClusterFile(
    storage,
    {
      format: 1,
      requires: [],
      cluster: "default",
      clusterId: CLUSTER_ID,
      members: [],
      kubeSystemUid: null,
      updatedAt: boundAt,
      bindings: [{ clusterId: CLUSTER_ID, boundAt, by: "restore", restore: first!.key }],
      adoptionPending: false,
      timeline: null,
    },
    undefined,
    options,
  );
  await recordRestore(storage, "default", author, plan({}), { ...options, isStarted: true });
  expect(await records(storage)).toHaveLength(1);
  await recordRestore(storage, "default", author, plan({}), options);
  expect(await records(storage)).toHaveLength(2);
});
