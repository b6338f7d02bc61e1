// Saves one after another, as they happen to operators: which are refused, and on which timeline the others are.
import { randomBytes } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { type ClusterFile, type ObservedCluster, readClusterFile } from "../../src/repository/cluster-file.ts";
import { encodeManifest, type Manifest } from "../../src/repository/manifest.ts";
import { clusterFileKey, manifestKey } from "../../src/repository/names.ts";
import { adoptCluster, placeBackup, requireMayWrite, type SnapshotState } from "../../src/repository/placement.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { writeRestoreRecord } from "../../src/repository/sidecars.ts";
import { encodeSignature, signatureKey } from "../../src/repository/signature.ts";
import { onlySigned } from "../../src/repository/trusted-manifests.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { newSigningKey } from "../support/signing-key.ts";
import { lineageOf, sampleManifest } from "./sample-manifest.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const member = (id: string, url: string) => ({ id: id.padStart(16, "0"), name: `m${id}`, peerUrls: [url], clientUrls: [], isLearner: false });
const production: ObservedCluster = { clusterId: "cdf818194e3a8c32", members: [member("1", "http://a:2380")], kubeSystemUid: null };
const successor: ObservedCluster = { clusterId: "1f0a9c3b5d7e2468", members: [member("9", "http://a:2380")], kubeSystemUid: null };

let storage: MemoryStorage;
let minutes: number;

beforeEach(() => {
  storage = new MemoryStorage();
  minutes = 0;
});

const runtime = { now: () => new Date(Date.parse("2026-11-21T09:30:00.000Z") + minutes * 60_000), randomBytes };
const repositoryOn = (inner: Storage): Repository => ({ storage: inner, file: {} as Repository["file"] });
const bound = async (): Promise<ClusterFile> => (await readClusterFile(storage, "default", { signal }))!.file;

/** A snapshot of a cluster that wrote `content` at each of its revisions. */
function snapshotAt(revision: number, changes: Partial<SnapshotState> = {}, content = 1, forkAt = 0): SnapshotState {
  const rows: Record<number, number> = {};
  for (let each = 1; each <= revision; each++) rows[each] = each > forkAt ? content : 1;
  return {
    ...lineageOf(rows, revision),
    createdAt: runtime.now().toISOString(),
    state: "proven",
    raftIndex: String(revision + 10),
    raftTerm: "2",
    ...changes,
  };
}

/** One save: placed, and its manifest stored. */
async function save(observed: ObservedCluster, snapshot: SnapshotState, inner: Storage = storage): Promise<Manifest> {
  const { timeline, began } = await placeBackup(repositoryOn(inner), "default", observed, snapshot, { signal, runtime });
  const manifest = sampleManifest({ ...snapshot, timeline, timelineBegan: began, clusterId: observed.clusterId });
  await storage.put(manifestKey("default", manifest.id), streamOf(encodeManifest(manifest)), { signal, ifAbsent: true });
  minutes++;
  return manifest;
}

const mayWrite = (observed: ObservedCluster) => requireMayWrite(repositoryOn(storage), "default", observed, { signal });
const refused = (reason: string) => ({ code: "CLUSTER_MISMATCH", message: expect.stringContaining(reason) });

async function restoreOnRecord(purpose: "cluster" | "drill", observed: ObservedCluster): Promise<string> {
  const facts = {
    clusterId: observed.clusterId,
    purpose,
    restoredAt: runtime.now().toISOString(),
    source: { backup: null, rawSha256: null, location: "/r" },
    parent: { clusterId: production.clusterId, timeline: null, revision: "10" },
    revisionAfter: "10",
    markCompacted: false,
    members: observed.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls })),
  };
  return writeRestoreRecord(storage, "default", author, facts, { signal });
}

