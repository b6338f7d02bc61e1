// Which cluster may write under a name: what a copied, cloned, restored or rolled back cluster finds when it saves.
import { cp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatId } from "../../src/bytes/u64.ts";
import { clusterId, memberId } from "../../src/etcd-files/membership/ids.ts";
import type { ClusterFile } from "../../src/repository/cluster-file.ts";
import type { Manifest } from "../../src/repository/manifest.ts";
import { writeRestoreRecord } from "../../src/repository/sidecars.ts";
import { openStorage } from "../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { startGrpcProxy } from "../faults/kit/grpc-proxy.ts";
import { type EtcdCluster, initialCluster, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany } from "../support/etcd-data.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { expectExit, filesBelow, logLines, quietRuntime, saveArguments } from "../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const AUTHOR = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
let directory: TemporaryDirectory;
let number = 0;

beforeAll(async () => {
  directory = await temporaryDirectory("binding");
});

afterAll(() => directory?.remove());

test("a clone with an id of its own cannot write, until the name is given to it; then the original cannot", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  const first = await saved(original, repository);
  const file = join(path, "snapshot.db");
  await expectExit(0, ["save", "--endpoints", original.endpoints[0]!, "--output", file]);
  await using clone = await restored(path, file, "--copy");
  await refused(clone, repository, /belongs to cluster \w+; this is cluster \w+, and no restore on record/);
  await adopt(clone, repository);
  const adopted = await saved(clone, repository);
  expect(adopted.clusterId).not.toBe(first.clusterId);
  expect(adopted.timelineBegan).toMatchObject({ reason: "cluster-id-changed", after: { backup: first.id, timeline: first.timeline } });
  expect(await bindings(repository)).toMatchObject([
    { clusterId: first.clusterId, by: "first-save" },
    { clusterId: adopted.clusterId, by: "adopt" },
  ]);
  await refused(original, repository, /which it succeeded/);
});

test("a clone with the same id, from copied data, cannot write: not under other peer URLs, and not with other data", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  const first = await saved(original, repository);
  await using clone = await copied(original, path);
  await write(clone, "only the clone's");
  await write(original, "only the original's");
  const second = await saved(original, repository);
  expect(second).toMatchObject({ clusterId: first.clusterId, timeline: first.timeline, timelineBegan: null });
  expect(Object.keys(await filesBelow(repository)).filter((name) => name.startsWith("default/restores/"))).toEqual([]);
  // A copied database holds the original's peer URLs: nothing but the data tells them apart.
  await refused(clone, repository, /hold different data at revision \d+ though both come from cluster/);
  const [member] = clone.members;
  await clone.etcdctl(["member", "update", await clone.memberId(original.members[0]!), "--peer-urls", member!.peerUrl]);
  await refused(clone, repository, /had the peer URLs .* and now has/);
  expect(await saved(original, repository)).toMatchObject({ timeline: first.timeline, timelineBegan: null });
});

test("a copy that saves before the original has gone on is not told apart; then the original is the second, and refused until it is adopted", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  const first = await saved(original, repository);
  await using copy = await copied(original, path);
  expect(await membersOf(copy)).toEqual(await membersOf(original));
  await write(copy, "only the copy's");
  await write(original, "only the original's");
  // Nothing in the repository says what came after the first backup, so this may well be it.
  expect(await saved(copy, repository)).toMatchObject({ clusterId: first.clusterId, timeline: first.timeline, timelineBegan: null });
  await refused(original, repository, /hold different data at revision \d+ though both come from cluster/);
  await write(copy, "more of the copy's");
  await write(original, "more of the original's", 5);
  await refused(original, repository, /hold different data at revision \d+/);
  // Who knows that the wrong one has come first says so; then it is the copy that is refused.
  await adopt(original, repository);
  expect(await saved(original, repository)).toMatchObject({ timelineBegan: { reason: "lineage-disagrees" } });
  await write(copy, "most of the copy's", 20);
  await refused(copy, repository, /hold different data at revision \d+/);
  expect(await saved(original, repository)).toMatchObject({ timelineBegan: null });
});

