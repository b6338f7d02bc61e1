import { expect, test } from "vitest";
import { readBuckets } from "../../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import type { Row } from "../../../src/etcd-files/bbolt/page-builder.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { writeDatabase } from "../../../src/etcd-files/bbolt/writer.ts";
import { checkSnapshot } from "../../../src/etcd-files/check/check-snapshot.ts";
import type { SnapshotReport } from "../../../src/etcd-files/check/facts.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";
import { plainRows } from "../../support/random-history.ts";
import { putRow, revisionKey, type TestMember, text, tombstoneRow, u64 } from "../../support/rows.ts";
import { buildSnapshot, type SnapshotOptions } from "../../support/snapshots.ts";

const report = (options: SnapshotOptions): SnapshotReport => checkSnapshot(bufferPageSource(buildSnapshot(options)), { hashes: [{ revision: 0n }] });
const textsOf = (options: SnapshotOptions): string[] => report(options).findings.map(({ severity, text: found }) => `${severity}: ${found}`);

const put = (main: number, sub = 0, fields: Partial<{ modRevision: number; key: string; version: number }> = {}): Row =>
  putRow(
    {
      key: text(fields.key ?? `k${main}.${sub}`),
      createRevision: main,
      modRevision: fields.modRevision ?? main,
      version: fields.version ?? 1,
      value: text("v"),
      lease: 0n,
    },
    sub,
  );
const withKey = (key: Uint8Array, row = put(2)): Row => ({ key, value: row.value });

test("check: an empty keyspace is at revision 1 and has a hash", () => {
  const { findings, facts } = report({});
  expect(findings).toEqual([]);
  expect(facts).toMatchObject({ revision: 1n, keys: 0, revisions: 0, compactRevision: -1n, scheduledCompactRevision: -1n, keysByPrefix: [] });
  // crc32c of "key".
  expect(facts?.hashes).toEqual([{ revision: 1n, compactRevision: -1n, hash: 1084519789 }]);
});

test.each([
  ["a finished compaction", { compactRevision: 9 }, { compactRevision: 9n, scheduledCompactRevision: 9n }],
  ["one that was interrupted", { scheduledCompactRevision: 9 }, { compactRevision: -1n, scheduledCompactRevision: 9n }],
] as const)("check: the revision is that of the compaction where %s has removed the rows after the last that is left", (_, compaction, facts) => {
  expect(report(compaction).facts).toMatchObject({ ...facts, revision: 9n, keys: 0 });
  expect(report({ rows: [put(4)], ...compaction }).facts).toMatchObject({ ...facts, revision: 9n, keys: 1 });
  expect(report({ rows: [put(12)], ...compaction }).facts).toMatchObject({ ...facts, revision: 12n, keys: 1 });
});

test.each<[string, Row, string]>([
  ["a key of another length", withKey(text("short")), "a key of 5 bytes is no revision"],
  ["a key without its separator", withKey(revisionKey(2).with(8, 0x2e)), "a key that is no revision"],
  ["a mark that is none", withKey(revisionKey(2, 0, true).with(17, 0x75)), "a key that is no revision"],
  ["a negative revision", withKey(revisionKey(2).with(0, 0x80)), "a revision beyond 2^53, or below 0"],
  ["a revision no double can hold", withKey(revisionKey(2n ** 53n)), "a revision beyond 2^53, or below 0"],
  ["a negative sub revision", withKey(revisionKey(2).with(9, 0xff)), "a revision beyond 2^53, or below 0"],
  ["a value that is no KeyValue", { key: revisionKey(2), value: Uint8Array.of(0x0a, 200) }, "the value of revision 2 is no KeyValue"],
  ["a tombstone that is no KeyValue", { key: revisionKey(2, 0, true), value: Uint8Array.of(0x07) }, "the value of revision 2 is no KeyValue"],
  ["a row written at another revision", withKey(revisionKey(2), put(3)), "the value of revision 2 says that it was written at revision 3"],
])("check: %s in `key` is found", (_, row, message) => {
  const { findings, facts } = report({ rows: [row] });
  expect(findings).toEqual([{ severity: "error", offset: expect.any(Number), text: message }]);
  expect(facts).toBeUndefined();
});

test("check: revisions up to 2^53 are exact", () => {
  const { facts } = report({ rows: [put(2), put(2 ** 53 - 2), put(2 ** 53 - 1)] });
  expect(facts).toMatchObject({ revision: 2n ** 53n - 1n, keys: 3 });
});

