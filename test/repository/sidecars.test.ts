import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRestoreRecord, readRestoreRecords, readVerification, writeAttempt, writeRestoreRecord, writeVerification } from "../../src/repository/sidecars.ts";
import { openFileStorage } from "../../src/storage/file.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const { id } = sampleManifest();
const AT = "2026-11-21T10:00:00.999Z";

const verification = {
  backup: id,
  level: "hash",
  outcome: "passed",
  startedAt: "2026-11-21T10:00:00.000Z",
  finishedAt: AT,
  readSizeBytes: 100,
  hashKv: null,
  failure: null,
  findings: [],
} as const;

test("verifications: two that end in the same millisecond are both kept", async () => {
  const storage = new MemoryStorage();
  const keys = await Promise.all([1, 2, 3].map(() => writeVerification(storage, "default", author, { ...verification, findings: [] }, { signal })));
  expect(keys.toSorted()).toEqual(
    ["20261121T100000.999Z", "20261121T100001.000Z", "20261121T100001.001Z"].map((time) => `default/verifications/${id}/${time}-hash-passed.json`),
  );
  expect(await readVerification(storage, keys[0]!, { signal })).toEqual({
    format: 1,
    requires: [],
    ...author,
    cluster: "default",
    ...verification,
    findingsTotal: 0,
  });
});

test("verifications: keep a thousand findings and the number of all", async () => {
  const storage = new MemoryStorage();
  const findings = Array.from({ length: 2_500 }, (_, offset) => ({ severity: "error" as const, object: "snapshot.db.zst", offset, text: "x" }));
  const key = await writeVerification(storage, "default", author, { ...verification, outcome: "failed", findings }, { signal });
  const stored = await readVerification(storage, key, { signal });
  expect(stored.findings).toHaveLength(1_000);
  expect(stored.findingsTotal).toBe(2_500);
});

test("attempts: are kept under a time and something random", async () => {
  const storage = new MemoryStorage();
  const failure = { code: "ETCD_UNREACHABLE", message: "m", hint: "h" };
  const key = await writeAttempt(
    storage,
    "default",
    author,
    { action: "save", phase: "connect", backup: null, startedAt: AT, finishedAt: AT, failure },
    { signal, runtime: { randomBytes: (sizeBytes) => new Uint8Array(sizeBytes).fill(31) } },
  );
  expect(key).toBe("default/attempts/20261121T100000.999Z-777777.json");
  expect(storage.bytesOf(key)).toBeDefined();
});

test("restore records: an id restored again gets a record of its own", async () => {
  const storage = new MemoryStorage();
  const facts = {
    clusterId: "1f0a9c3b5d7e2468",
    purpose: "cluster",
    restoredAt: AT,
    source: { backup: id, rawSha256: null, location: "/r" },
    parent: { clusterId: null, timeline: null, revision: "12345" },
    revisionAfter: "12345",
    markCompacted: false,
    members: [{ id: "0000000000000001", name: "m", peerUrls: ["http://a:2380"] }],
  } as const;
  const write = () => writeRestoreRecord(storage, "default", author, { ...facts, members: [{ ...facts.members[0], peerUrls: ["http://a:2380"] }] }, { signal });
  expect([await write(), await write(), await write()]).toEqual([
    "default/restores/1f0a9c3b5d7e2468.json",
    "default/restores/1f0a9c3b5d7e2468-20261121T100000.999Z.json",
    "default/restores/1f0a9c3b5d7e2468-20261121T100001.000Z.json",
  ]);
  const records = await readRestoreRecords(storage, "default", "1f0a9c3b5d7e2468", { signal });
  expect(records.map(({ record }) => record.purpose)).toEqual(["cluster", "cluster", "cluster"]);
  expect(await readRestoreRecords(storage, "default", "0000000000000000", { signal })).toEqual([]);
});

const SNAPSHOT_FILE = {
  clusterId: null,
  purpose: "snapshot-file" as const,
  restoredAt: AT,
  source: { backup: id, rawSha256: null, location: "/r" },
  parent: { clusterId: null, timeline: null, revision: "12345" },
  revisionAfter: "1000012345",
  markCompacted: true,
  members: [],
};

test("restore records: where a file is in the place of their directory, that is said, and not that keys are taken", async () => {
  await using directory = await temporaryDirectory("sidecars");
  await mkdir(join(directory.path, "default"));
  await writeFile(join(directory.path, "default/restores"), "");
  await expect(writeRestoreRecord(openFileStorage(directory.path, testRuntime()), "default", author, SNAPSHOT_FILE, { signal })).rejects.toMatchObject({
    code: "REPOSITORY_INVALID",
    message: expect.stringContaining("a file is in the place of a directory"),
  });
});

test("restore records: one of a snapshot file is named by its time, and says nothing of a cluster", async () => {
  const storage = new MemoryStorage();
  const key = await writeRestoreRecord(storage, "default", author, SNAPSHOT_FILE, { signal });
  expect(key).toBe("default/restores/snapshot-20261121T100000.999Z.json");
  expect(await readRestoreRecord(storage, key, { signal })).toMatchObject(SNAPSHOT_FILE);
  for (const mixed of [
    { clusterId: "1f0a9c3b5d7e2468" },
    { purpose: "cluster" as const },
    { members: [{ id: "0000000000000001", name: "m", peerUrls: [] }] },
  ]) {
    await expect(writeRestoreRecord(storage, "default", author, { ...SNAPSHOT_FILE, ...mixed }, { signal })).rejects.toThrow(/snapshot file/);
  }
});