test("a copy of a large keyspace is told from the original by a few rows that no sample holds, compacted or not", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before", 12_000);
  const first = await saved(original, repository);
  await using copy = await copied(original, path);
  await write(copy, "only the copy's", 2);
  await write(copy, "more of the copy's");
  const second = await saved(copy, repository);
  expect(second).toMatchObject({ revision: String(BigInt(first.revision) + 3n), timelineBegan: null });
  const sampled = second.lineageSample!.rows.map((row) => BigInt(row.slice(0, row.indexOf(":"))));
  expect(sampled.filter((revision) => revision > BigInt(first.revision))).toEqual([]);
  await write(original, "only the original's", 2);
  await refused(original, repository, /hold different data at revision \d+ though both come from cluster/);
  await write(original, "more of the original's", 2);
  await compact(original);
  await refused(original, repository, /hold different data at revision \d+/);
  await write(copy, "most of the copy's", 20);
  expect(await saved(copy, repository)).toMatchObject({ timelineBegan: null });
});

test("a copy that has written nothing is taken for the cluster put back, and the original for its continuation; of the two that part, the second is refused", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  await using copy = await copied(original, path);
  await write(original, "only the original's", 10);
  const ahead = await saved(original, repository);
  const back = await saved(copy, repository);
  expect(back.timelineBegan).toMatchObject({ after: { backup: ahead.id } });
  expect((await saved(original, repository)).timeline).toBe(back.timeline);
  await write(copy, "only the copy's", 5);
  await refused(copy, repository, /hold different data at revision \d+/);
});

test("a copy that parted in nothing but values since overwritten and compacted on both sides is found out once one writes what stays", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "beats");
  await saved(original, repository);
  await using copy = await copied(original, path);
  await write(original, "beats", 10);
  await write(copy, "beats", 20);
  for (const cluster of [original, copy]) await compact(cluster);
  await saved(original, repository);
  expect(await saved(copy, repository)).toMatchObject({ timelineBegan: null });
  // The copy's compaction may have removed it there: this is the cluster, put back to what it was before.
  await write(original, "stays");
  expect(await saved(original, repository)).toMatchObject({ timelineBegan: { reason: "raft-index-went-back" } });
  await saved(copy, repository);
  await write(original, "beats", 30);
  await compact(original);
  await refused(original, repository, /hold different data at revision \d+/);
});

test("a cluster restored from the repository may write, on a timeline of its own; its predecessor no longer may", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  const first = await saved(original, repository);
  await original.members[0]!.stop();
  await using successor = await restored(path, "latest", "--repository", repository);
  await original.members[0]!.start();
  await write(successor, "after");
  const next = await saved(successor, repository);
  expect(next.clusterId).not.toBe(first.clusterId);
  expect(next.timeline).not.toBe(first.timeline);
  expect(next.timelineBegan).toMatchObject({ reason: "cluster-id-changed", after: { backup: first.id, timeline: first.timeline } });
  expect(await bindings(repository)).toMatchObject([
    { by: "first-save" },
    { clusterId: next.clusterId, by: "restore", restore: expect.stringContaining(String(next.clusterId)) },
  ]);
  await write(successor, "later");
  expect(await saved(successor, repository)).toMatchObject({ timeline: next.timeline, timelineBegan: null });
  await refused(original, repository, /which it succeeded/);
});