test("check: a finding names the byte of its row", () => {
  const image = buildSnapshot({ rows: [put(2), withKey(revisionKey(3).with(8, 0x2e), put(3)), put(4)] });
  const [finding] = checkSnapshot(bufferPageSource(image), { hashes: [] }).findings;
  expect(Buffer.from(image).indexOf(revisionKey(3).with(8, 0x2e))).toBe(finding?.offset);
});

const member: TestMember = { id: 2n ** 63n + 5n, name: "a<b", peerURLs: ["http://h:1", "http://h:2"], isLearner: true };

test("check: members with ids beyond 2^53, learners, both kinds of alarm, users and roles", () => {
  const { findings, facts } = report({
    members: [member],
    alarms: [
      { memberId: member.id, alarm: 1 },
      { memberId: 7n, alarm: 2 },
    ],
    users: [{ name: "root", roles: ["root"] }],
    roles: ["root", "reader"],
    authEnabled: true,
    leases: [
      { id: -3n, ttlSeconds: 60 },
      { id: 9n, ttlSeconds: 60 },
    ],
    consistentIndex: 4711,
    term: 12,
  });
  expect(findings).toEqual([]);
  expect(facts).toMatchObject({
    users: 1,
    roles: 2,
    leases: 2,
    authEnabled: true,
    consistentIndex: 4711n,
    term: 12n,
    storageVersion: "3.6.0",
    clusterVersion: "3.6.0",
  });
  expect(facts?.members).toEqual([{ id: member.id, name: "a<b", peerURLs: member.peerURLs, clientURLs: [], isLearner: true }]);
  expect(facts?.confState).toMatchObject({ voters: [], learners: [member.id] });
  expect(facts?.downgrade).toEqual({ enabled: false, targetVersion: "" });
  expect(facts?.alarms.toSorted((a, b) => Number(a.memberId - b.memberId))).toEqual([
    { memberId: 7n, alarm: "CORRUPT" },
    { memberId: member.id, alarm: "NOSPACE" },
  ]);
});

test("check: what etcd 3.4 and 3.5 do not write is absent", () => {
  const { findings, facts } = report({
    storageVersion: null,
    clusterVersion: null,
    buckets: { meta: [{ key: text("consistent_index"), value: u64(5) }], auth: null, alarm: null },
  });
  expect(findings).toEqual([]);
  expect(facts).toMatchObject({
    consistentIndex: 5n,
    term: undefined,
    confState: undefined,
    storageVersion: undefined,
    clusterVersion: undefined,
    downgrade: undefined,
  });
});