test("placement: the first save binds the name, later ones go on", async () => {
  await mayWrite(production);
  const first = await save(production, snapshotAt(10));
  expect(first.timelineBegan).toMatchObject({ reason: "first-backup" });
  expect(await bound()).toMatchObject({
    clusterId: production.clusterId,
    bindings: [{ by: "first-save", restore: null }],
    timeline: { id: first.timeline, after: null },
  });
  const version = (await readClusterFile(storage, "default", { signal }))!.version;
  await mayWrite(production);
  const second = await save(production, snapshotAt(20));
  expect(second).toMatchObject({ timeline: first.timeline, timelineBegan: null });
  // Nothing had changed, so nothing was written.
  expect((await readClusterFile(storage, "default", { signal }))!.version).toBe(version);
});

test("placement: members that come and go are followed, so that each save is compared with the last", async () => {
  await save(production, snapshotAt(10));
  const [a, b, c] = [member("1", "http://a:2380"), member("2", "http://b:2380"), member("3", "http://c:2380")];
  await save({ ...production, members: [a, b] }, snapshotAt(11));
  await save({ ...production, members: [b, c] }, snapshotAt(12));
  await save({ ...production, members: [c], kubeSystemUid: "uid" }, snapshotAt(13));
  expect(await bound()).toMatchObject({ members: [c], kubeSystemUid: "uid" });
  await save({ ...production, members: [c] }, snapshotAt(14));
  expect(await bound()).toMatchObject({ kubeSystemUid: "uid" });
  await expect(save(production, snapshotAt(15))).rejects.toMatchObject(refused("none of the members"));
});

test("placement: a clone is refused, with a new id or with the old one", async () => {
  await save(production, snapshotAt(10));
  const before = await storage.stat(clusterFileKey("default"), { signal });
  await expect(mayWrite(successor)).rejects.toMatchObject(refused(successor.clusterId));
  await expect(save(successor, snapshotAt(12))).rejects.toMatchObject(refused(successor.clusterId));
  const moved = { ...production, members: [member("1", "http://clone:2380")] };
  await expect(mayWrite(moved)).rejects.toMatchObject(refused("peer URLs"));
  await expect(save(production, snapshotAt(12, {}, 7, 8))).rejects.toMatchObject({
    ...refused("different data at revision 9"),
    hint: expect.stringMatching(
      /^First compare the members \(`etcdctl endpoint hashkv --cluster --rev N`, with .*\)\. Where they differ, save from one .* takes the name back with `etcdsafe repo adopt`\.$/,
    ),
  });
  expect(await storage.stat(clusterFileKey("default"), { signal })).toEqual(before);
});

test("placement: a restored cluster on record succeeds, on a timeline of its own, and its predecessor is refused from then on", async () => {
  const old = await save(production, snapshotAt(10));
  const record = await restoreOnRecord("cluster", successor);
  await mayWrite(successor);
  await mayWrite(production); // Until the successor's first save, the old cluster is still the one.
  const first = await save(successor, snapshotAt(8, { raftIndex: "4", raftTerm: "1" }));
  expect(first.timelineBegan).toMatchObject({ reason: "cluster-id-changed", after: { backup: old.id, timeline: old.timeline } });
  expect(first.timeline).not.toBe(old.timeline);
  expect(await bound()).toMatchObject({ clusterId: successor.clusterId, bindings: [{ by: "first-save" }, { by: "restore", restore: record }] });
  expect((await save(successor, snapshotAt(9, { raftIndex: "5", raftTerm: "1" }))).timeline).toBe(first.timeline);
  await expect(mayWrite(production)).rejects.toMatchObject(refused(production.clusterId));
});

test("placement: a drill never writes", async () => {
  await save(production, snapshotAt(10));
  await restoreOnRecord("drill", successor);
  await expect(mayWrite(successor)).rejects.toMatchObject(refused("drill"));
  await expect(save(successor, snapshotAt(11))).rejects.toMatchObject(refused("drill"));
});

