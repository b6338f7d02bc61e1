import { expect, test } from "vitest";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../src/etcd-files/check/check-snapshot.ts";
import type { SnapshotFacts } from "../../src/etcd-files/check/facts.ts";
import { type Manifest, type MemberOutcome, readManifest } from "../../src/repository/manifest.ts";
import { hashesToCompute, manifestDifferences } from "../../src/verify/manifest-facts.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { CLUSTER, newRepository, signal, storeBackup } from "./stored-backup.ts";

const raw = buildSnapshot({
  ...randomHistory(3, { revisions: 200, compaction: "finished" }),
  alarms: [
    { memberId: 0x8e9e05c52164694dn, alarm: 1 },
    { memberId: 7n, alarm: 2 },
  ],
  members: [
    { id: 0x8e9e05c52164694dn, name: "a", peerURLs: ["http://a:2380"], clientURLs: ["http://a:2379"] },
    { id: 7n, name: "b", peerURLs: ["http://b:2380"], isLearner: true },
  ],
});

async function storedManifest(): Promise<Manifest> {
  const repository = await newRepository();
  return readManifest(repository.storage, CLUSTER, await storeBackup(repository, raw), { signal });
}

function factsFor(manifest: Manifest): SnapshotFacts {
  return checkSnapshot(bufferPageSource(raw), { hashes: hashesToCompute(manifest) }).facts!;
}

test("a manifest that tells the truth differs in nothing", async () => {
  const manifest = await storedManifest();
  expect(manifestDifferences(manifest, factsFor(manifest))).toEqual([]);
});

test("each fact that a manifest has wrong is named, with both values", async () => {
  const manifest = await storedManifest();
  const { counts, snapshot, hashKv, lineageSample } = manifest;
  const wrong: readonly [string, Partial<Manifest>][] = [
    ["revision", { revision: "1" }],
    ["compactRevision", { compactRevision: "2" }],
    ["raftIndex", { raftIndex: "1" }],
    ["raftTerm", { raftTerm: "99" }],
    ["storageVersion", { storageVersion: "3.7.0" }],
    ["clusterVersion", { clusterVersion: "3.4.0" }],
    ["authEnabled", { authEnabled: true }],
    ["alarms", { alarms: [] }],
    ["members", { members: manifest.members!.slice(1) }],
    ["snapshot.pageSizeBytes", { snapshot: { ...snapshot, pageSizeBytes: 8192 } }],
    ["snapshot.statusHash", { snapshot: { ...snapshot, statusHash: 5 } }],
    ...Object.keys(counts!).map((name): [string, Partial<Manifest>] => [
      `counts.${name}`,
      { counts: { ...counts!, [name]: name === "keysByPrefix" ? [] : 1_000_000 } },
    ]),
    ["hashKv at revision 201", { hashKv: { ...hashKv!, hash: 9 } }],
    ["lineageSample", { lineageSample: { ...lineageSample!, rows: lineageSample!.rows.slice(1) } }],
  ];
  for (const [name, change] of wrong) {
    const changed = { ...manifest, ...change };
    const differences = manifestDifferences(changed, factsFor(changed));
    expect(differences, name).toEqual([expect.stringMatching(new RegExp(`^the manifest's ${name.replaceAll(".", "\\.")} is .+, the snapshot's .+$`))]);
    expect(differences[0]!.length).toBeLessThan(300);
  }
});

test("the order of members and alarms means nothing, and what a manifest does not know is not compared", async () => {
  const manifest = await storedManifest();
  const turned = { ...manifest, members: manifest.members!.toReversed(), alarms: manifest.alarms!.toReversed() };
  expect(manifestDifferences(turned, factsFor(turned))).toEqual([]);
  const unknowing: Manifest = {
    ...manifest,
    ...{ compactRevision: null, raftIndex: null, raftTerm: null, storageVersion: null, clusterVersion: null, authEnabled: null, alarms: null, members: null },
    ...{ counts: null, hashKv: null, lineageSample: null, snapshot: { ...manifest.snapshot, pageSizeBytes: null, statusHash: null } },
  };
  expect(manifestDifferences(unknowing, factsFor(unknowing))).toEqual([]);
});

test("a backup saved without a look inside holds at least the revision its manifest has", async () => {
  const manifest: Manifest = { ...(await storedManifest()), state: "partial" };
  const facts = factsFor(manifest);
  expect(manifestDifferences({ ...manifest, revision: "150" }, facts)).toEqual([]);
  expect(manifestDifferences({ ...manifest, revision: "202" }, facts)).toHaveLength(1);
});

test("what members were compared by is computed again, and whether they agreed is judged again", async () => {
  const manifest = await storedManifest();
  const { hashKv } = manifest;
  const member: MemberOutcome = {
    ...{ id: "8e9e05c52164694d", name: "a", endpoint: "http://a:2379", serving: true, outcome: "agreed", why: null },
    ...{ compactRevision: hashKv!.compactRevision, hash: hashKv!.hash, fileHash: hashKv!.hash },
  };
  const silent: MemberOutcome = { ...member, id: "0000000000000007", outcome: "unreachable", compactRevision: null, hash: null, fileHash: null };
  const withMembers = (...members: MemberOutcome[]): Manifest => ({
    ...manifest,
    comparison: { asked: "all", why: null, revision: hashKv!.revision, members },
  });
  const differencesOf = (changed: Manifest) => manifestDifferences(changed, factsFor(changed));
  expect(hashesToCompute(withMembers(silent, member))).toHaveLength(2);
  expect(differencesOf(withMembers(silent, member))).toEqual([]);
  expect(differencesOf(withMembers(silent, { ...member, hash: 1, outcome: "disagreed" }))).toEqual([]);
  expect(differencesOf(withMembers({ ...member, hash: 1 }))).toEqual([expect.stringContaining("8e9e05c52164694d: outcome is agreed")]);
  expect(differencesOf(withMembers({ ...member, hash: 1, fileHash: 1 }))).toEqual([expect.stringContaining("8e9e05c52164694d: fileHash is 1")]);
});