test.each<[string, string, Row, RegExp]>([
  [
    "a consistent index that is no number",
    "meta",
    { key: text("consistent_index"), value: u64(5).subarray(1) },
    /bucket meta: consistent_index has 7 bytes instead of 8$/,
  ],
  ["a compaction that is no revision", "meta", { key: text("finishedCompactRev"), value: u64(5) }, /bucket meta: finishedCompactRev is no revision/],
  ["a compaction beyond all revisions", "meta", { key: text("scheduledCompactRev"), value: revisionKey(2n ** 62n) }, /scheduledCompactRev is no revision/],
  ["a raft configuration that is no JSON", "meta", { key: text("confState"), value: text("{") }, /bucket meta: the row confState is not a JSON object/],
  ["a member that is no JSON", "members", { key: text("1"), value: text("removed") }, /bucket members: a member's row is not a JSON object/],
  ["a lease under another id", "lease", { key: u64(6), value: Uint8Array.of(0x08, 5) }, /bucket lease: lease 5 is stored under 6/],
  ["a lease whose id is cut", "lease", { key: text("short"), value: Uint8Array.of(0x08, 5) }, /bucket lease: a lease's id has 5 bytes/],
  ["an alarm that is no message", "alarm", { key: Uint8Array.of(0x08), value: text("") }, /bucket alarm: message ends inside a number/],
  ["a downgrade that is no JSON", "cluster", { key: text("downgrade"), value: text("no") }, /bucket cluster: the row downgrade is not what etcd writes/],
])("check: %s is found", (_, bucket, row, message) => {
  expect(textsOf({ buckets: { [bucket]: [row] } })).toEqual([expect.stringMatching(message)]);
});

test("check: rows of buckets that etcd does not know are hashed and counted, no more", () => {
  const { findings, facts } = report({ buckets: { zzz: [{ key: text("a"), value: text("b") }] } });
  expect(findings).toEqual([]);
  expect(facts?.totalKeys34).toBe((report({}).facts?.totalKeys34 ?? 0) + 1);
  expect(facts?.statusHash).not.toBe(report({}).facts?.statusHash);
});

test("check: a database without the bucket `key`: another program's, one that lost it, or an empty one", () => {
  const texts = (...names: string[]) => {
    const file = memoryPageFile();
    writeDatabase(
      file,
      names.map((name) => ({ name: text(name), rows: [] })),
      { pageSizeBytes: 4096 },
    );
    return checkSnapshot(bufferPageSource(file.bytes()), { hashes: [] }).findings.map((finding) => finding.text);
  };
  expect(texts("conf", "logs")).toEqual(["there is no bucket `key`: a bbolt database, but not one of etcd's"]);
  expect(texts("auth", "meta")).toEqual(["the bucket `key`, which holds the keyspace, is missing"]);
  expect(texts()).toEqual(["there are no buckets: an empty bbolt database"]);
});

test.each<[string, (page: Uint8Array) => void]>([
  ["zeros", (page) => page.fill(0)],
  ["another page's number", (page) => page.set([77], 0)],
  ["no type", (page) => page.set([0x10], 8)],
  ["too many elements", (page) => page.set([0xff, 0xf0], 10)],
  ["elements that are no buckets", (page) => page.set([0], 16)],
])("check: where the list of buckets is damaged (%s), that is the one finding: which buckets there are cannot be told", (_, damage) => {
  const image = Uint8Array.from(buildSnapshot({ rows: [put(2)] }));
  const { meta, pageSizeBytes } = openDatabase(bufferPageSource(image));
  damage(image.subarray(meta.rootPageId * pageSizeBytes, (meta.rootPageId + 1) * pageSizeBytes));
  // Where some can be read, they are checked for themselves.
  const { findings, facts } = checkSnapshot(bufferPageSource(image), { hashes: [{ revision: 0n }] });
  expect(findings).toHaveLength(1);
  expect(findings[0]?.offset).toBeGreaterThanOrEqual(meta.rootPageId * pageSizeBytes);
  expect(findings[0]?.text).not.toContain("key");
  expect(facts).toBeUndefined();
});

test("check: an unreadable leaf is the one finding: no counts, no hashes, and nothing about pages that nobody can reach", () => {
  const image = Uint8Array.from(buildSnapshot({ rows: plainRows(200) }));
  const leaf = 2 * 4096;
  image.fill(0, leaf, leaf + 4096);
  const { findings, facts } = checkSnapshot(bufferPageSource(image), { hashes: [{ revision: 0n }] });
  expect(findings).toEqual([{ severity: "error", offset: leaf, text: "page 2 was never written or is lost: it begins with zeros" }]);
  expect(facts).toBeUndefined();
});

test("check: an inline bucket that is damaged is not called page 0", () => {
  const image = Uint8Array.from(buildSnapshot({}));
  const bucket = readBuckets(openDatabase(bufferPageSource(image))).find(({ inline }) => inline !== undefined);
  image[(bucket?.inline?.fileOffset ?? 0) + 8] = 0x40;
  expect(checkSnapshot(bufferPageSource(image), { hashes: [] }).findings.map((finding) => finding.text)).toEqual([
    "the page of an inline bucket is neither branch nor leaf (flags 0x40)",
  ]);
});

test("check: of thousands of bad rows a thousand are listed", () => {
  const rows = Array.from({ length: 3000 }, (_, index) => withKey(revisionKey(index + 2), put(1)));
  const { findings } = report({ rows });
  expect(findings.length).toBe(1001);
  expect(findings.at(-1)).toEqual({ severity: "error", offset: expect.any(Number), text: "and 2000 more, the next of them here" });
  expect(findings.at(-1)?.offset).toBeGreaterThan(findings.at(-2)?.offset ?? 0);
});

test("check: reports progress over large files", () => {
  const doneBytes: number[] = [];
  const image = buildSnapshot({ rows: plainRows(2, { valueSizeBytes: 20_000_000 }) });
  checkSnapshot(bufferPageSource(image), { hashes: [], progress: (done) => doneBytes.push(done) });
  expect(doneBytes.length).toBe(2);
  expect(doneBytes.at(-1)).toBeGreaterThan(40_000_000);
});

test("check: revisions moved on by --bump-revision count one key, as etcdutl does", () => {
  const marker = (main: number): Row => ({ key: revisionKey(main), value: new Uint8Array(0) });
  const { findings, facts } = report({ rows: [put(2), tombstoneRow(text("k2.0"), 3), marker(1000), put(1001), marker(5000)] });
  expect(findings).toEqual([]);
  expect(facts).toMatchObject({ keys: 2, revision: 5000n, revisions: 5, tombstones: 1 });
  expect(facts?.keysByPrefix).toEqual([{ prefix: "", keys: 1 }]);
});
