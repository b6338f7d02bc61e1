import { expect, test } from "vitest";
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
    ...{ segments: [], memberId: ID, clusterId: ID, fault: null },
    hardState: { term: "2", vote: ID, commit: String(commit) },
    entries: { firstIndex: String(first), lastIndex: String(last), lastTerm: "2" },
    snapshot: { index: String(snapshotIndex), term: "2" },
  };
  return { snapshot, wal, raftSnapshots: [raftSnapshot(30), raftSnapshot(42)], receivedDatabases: [], ...changes };
}

function raftSnapshot(index: number, fault: MemberFiles["raftSnapshots"][number]["fault"] = null): MemberFiles["raftSnapshots"][number] {
  return { name: `${index}.snap`, sizeBytes: 1, ...(fault === null ? { index: String(index), term: "2" } : {}), fault };
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
  expect(found({ ...files(), wal: { ...files().wal!, fault: { kind: "torn", ...fault } } })).toEqual([expect.stringMatching(/^warning: .*torn.*where it is$/)]);
  expect(found({ ...files(), wal: { ...files().wal!, fault: { kind: "corrupt", ...fault } } })).toEqual([
    expect.stringMatching(/^error: .*corrupt.*where it is$/),
  ]);
});

test("a raft snapshot that the log needs and that is gone or damaged is told; without any, the member cannot start", () => {
  const missing = /^warning: the log goes on from the raft snapshot at entry 42, whose \.snap file is missing or unreadable$/;
  expect(found(files({}, { raftSnapshots: [raftSnapshot(30)] }))).toEqual([expect.stringMatching(missing)]);
  expect(found(files({}, { raftSnapshots: [raftSnapshot(30), raftSnapshot(42, { offset: 3, text: "bad" })] }))).toEqual([
    expect.stringMatching(/^warning: 42\.snap cannot be read/),
    expect.stringMatching(missing),
  ]);
  expect(found(files({}, { raftSnapshots: [] }))).toEqual([expect.stringMatching(/^error: the log goes on/)]);
  expect(found(files({ first: 1 }, { raftSnapshots: [] }))).toEqual([expect.stringMatching(/^warning: the log goes on/)]);
});

test("a database behind the raft snapshot needs the one from the leader", () => {
  expect(found(files({ applied: 41 }))).toEqual([
    expect.stringMatching(/^error: the database ends with entry 41, before the raft snapshot 42\.snap.*refuse to start$/),
  ]);
  expect(found(files({ applied: 41 }, { receivedDatabases: [42n] }))).toEqual([expect.stringMatching(/^warning: .*received from the leader/)]);
});