test("placement: a restore under the old id, on record, may hold other data once", async () => {
  await save(production, snapshotAt(10));
  const fork = (revision: number, content: number) => snapshotAt(revision, { raftIndex: String(revision), raftTerm: "2" }, content, 8);
  await expect(save(production, fork(12, 7))).rejects.toMatchObject(refused("different data"));
  const record = await restoreOnRecord("cluster", production);
  const first = await save(production, fork(12, 7));
  expect(first.timelineBegan).toMatchObject({ reason: "raft-index-went-back" });
  expect((await bound()).bindings.at(-1)).toMatchObject({ by: "restore", restore: record });
  expect((await save(production, fork(13, 7))).timeline).toBe(first.timeline);
  await expect(save(production, fork(14, 3))).rejects.toMatchObject(refused("different data"));
});

test("placement: adopting takes whatever is there, and the next save begins a timeline if it has to", async () => {
  const old = await save(production, snapshotAt(10));
  const moved = { ...production, members: [member("1", "http://moved:2380")] };
  await expect(mayWrite(moved)).rejects.toMatchObject(refused("peer URLs"));
  expect(await adoptCluster(repositoryOn(storage), "default", moved, { signal, runtime })).toMatchObject({
    changed: true,
    formerClusterId: production.clusterId,
    file: { adoptionPending: true, bindings: [{ by: "first-save" }, { by: "adopt" }] },
  });
  // Adopting it again changes nothing.
  const { version } = (await readClusterFile(storage, "default", { signal }))!;
  expect(await adoptCluster(repositoryOn(storage), "default", moved, { signal, runtime })).toMatchObject({ changed: false });
  expect((await readClusterFile(storage, "default", { signal }))!.version).toBe(version);
  // The same history at another address goes on.
  expect((await save(moved, snapshotAt(11))).timeline).toBe(old.timeline);
  expect(await bound()).toMatchObject({ adoptionPending: false });
  // Other data needs an adoption, and gets a timeline.
  await expect(save(moved, snapshotAt(13, {}, 7, 5))).rejects.toMatchObject(refused("different data"));
  await adoptCluster(repositoryOn(storage), "default", moved, { signal, runtime });
  expect((await save(moved, snapshotAt(13, {}, 7, 5))).timelineBegan).toMatchObject({ reason: "lineage-disagrees" });
  await adoptCluster(repositoryOn(storage), "default", successor, { signal, runtime });
  expect((await save(successor, snapshotAt(14, {}, 7, 5))).timelineBegan).toMatchObject({ reason: "cluster-id-changed" });
});

test("placement: a name without binding and backups is not adopted", async () => {
  await expect(adoptCluster(repositoryOn(storage), "default", production, { signal, runtime })).rejects.toMatchObject({
    code: "CLUSTER_NOT_FOUND",
    hint: expect.stringMatching(/^No name is bound there yet\./),
  });
  expect(await readClusterFile(storage, "default", { signal })).toBeUndefined();
});

test("placement: backups without a cluster file belong to nobody until somebody adopts them", async () => {
  const old = await save(production, snapshotAt(10));
  await storage.remove(clusterFileKey("default"), { signal });
  await expect(mayWrite(production)).rejects.toMatchObject(refused("cluster.json"));
  await expect(save(production, snapshotAt(11))).rejects.toMatchObject(refused("cluster.json"));
  await adoptCluster(repositoryOn(storage), "default", production, { signal, runtime });
  expect((await save(production, snapshotAt(11))).timeline).toBe(old.timeline);
});

test("placement: a save that took longer than a later one is no step back", async () => {
  const slow = snapshotAt(10);
  minutes++;
  const quick = await save(production, snapshotAt(20));
  expect((await save(production, { ...slow })).timelineBegan).toMatchObject({ reason: "first-backup" });
  expect((await save(production, snapshotAt(21))).timeline).toBe(quick.timeline);
});

test("placement: after a step back within one second, the newest backup is the one that began last, not the one of the highest revision", async () => {
  const within = (ms: number) => ({ createdAt: `2026-11-21T09:30:00.${ms}Z` });
  const old = await save(production, snapshotAt(20, within(100)));
  const back = await save(production, snapshotAt(12, { ...within(500), raftIndex: "5", raftTerm: "1" }));
  expect(back).toMatchObject({ timelineBegan: { reason: "raft-term-went-back", after: { backup: old.id } } });
  const onwards = await save(production, snapshotAt(16, { raftIndex: "9", raftTerm: "1" }, 7, 12));
  expect(onwards).toMatchObject({ timeline: back.timeline, timelineBegan: null });
});