test("a cluster that another restore has overtaken gets the name back by adoption alone: not when its plan is run again, and not as its record says", async () => {
  const { repository, path } = place();
  await using original = await startCluster();
  await write(original, "before");
  const first = await saved(original, repository);
  await original.members[0]!.stop();
  const members = await planMembers(1, join(path, "planned"));
  const plan = join(path, "plan.json");
  const { stdout } = await expectExit(0, ["restore", "latest", "--repository", repository, ...flagsOf(members), "--plan", "-o", "json"]);
  await writeFile(plan, stdout);
  // Nothing can be recorded for as long as this is there.
  const restores = join(repository, "default/restores");
  await writeFile(restores, "");
  await expectExit(3, ["restore", "--from-plan", plan, "--repository", repository]);
  await rm(restores);
  await using planned = await startCluster({ members, directory: path, initialClusterState: "existing" });
  await adopt(planned, repository);
  const adopted = await saved(planned, repository);
  await planned.members[0]!.stop();

  await using successor = await restored(path, "latest", "--repository", repository);
  await saved(successor, repository);
  await planned.members[0]!.start();
  const { stderr } = await expectExit(9, ["restore", "--from-plan", plan, "--repository", repository]);
  expect(stderr).toMatch(
    new RegExp(`cluster ${adopted.clusterId}, which this plan restored, is not registered as the successor of default: the name has passed`),
  );
  expect(stderr).toMatch(/is m0 of this very plan, and was started since/);
  expect(await readdir(restores)).toContain(`${adopted.clusterId}.json`);
  await refused(planned, repository, /which it succeeded/);
  await saved(successor, repository);

  await planned.members[0]!.stop();
  await successor.members[0]!.stop();
  const abandoned = join(path, "abandoned");
  await using silent = await restored(abandoned, first.id, "--repository", repository);
  await silent.members[0]!.stop();
  await using last = await restored(join(path, "last"), first.id, "--repository", repository);
  await saved(last, repository);
  await silent.members[0]!.start();
  await refused(silent, repository, /which was restored \(\S+\) before the name passed to that one/);
  await adopt(silent, repository);
  await saved(silent, repository);
});

test("a cluster put back to an older copy of its data starts a new timeline; one that went on from there is refused until it is adopted", async () => {
  const { repository, path } = place();
  await using original = await startCluster({ directory: path });
  const [member] = original.members;
  await write(original, "before");
  const copy = join(path, "copy");
  await member!.stop();
  await cp(member!.dataDir, copy, { recursive: true });
  await member!.start();
  await write(original, "lost", 5);
  const first = await saved(original, repository);

  await rollBack(member!, copy, path);
  const rolledBack = await saved(original, repository);
  expect(BigInt(rolledBack.revision)).toBeLessThan(BigInt(first.revision));
  expect(rolledBack.clusterId).toBe(first.clusterId);
  expect(rolledBack.timelineBegan).toMatchObject({ reason: "raft-index-went-back", after: { backup: first.id, revision: first.revision } });
  await write(original, "kept", 10);
  const kept = await saved(original, repository);
  expect(kept).toMatchObject({ timeline: rolledBack.timeline, timelineBegan: null });

  await rollBack(member!, copy, path);
  await write(original, "again", 30);
  await refused(original, repository, /hold different data at revision \d+/);
  await adopt(original, repository);
  expect((await saved(original, repository)).timelineBegan).toMatchObject({ reason: "lineage-disagrees", after: { backup: kept.id } });
});

test("a cluster that may not write is refused before it is asked for a snapshot, with and without a local copy", async () => {
  const { repository } = place();
  await using original = await startCluster();
  await saved(original, repository);
  await using other = await startCluster({ token: "other" });
  await using proxy = await startGrpcProxy(other.endpoints[0]!);
  for (const flags of [[], ["--no-spool"]]) {
    const { stderr } = await expectExit(9, saveArguments(proxy.url, repository, ...flags));
    expect(logLines(stderr).find(({ code }) => code !== undefined)).toMatchObject({ code: "CLUSTER_MISMATCH" });
  }
  expect(proxy.calls).toContain("Maintenance/Status");
  expect(proxy.calls).not.toContain("Maintenance/Snapshot");
});

test("a cluster that was restored as a drill never writes", async () => {
  const { repository } = place();
  await using original = await startCluster();
  const first = await saved(original, repository);
  await using drill = await startCluster({ token: "drill" });
  const members = drill.members.map(({ name, peerUrl }) => ({ id: memberId([peerUrl], "drill"), name, peerUrls: [peerUrl] }));
  const storage = await openStorage(repository, DEFAULT_SETTINGS, quietRuntime);
  const facts = {
    clusterId: formatId(clusterId(members.map(({ id }) => id))),
    purpose: "drill" as const,
    restoredAt: new Date().toISOString(),
    source: { backup: first.id, rawSha256: null, location: repository },
    parent: { clusterId: first.clusterId, timeline: first.timeline, revision: first.revision },
    revisionAfter: first.revision,
    markCompacted: false,
    members: members.map((member) => ({ ...member, id: formatId(member.id) })),
  };
  await writeRestoreRecord(storage, "default", AUTHOR, facts, { signal: new AbortController().signal });
  await refused(drill, repository, /was restored as a drill/);
});

