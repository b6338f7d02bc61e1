// Whether a repository is one through and through: every kind of damage is named, and a good one has no findings.
import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { checkRepository } from "../../src/maintenance/check.ts";
import { encodeManifest, readManifest } from "../../src/repository/manifest.ts";
import { writeVerification } from "../../src/repository/sidecars.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { AUTHOR, newRepository, type StoredRepository, someSnapshot, storeBackup } from "../verify/stored-backup.ts";

const { signal } = new AbortController();
const options = { signal, runtime: testRuntime() };
const GONE = "20261121T093500Z-0000000000000012399-aaaaaa";
let repository: StoredRepository;
let id: string;

beforeEach(async () => {
  repository = await newRepository();
  id = await storeBackup(repository, someSnapshot());
  await put("default/cluster.json", clusterFile("default"));
  await verified(id);
});

const put = (key: string, content: unknown) =>
  repository.storage.put(key, streamOf(Buffer.from(typeof content === "string" ? content : JSON.stringify(content))), { signal });
const findings = async () => (await checkRepository(repository, options)).findings;

function clusterFile(cluster: string) {
  const time = "2026-11-21T09:30:00.000Z";
  const binding = { clusterId: "cdf818194e3a8c32", boundAt: time, by: "first-save", restore: null };
  return {
    format: 1,
    requires: [],
    cluster,
    clusterId: binding.clusterId,
    members: [],
    kubeSystemUid: null,
    updatedAt: time,
    bindings: [binding],
    adoptionPending: false,
    timeline: null,
  };
}

function verified(backup: string) {
  const time = "2026-11-22T03:00:00.000Z";
  const facts = {
    backup,
    level: "hash",
    outcome: "passed",
    startedAt: time,
    finishedAt: time,
    readSizeBytes: 1,
    hashKv: null,
    failure: null,
    findings: [],
  } as const;
  return writeVerification(repository.storage, "default", AUTHOR, { ...facts, findings: [] }, options);
}

test("check: a good repository has no findings, and is counted", async () => {
  const sizes = (await Array.fromAsync(repository.storage.list("", { signal }))).map(({ sizeBytes }) => sizeBytes);
  expect(await checkRepository(repository, options)).toEqual({
    clusters: 1,
    backups: 1,
    objects: 5,
    storedSizeBytes: sizes.reduce((sum, each) => sum + each, 0),
    findings: [],
  });
});

test("check: objects that are missing or of another size are errors of their backup; one that no manifest names is a warning", async () => {
  const prefix = `default/backups/${id}/`;
  await repository.storage.remove(`${prefix}snapshot.db.zst`, { signal });
  await put(`${prefix}bundle.tar.zst`, "x");
  expect(await findings()).toEqual([
    { severity: "error", key: prefix, text: "snapshot.db.zst is missing" },
    { severity: "warning", key: `${prefix}bundle.tar.zst`, text: "its backup's manifest does not name it" },
  ]);
  await put(`${prefix}snapshot.db.zst`, "short");
  expect((await findings())[0]).toMatchObject({ severity: "error", text: expect.stringMatching(/^snapshot\.db\.zst holds 5 bytes instead of \d+$/) });
});

test("check: manifests and other documents that cannot be read, or belong elsewhere, are errors", async () => {
  const manifest = await readManifest(repository.storage, "default", id, { signal });
  const moved = id.replace("aaaaaa", "bbbbbb");
  await put(`default/backups/${moved}/manifest.json`, Buffer.from(encodeManifest(manifest)).toString());
  await put("default/writer.json", "{}");
  await put("default/attempts/20261121T093000.000Z-aaaaaa.json", "no JSON");
  await put("b/uploads/20261121T093000Z-0000000000000012345-k3jv2a.json", { format: 2 });
  expect((await findings()).filter(({ severity }) => severity === "error")).toEqual([
    { severity: "error", key: "b/uploads/20261121T093000Z-0000000000000012345-k3jv2a.json", text: expect.stringContaining("has format 2") },
    { severity: "error", key: "default/attempts/20261121T093000.000Z-aaaaaa.json", text: expect.stringContaining("not JSON") },
    { severity: "error", key: `default/backups/${moved}/manifest.json`, text: expect.stringContaining(`belongs to default/${id}`) },
    { severity: "error", key: "default/writer.json", text: expect.stringContaining("not a valid writer lease") },
  ]);
});

test("check: backups without a cluster file, and a cluster file of another name, are errors", async () => {
  await repository.storage.remove("default/cluster.json", { signal });
  expect(await findings()).toMatchObject([{ severity: "error", key: "default/cluster.json", text: expect.stringContaining("repo adopt") }]);
  await put("default/cluster.json", clusterFile("other"));
  expect(await findings()).toMatchObject([
    { severity: "error", key: "default/cluster.json", text: expect.stringContaining("belongs to the cluster name other") },
  ]);
});

test("check: leftovers are warnings: of uploads, of deletions, facts about backups that are gone, and what is none of ours", async () => {
  await put(`default/backups/${GONE}/snapshot.db.zst`, "x");
  await verified(GONE.replace("aaaaaa", "bbbbbb"));
  await put("default/README.txt", "mine");
  const time = "2026-11-21T09:30:00.000Z";
  const deleting = GONE.replace("aaaaaa", "cccccc");
  await put(`default/deleting/${deleting}.json`, {
    format: 1,
    requires: [],
    ...AUTHOR,
    cluster: "default",
    backup: deleting,
    startedAt: time,
    reasons: ["x"],
    keys: ["k"],
  });
  await put("_probe/abc/object", "x");
  expect(await findings()).toEqual([
    { severity: "warning", key: "_probe/abc/object", text: expect.stringContaining("repo validate") },
    { severity: "warning", key: "default/README.txt", text: "it is none of etcdsafe's, and left alone" },
    { severity: "warning", key: `default/backups/${GONE}/`, text: expect.stringMatching(/^no manifest: .*`etcdsafe repo gc` removes it$/) },
    { severity: "warning", key: `default/deleting/${deleting}.json`, text: expect.stringContaining("next prune finishes it") },
    { severity: "warning", key: expect.stringContaining("default/verifications/"), text: "there is no such backup any more" },
  ]);
});