test.each([
  ["revision", { revision: "15", raftIndex: "40", raftTerm: "3" }],
  ["raft index", { revision: "25", raftIndex: "25", raftTerm: "3" }],
  ["raft term", { revision: "25", raftIndex: "40", raftTerm: "2" }],
] as const)("placement: a save that began before another ended is not compared with that if it has a lower %s", async (_, states) => {
  const first = await save(production, snapshotAt(10, { raftTerm: "1" }));
  const slow = snapshotAt(Number(states.revision), states);
  minutes++;
  await save(production, snapshotAt(20, { raftTerm: "3" }));
  expect(await save(production, slow)).toMatchObject({ timeline: first.timeline, timelineBegan: null });
});

test("placement: what an etcd does not store of itself is no step back, whichever clock is behind", async () => {
  minutes = 600;
  const first = await save(production, snapshotAt(10, { raftTerm: null }));
  minutes = 1;
  expect(await save(production, snapshotAt(12))).toMatchObject({ timeline: first.timeline, timelineBegan: null });
  minutes = 0;
  expect(await save(production, snapshotAt(13, { raftTerm: null }))).toMatchObject({ timeline: first.timeline, timelineBegan: null });
});

test("placement: a clock that is behind changes nothing: the same history goes on, a clone is refused", async () => {
  minutes = 600;
  const first = await save(production, snapshotAt(10));
  const second = await save(production, snapshotAt(12, { raftIndex: "1", raftTerm: "1" }));
  expect(second.timeline).not.toBe(first.timeline);
  minutes = 1;
  const behind = await save(production, snapshotAt(15, { raftIndex: "7", raftTerm: "1" }));
  expect(behind).toMatchObject({ timeline: second.timeline, timelineBegan: null });
  minutes = 3;
  for (const revision of [11, 30])
    await expect(save(production, snapshotAt(revision, { raftIndex: "8", raftTerm: "1" }, 7, 5))).rejects.toMatchObject(
      refused("different data at revision 6"),
    );
});

test("placement: a clone whose clock is behind is compared with backups it would rather not know", async () => {
  await save(production, snapshotAt(5));
  minutes = 100;
  await save(production, snapshotAt(20));
  minutes = 50; // Later than the backup from before the clone's fork, earlier than the one after it, and behind it in revision.
  await expect(save(production, snapshotAt(15, {}, 7, 8))).rejects.toMatchObject(refused("different data at revision 9"));
  expect((await save(production, snapshotAt(15))).timelineBegan).toBeNull();
});

test("placement: suspect, partial and broken backups are nothing to compare with", async () => {
  const good = await save(production, snapshotAt(10));
  await save(production, snapshotAt(15, { state: "suspect" }, 7, 5));
  await save(production, snapshotAt(16, { state: "partial", lineageSample: null, raftIndex: null, raftTerm: null, revision: "500" }));
  const broken = await save(production, snapshotAt(17));
  await storage.put(manifestKey("default", broken.id), streamOf(Buffer.from("{")), { signal });
  expect(await save(production, snapshotAt(18))).toMatchObject({ timeline: good.timeline, timelineBegan: null });
});

test("placement: where only signed backups count, one that anybody may have put there neither stops a save nor is compared with", async () => {
  const signing = newSigningKey();
  const signed = await save(production, snapshotAt(10));
  await sign(signed);
  const forged = sampleManifest({ ...snapshotAt(15, {}, 7, 5), timeline: "forgedforged", timelineBegan: null, clusterId: production.clusterId });
  await storage.put(manifestKey("default", forged.id), streamOf(encodeManifest(forged)), { signal });
  const trusting = onlySigned(storage, [signing.publicKey]);
  const decision = placeBackup(repositoryOn(trusting), "default", production, snapshotAt(18), { signal, runtime });
  expect(await decision).toEqual({ timeline: signed.timeline, began: null });

  async function sign({ cluster, id }: Manifest): Promise<void> {
    const key = manifestKey(cluster, id);
    await storage.put(signatureKey(key), streamOf(encodeSignature(key, storage.bytesOf(key)!, signing)), { signal });
  }
});