function place(): { repository: string; path: string } {
  const path = join(directory.path, String(number++));
  return { path, repository: join(path, "repository") };
}

async function saved(cluster: EtcdCluster, repository: string): Promise<Manifest> {
  return JSON.parse((await expectExit(0, saveArguments(cluster.endpoints, repository))).stdout).manifest;
}

/** Exit code 9, and in the repository nothing has changed but that the attempt may be on record. */
async function refused(cluster: EtcdCluster, repository: string, why: RegExp): Promise<void> {
  const before = await filesBelow(repository);
  const { stderr } = await expectExit(9, saveArguments(cluster.endpoints, repository));
  expect(logLines(stderr).find(({ code }) => code !== undefined)).toMatchObject({ code: "CLUSTER_MISMATCH", message: expect.stringMatching(why) });
  const after = Object.entries(await filesBelow(repository)).filter(([name]) => name in before || !name.startsWith("default/attempts/"));
  expect(Object.fromEntries(after)).toEqual(before);
}

async function adopt(cluster: EtcdCluster, repository: string): Promise<void> {
  await expectExit(0, ["repo", "adopt", "--endpoints", cluster.endpoints[0]!, "--repository", repository]);
}

async function bindings(repository: string): Promise<ClusterFile["bindings"]> {
  const file = (await filesBelow(repository))["default/cluster.json"] ?? "";
  return JSON.parse(Buffer.from(file, "base64").toString()).bindings;
}

/** Ids and peer URLs, as on record. */
async function membersOf(cluster: EtcdCluster): Promise<string[]> {
  const list = await cluster.etcdctl(["member", "list", "-w", "simple"]);
  return list
    .trim()
    .split("\n")
    .map((row) =>
      row
        .split(", ")
        .filter((_, column) => column === 0 || column === 3)
        .join(" "),
    );
}

/** Puts the key so many times. */
async function write(cluster: EtcdCluster, key: string, times = 1): Promise<void> {
  const value = `written to ${cluster.endpoints[0]}`;
  await putMany(await cluster.client(), Array(times).fill({ key, value }));
}

/** Up to its revision. */
async function compact(cluster: EtcdCluster): Promise<void> {
  await cluster.etcdctl(["compact", String(await currentRevision(await cluster.client())), "--physical"]);
}

/** A cluster of one from what `restore` writes. */
async function restored(path: string, ...source: readonly string[]): Promise<EtcdCluster> {
  const members = await planMembers(1, join(path, "restored"));
  const { stderr } = await expectExit(0, ["restore", ...source, ...flagsOf(members)]);
  expect(stderr.includes("registered as the successor of default")).toBe(source.includes("--repository"));
  return startCluster({ members, directory: path, initialClusterState: "existing" });
}

/** Of `restore`, for a cluster of one. */
function flagsOf(members: readonly PlannedMember[]): string[] {
  const [{ name, peerUrl, dataDir }] = members as [PlannedMember];
  return ["--name", name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
}

/** A second cluster on a copy of the first one's data, taken while that stood still. */
async function copied(original: EtcdCluster, path: string): Promise<EtcdCluster> {
  const [member] = original.members;
  const members = await planMembers(1, join(path, "copied"));
  await member!.stop();
  await cp(member!.dataDir, members[0]!.dataDir, { recursive: true });
  await member!.start();
  return startCluster({ members, directory: path });
}

/** Puts the copy in place of the member's data. */
async function rollBack(member: { stop(): Promise<void>; start(): Promise<void>; dataDir: string }, copy: string, path: string): Promise<void> {
  await member.stop();
  await rename(member.dataDir, join(path, `replaced-${number++}`));
  await cp(copy, member.dataDir, { recursive: true });
  await member.start();
}
