import { expect, test } from "vitest";
import type { RaftIndex, RaftTerm } from "../../src/bytes/u64.ts";
import { raftSnapshotFileName } from "../../src/etcd-files/raft-snapshot/file-name.ts";
import type { SnapshotSection, WalSection } from "../../src/inspect/inspection.ts";
import { fitFindings, type MemberFiles, unappliedEntries } from "../../src/inspect/member-fit.ts";

const ID = "8e9e05c52164694d";

interface Position {
  readonly applied?: number;
  readonly first?: number;
  readonly last?: number;
  readonly commit?: number;
  readonly snapshotIndex?: number;
}

/** Files that fit: applied up to 50, a log from 40 to 52 after the raft snapshot at 42. */
function files({ applied = 50, first = 40, last = 52, commit = 51, snapshotIndex = 42 }: Position = {}, changes: Partial<MemberFiles> = {}): MemberFiles {
  const snapshot: SnapshotSection = {
    ...{ hash: "absent", sha256: "", findings: [], consistentIndex: String(applied) },
    members: [{ id: ID, name: "a", peerUrls: [], clientUrls: [], isLearner: false }],
  };
  const wal: WalSection = {
    ...{ segments: [], memberId: ID, clusterId: ID, fault: null, behindEnd: null },
    hardState: { term: "2", vote: ID, commit: String(commit) },
    entries: { firstIndex: String(first), lastIndex: String(last), lastTerm: "2" },
    snapshot: { index: String(snapshotIndex), term: "2" },
  };
  return { snapshot, wal, otherWalFiles: [], raftSnapshots: [raftSnapshot(30), raftSnapshot(42)], receivedDatabases: [], ...changes };
}

const nameOf = (index: number) => raftSnapshotFileName({ index: BigInt(index) as RaftIndex, term: 2n as RaftTerm });

function raftSnapshot(index: number, fault: MemberFiles["raftSnapshots"][number]["fault"] = null): MemberFiles["raftSnapshots"][number] {
  return { name: nameOf(index), sizeBytes: 1, ...(fault === null ? { index: String(index), term: "2" } : {}), fault };
}

function found(changed: MemberFiles): string[] {
  return fitFindings(changed).map(({ severity, text }) => `${severity}: ${text}`);
}

test("what fits gives no findings", () => {
  expect(found(files())).toEqual([]);
  expect(found(files({ applied: 39, first: 40, snapshotIndex: 30 }, { raftSnapshots: [raftSnapshot(30)] }))).toEqual([]);
});

test("entries that only the log has are counted", () => {
  expect(unappliedEntries(files())).toBe(2n);
  expect(unappliedEntries(files({ applied: 60 }))).toBe(0n);
  expect(unappliedEntries({ ...files(), wal: undefined })).toBeNull();
  expect(unappliedEntries({ ...files(), snapshot: undefined })).toBeNull();
});

test("a log that ends before what was applied or committed has lost its newest part", () => {
  expect(found(files({ applied: 53 }))).toEqual([expect.stringMatching(/^error: the database holds entry 53, but the log ends with entry 52/)]);
  expect(found(files({ commit: 60 }))).toEqual([expect.stringMatching(/^error: entry 60 is known to be committed/)]);
});

test("a gap between database and log is an error", () => {
  expect(found(files({ applied: 42, first: 44 }))).toEqual([
    expect.stringMatching(/^error: the database ends with entry 42, and the log begins with entry 44/),
  ]);
  expect(found(files({ applied: 43, first: 44 }))).toEqual([]);
});

test("the log of a member that the database does not know is a warning", () => {
  expect(found({ ...files(), wal: { ...files().wal!, memberId: "7" } })).toEqual([expect.stringMatching(/^warning: the log is that of member 7/)]);
});

test("a torn log is a warning, a corrupt one an error", () => {
  const fault = { segment: "0.wal", offset: 9, text: "where it is" } as const;
  expect(found({ ...files(), wal: { ...files().wal!, fault: { kind: "torn", ...fault } } })).toEqual([
    "warning: the log's last write is torn, which etcd repairs when it starts: 0.wal, byte 9: where it is",
  ]);
  expect(found({ ...files(), wal: { ...files().wal!, fault: { kind: "corrupt", ...fault } } })).toEqual([
    "error: the log is corrupt, and etcd will refuse to start: 0.wal, byte 9: where it is",
  ]);
  expect(found({ ...files(), wal: { ...files().wal!, fault: { kind: "corrupt", ...fault, offset: null } } })).toEqual([
    expect.stringMatching(/: 0\.wal: where it is$/),
  ]);
});