test("placement: an unconfirmed backup is something to compare with", async () => {
  await save(production, snapshotAt(10, { state: "unconfirmed" }));
  await expect(save(production, snapshotAt(12, {}, 7, 8))).rejects.toMatchObject(refused("different data at revision 9"));
});

test("placement: a backup that a newer etcdsafe wrote, that may not be read, or that was removed since it was listed, is passed over; one that cannot be read now is not", async () => {
  const good = await save(production, snapshotAt(10));
  const other = await save(production, snapshotAt(12));
  const failing = (code: "REPOSITORY_UNSUPPORTED" | "STORAGE_DENIED" | "STORAGE_NOT_FOUND" | "STORAGE_UNREACHABLE") =>
    failingStorage(storage, { operations: ["read"], key: new RegExp(other.id), error: () => new EtcdsafeError(code, "of the test") });
  await expect(save(production, snapshotAt(13), failing("STORAGE_UNREACHABLE"))).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  for (const code of ["REPOSITORY_UNSUPPORTED", "STORAGE_DENIED", "STORAGE_NOT_FOUND"] as const) {
    const decision = placeBackup(repositoryOn(failing(code)), "default", production, snapshotAt(11), { signal, runtime });
    expect(await decision).toEqual({ timeline: good.timeline, began: null });
  }
});

test("placement: two first saves at the same time meet on one timeline", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => placeBackup(repositoryOn(storage), "default", production, snapshotAt(10), { signal, runtime })));
  expect(a!.timeline).toBe(b!.timeline);
  expect((await bound()).bindings).toHaveLength(1);
});

test("placement: a save that fails after it began a timeline takes the same one when it is repeated", async () => {
  await save(production, snapshotAt(10));
  const back = () => snapshotAt(9, { raftIndex: "1", raftTerm: "1" });
  const lost = await placeBackup(repositoryOn(storage), "default", production, back(), { signal, runtime });
  minutes++;
  expect((await save(production, back())).timeline).toBe(lost.timeline);
});

test("placement: gives up when the cluster file never stays as it was, and at once when it cannot be written", async () => {
  const contended = failingStorage(storage, {
    operations: ["put"],
    key: /cluster\.json$/,
    error: () => new EtcdsafeError("STORAGE_CONFLICT", "changed meanwhile"),
  });
  await expect(save(production, snapshotAt(10), contended)).rejects.toMatchObject({ code: "STORAGE_CONFLICT" });
  let tries = 0;
  const deny = () => {
    tries++;
    return new EtcdsafeError("STORAGE_DENIED", "no");
  };
  const denied = failingStorage(storage, { operations: ["put"], key: /cluster\.json$/, error: deny });
  await expect(save(production, snapshotAt(10), denied)).rejects.toMatchObject({ code: "STORAGE_DENIED" });
  expect(tries).toBe(1);
});

test("placement: a cluster file that was copied to another name is not believed", async () => {
  await save(production, snapshotAt(10));
  await storage.put(clusterFileKey("copy"), streamOf(storage.bytesOf(clusterFileKey("default"))!), { signal });
  await expect(requireMayWrite(repositoryOn(storage), "copy", production, { signal })).rejects.toMatchObject({ code: "REPOSITORY_INVALID" });
});

test("placement: what a newer etcdsafe put into the cluster file stays there", async () => {
  await save(production, snapshotAt(10));
  const file = { ...(await bound()), addedLater: { x: 1 } };
  await storage.put(clusterFileKey("default"), streamOf(Buffer.from(JSON.stringify(file))), { signal });
  await save({ ...production, kubeSystemUid: "uid" }, snapshotAt(11));
  expect(await bound()).toMatchObject({ kubeSystemUid: "uid", addedLater: { x: 1 } });
});
