import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import type { SnapshotFacts } from "../../../src/etcd-files/check/facts.ts";
import type { HashKvRequest } from "../../../src/etcd-files/mvcc/hash-kv.ts";

interface Answer {
  readonly asked: number;
  readonly hash?: number;
  readonly compactRevision?: number;
  readonly error?: string;
}

interface Status {
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  readonly totalSize: number;
  readonly version?: string;
}

interface Expected {
  readonly minor: string;
  readonly name: string;
  readonly status: Readonly<Record<"3.5" | "3.6" | "3.7", Status>>;
  readonly revision: number;
  readonly hashKv: readonly Answer[];
  readonly later?: { readonly compactRevision: number; readonly hashKv: readonly Answer[] };
}

const golden = (path: string): URL => new URL(`../../golden/${path}`, import.meta.url);
const expected: readonly Expected[] = JSON.parse(readFileSync(golden("snapshots/expected.json"), "utf8"));
const cases = expected.map((each) => [each.minor, each.name, each] as const);

function factsOf(path: string, hashes: readonly HashKvRequest[]): SnapshotFacts {
  const { findings, facts } = checkSnapshot(bufferPageSource(zstdDecompressSync(readFileSync(golden(path)))), { hashes });
  expect(findings).toEqual([]);
  return facts as SnapshotFacts;
}

test.each(cases)("check: of etcd %s, %s: the status that etcdutl of every minor prints", (minor, name, { status, revision }) => {
  const facts = factsOf(`snapshots/${minor}/${name}.db.zst`, []);
  for (const each of Object.values(status)) {
    expect([each.hash, each.revision, each.totalSize]).toEqual([facts.statusHash, Number(facts.revision), facts.sizeBytes]);
  }
  expect(status["3.5"].totalKey).toBe(facts.totalKeys34);
  expect([status["3.6"].totalKey, status["3.7"].totalKey]).toEqual([facts.keys, facts.keys]);
  expect(status["3.7"].version).toBe(facts.storageVersion ?? "");
  expect(facts.revision).toBe(BigInt(revision));
  expect(facts.clusterVersion).toBe(`${minor}.0`);
});

test.each(cases)("check: of etcd %s, %s: the HashKV that the member itself answered", (minor, name, { hashKv }) => {
  const { hashes } = factsOf(
    `snapshots/${minor}/${name}.db.zst`,
    hashKv.map(({ asked }) => ({ revision: BigInt(asked) })),
  );
  for (const [index, answer] of hashKv.entries()) {
    if (answer.error === undefined) expect(hashes[index]).toMatchObject({ hash: answer.hash, compactRevision: BigInt(answer.compactRevision ?? 0) });
    else expect(hashes[index]).toHaveProperty("notComparable");
  }
});

test.each(cases.filter(([, , { later }]) => later !== undefined))(
  "check: of etcd %s, %s: the HashKV of the member after it compacted further",
  (minor, name, { later }) => {
    const { compactRevision, hashKv } = later as NonNullable<Expected["later"]>;
    const { hashes } = factsOf(
      `snapshots/${minor}/${name}.db.zst`,
      hashKv.map(({ asked }) => ({ revision: BigInt(asked), compactRevision: BigInt(compactRevision) })),
    );
    expect(hashKv.map(({ compactRevision: answered }) => answered)).toEqual(hashKv.map(() => compactRevision));
    expect(hashes.map((hash) => "hash" in hash && hash.hash)).toEqual(hashKv.map(({ hash }) => hash));
  },
);

test("check: what lies in the small buckets", () => {
  const compacted = factsOf("snapshots/3.6/compacted.db.zst", []);
  expect(compacted).toMatchObject({
    authEnabled: true,
    users: 2,
    roles: 2,
    leases: 2,
    compactRevision: 44n,
    scheduledCompactRevision: 44n,
    storageVersion: "3.6.0",
  });
  const memberId = compacted.members[0]?.id;
  expect(compacted.alarms).toEqual([{ memberId, alarm: "NOSPACE" }]);
  expect(compacted.confState).toMatchObject({ voters: [memberId], learners: [], autoLeave: false });
  expect(compacted.members).toEqual([expect.objectContaining({ name: "m0", isLearner: false, peerURLs: [expect.stringMatching(/^http:/)] })]);
  expect(compacted.consistentIndex).toBeGreaterThan(70n);
  expect(compacted.term).toBe(2n);
  const compacting = factsOf("snapshots/3.7/compacting.db.zst", []);
  expect(compacting).toMatchObject({ compactRevision: -1n, scheduledCompactRevision: 44n, authEnabled: false, alarms: [] });
});

test("check: a Kubernetes keyspace, its hashes and what it consists of", () => {
  const status = JSON.parse(readFileSync(golden("kubernetes-1.36/status.json"), "utf8"));
  const facts = factsOf("kubernetes-1.36/snapshot.db.zst", [{ revision: 248n }]);
  expect({ hash: facts.statusHash, revision: Number(facts.revision), totalKey: facts.keys, totalSize: facts.sizeBytes, version: facts.storageVersion }).toEqual(
    status,
  );
  const [{ HashKV: live }] = JSON.parse(readFileSync(golden("kubernetes-1.36/hashkv-at-248.json"), "utf8"));
  expect(facts.hashes).toEqual([{ revision: 248n, compactRevision: BigInt(live.compact_revision), hash: live.hash }]);
  expect(facts.keysByPrefix[0]).toEqual({ prefix: "/registry/clusterroles/", keys: 70 });
  expect(facts.keysByPrefix.reduce((sum, { keys }) => sum + keys, 0)).toBe(facts.keys);
  expect([facts.revisions, facts.tombstones, facts.leases]).toEqual([247, 2, 2]);
  expect(facts.kubernetes).toEqual({ objects: 245, encrypted: 0, providers: [] });
});