test("a log that may have gone on after its end is a warning, which says so in place of how harmless a torn one is", () => {
  const segments = [{ name: "0.wal", sizeBytes: 10, usedBytes: 9, records: 3 }];
  const fault = { kind: "torn", segment: "0.wal", offset: 9, text: "where it is" } as const;
  const told = ["warning: the log may have gone on after its end (0.wal: why): etcd starts from it without a word, and how much is lost nobody can tell"];
  for (const each of [fault, null]) expect(found({ ...files(), wal: { ...files().wal!, segments, fault: each, behindEnd: "why" } })).toEqual(told);
});

test("where a corrupt log ends cannot be told, and nothing is concluded from where reading it ended; where a torn one ends can", () => {
  const fault = { segment: "0.wal", offset: 9, text: "where it is" } as const;
  const short = files({ applied: 53, commit: 60, snapshotIndex: 41 });
  const corrupt = { ...short, wal: { ...short.wal!, fault: { kind: "corrupt", ...fault } as const } };
  expect(found(corrupt)).toEqual([expect.stringMatching(/^error: the log is corrupt/)]);
  expect(unappliedEntries(corrupt)).toBeNull();
  expect(found({ ...short, wal: { ...short.wal!, fault: { kind: "torn", ...fault } } })).toHaveLength(4);
});

test("a log without records, or with files of other names only, keeps etcd from starting", () => {
  const segment = { name: "0.wal", sizeBytes: 0, usedBytes: 0, records: 0 };
  const { wal } = files();
  const empty = { ...wal!, segments: [segment], memberId: null, hardState: null, entries: null, snapshot: null };
  expect(found({ ...files(), wal: empty })).toEqual(["error: the log holds no records: etcd will refuse to start"]);
  expect(found({ ...files(), wal: { ...wal!, segments: [segment, { ...segment, sizeBytes: 64_000_000, usedBytes: 300, records: 3 }] } })).toEqual([]);
  expect(found({ ...files(), wal: undefined, otherWalFiles: ["old.wal"] })).toEqual([
    "error: the log has only files of other names than etcd gives (old.wal): etcd will refuse to start",
  ]);
});

test("a raft snapshot that the log needs and that is gone or damaged is told; without any, the member cannot start", () => {
  const missing = /^warning: the log goes on from the raft snapshot at entry 42, whose file 0000000000000002-000000000000002a\.snap is missing$/;
  expect(found(files({}, { raftSnapshots: [raftSnapshot(30)] }))).toEqual([expect.stringMatching(missing)]);
  expect(found(files({}, { raftSnapshots: [] }))).toEqual([expect.stringMatching(/^error: the log goes on.*an etcd before 3\.7 will refuse to start$/)]);
  expect(found(files({ first: 1 }, { raftSnapshots: [] }))).toEqual([expect.stringMatching(missing)]);
});

test("a raft snapshot that cannot be read is told once, with what comes of it", () => {
  const bad = (index: number) => raftSnapshot(index, { offset: 3, text: "bad" });
  expect(found(files({}, { raftSnapshots: [raftSnapshot(30), bad(42)] }))).toEqual([
    `warning: ${nameOf(42)} cannot be read (byte 3: bad); an etcd before 3.7 renames it to .broken and takes another one`,
  ]);
  expect(found(files({}, { raftSnapshots: [bad(42)] }))).toEqual([
    `error: ${nameOf(42)} cannot be read (byte 3: bad), nor any before it: an etcd before 3.7 will refuse to start`,
  ]);
  expect(found(files({ first: 1 }, { raftSnapshots: [raftSnapshot(42, { offset: null, text: "empty" })] }))).toEqual([
    `warning: ${nameOf(42)} cannot be read (empty); an etcd before 3.7 renames it to .broken and starts without it`,
  ]);
});

test("a database behind the raft snapshot needs the one from the leader", () => {
  expect(found(files({ applied: 41 }))).toEqual([
    expect.stringMatching(/^error: the database ends with entry 41, before the raft snapshot 0.*2a\.snap.*refuse to start$/),
  ]);
  expect(found(files({ applied: 41 }, { receivedDatabases: [42n] }))).toEqual([expect.stringMatching(/^warning: .*received from the leader/)]);
});
