import { expect, test } from "vitest";
import { inspectionText } from "../../src/cli/inspection-text.ts";
import type { Inspection, SnapshotSection } from "../../src/inspect/inspection.ts";

const SNAPSHOT: SnapshotSection = {
  ...{ hash: "matches", sha256: "ab", findings: [], databaseSizeBytes: 20_480, pageSizeBytes: 4096, revision: "12", keys: 3, statusHash: 0xbeef },
  ...{ compactRevision: "5", scheduledCompactRevision: "9", storageVersion: null, consistentIndex: "20", term: "2", keysByPrefix: [{ prefix: "", keys: 3 }] },
};

test("a snapshot: its facts, in the words of etcd's own tools where they have some", () => {
  const text = inspectionText({
    path: "a.db",
    kind: "snapshot",
    what: "an etcd snapshot",
    sizeBytes: 20_512,
    inUse: { locked: false, processId: null },
    snapshot: SNAPSHOT,
  });
  expect(text.split("\n")[0]).toBe("a.db: an etcd snapshot, 20.5 kB");
  expect(text).toMatch(/^etcdutl's hash +beef$/m);
  expect(text).toMatch(/^compacted up to +5, and an unfinished compaction up to 9$/m);
  expect(text).toMatch(/^storage version +none, as before etcd 3\.6$/m);
  expect(text).toMatch(/^raft +index 20, term 2$/m);
  expect(text).toMatch(/^KEYS +BELOW\n +3 +\(no \/\)$/m);
  expect(text).not.toMatch(/has it open|undefined|null/);
});

test("a database that is in use: by whom, and what that means", () => {
  const inspection: Inspection = { path: "db", kind: "database", what: "an etcd database", snapshot: { ...SNAPSHOT, hash: "absent" } };
  expect(inspectionText({ ...inspection, inUse: { locked: true, processId: 42 } })).toMatch(/An etcd has it open \(process 42\): /);
  expect(inspectionText({ ...inspection, inUse: { locked: true, processId: null } })).toMatch(/An etcd has it open: /);
  expect(inspectionText({ ...inspection, inUse: { locked: null, processId: null } })).toMatch(/cannot be told on this system/);
});

test("findings are shown up to a number, with their places, and without control characters", () => {
  const findings = Array.from({ length: 60 }, (_, offset) => ({ severity: "error" as const, offset, text: "bad\x1b[31m row" }));
  const text = inspectionText({ path: "a\x07.db", kind: "snapshot", what: "an etcd snapshot, damaged", snapshot: { hash: "differs", sha256: "ab", findings } });
  expect(text).toContain("error: byte 49: bad\\x1b[31m row\n… and 10 more\n");
  expect(text).toContain("DIFFERS");
  expect(text).not.toContain("\x1b");
  expect(text).not.toContain("\x07");
});

test("a data directory: whose it is, what does not fit, its log, its raft snapshots and what is left over", () => {
  const text = inspectionText({
    path: "m0",
    kind: "data-directory",
    what: "an etcd data directory",
    snapshot: SNAPSHOT,
    wal: {
      segments: [{ name: "0.wal", sizeBytes: 64_000_000, usedBytes: 70_000, records: 12 }],
      memberId: "7",
      clusterId: "8",
      hardState: { term: "2", vote: "7", commit: "22" },
      entries: { firstIndex: "1", lastIndex: "22", lastTerm: "2" },
      snapshot: { index: "10", term: "1" },
      fault: { kind: "torn", segment: "0.wal", offset: 70_000, text: "the file ends inside a record" },
      behindEnd: null,
    },
    dataDirectory: {
      memberDirectory: "m0/member",
      memberId: "7",
      memberName: "cp-1",
      clusterId: "8",
      unappliedEntries: "2",
      raftSnapshots: [{ name: "1.snap", sizeBytes: 6500, index: "10", term: "1", fault: null }],
      leftovers: [{ path: "member/snap/db.tmp.1", what: "a defragmentation that did not finish", sizeBytes: 512 }],
      findings: [{ severity: "warning", text: "something does not fit" }],
    },
  });
  for (const line of [
    /^member +7 cp-1$/m,
    /^only in the log +2 entries; a copy of the database alone lacks them$/m,
    /^warning: something does not fit$/m,
    /^0\.wal +12 +70\.0 kB +64\.0 MB$/m,
    /^1\.snap +10 +1 +6\.5 kB +good$/m,
    /^member\/snap\/db\.tmp\.1 +512 B +a defragmentation that did not finish$/m,
  ]) {
    expect(text).toMatch(line);
  }
  // Its findings tell the fault of its log.
  expect(text).not.toContain("ends inside a record");
});

test("a log: its fault with the place, once, and what was not read because of it", () => {
  const wal = {
    segments: [
      { name: "0.wal", sizeBytes: 64_000_000, usedBytes: 70_000, records: 12 },
      { name: "1.wal", sizeBytes: 64_000_000, usedBytes: null, records: null },
    ],
    ...{ memberId: "7", clusterId: "8", hardState: null, entries: null, snapshot: null },
  };
  const shown = (fault: NonNullable<Inspection["wal"]>["fault"], behindEnd: string | null = null) =>
    inspectionText({ path: "w", kind: "wal-directory", what: "an etcd write-ahead log", wal: { ...wal, fault, behindEnd } });
  const fault = { segment: "0.wal", offset: 70_000, text: "the file ends inside a record" };
  const corrupt = shown({ kind: "corrupt", ...fault });
  expect(corrupt).toMatch(/^corrupt +0\.wal, byte 70000: the file ends inside a record \(etcd refuses to start from it\)$/m);
  expect(corrupt).toMatch(/^read +up to the damage/m);
  expect(corrupt).toMatch(/^1\.wal +not read +64\.0 MB$/m);
  expect(corrupt.match(/70000/g)).toHaveLength(1);
  const torn = shown({ kind: "torn", ...fault, offset: null });
  expect(torn).toMatch(/^torn +0\.wal: the file ends inside a record \(etcd repairs this when it starts\)$/m);
  expect(torn).not.toMatch(/^read /m);
  const goneOn = shown({ kind: "torn", ...fault }, "why");
  expect(goneOn).toMatch(/^torn +0\.wal, byte 70000: the file ends inside a record$/m);
  expect(goneOn).toMatch(
    /^the log +may have gone on after its end \(1\.wal: why\): etcd starts from it without a word, and how much is lost nobody can tell$/m,
  );
});

test("a damaged database: why its facts are not told", () => {
  const findings = [{ severity: "error" as const, offset: 8192, text: "bad" }];
  const text = inspectionText({ path: "a", kind: "snapshot", what: "an etcd snapshot, damaged", snapshot: { hash: "matches", sha256: "ab", findings } });
  expect(text).toMatch(/^the rest +not told/m);
  expect(inspectionText({ path: "a", kind: "snapshot", what: "an etcd snapshot", snapshot: SNAPSHOT })).not.toMatch(/^the rest/m);
});

test("a file cut short: its size is part of what it is, and told once", () => {
  const what = "cut short: it ends after 5000 of 20480 bytes";
  expect(inspectionText({ path: "a", kind: "truncated-snapshot", what, sizeBytes: 5000 })).toBe(`a: ${what}\n`);
});

test("a repository and a raft snapshot", () => {
  const repository = { id: "abc", createdAt: "2026-11-21T09:00:00.000Z", clusters: [{ name: "default", backups: 3 }] };
  expect(inspectionText({ path: "r", kind: "repository", what: "a repository of etcdsafe", repository })).toMatch(/^cluster +default: 3 backups$/m);
  const raftSnapshot = { index: "3", term: "1", members: null, fault: null };
  const shown = (section: typeof raftSnapshot | { fault: { offset: number | null; text: string } }) =>
    inspectionText({ path: "s", kind: "raft-snapshot", what: "an etcd raft snapshot file", raftSnapshot: section });
  expect(shown(raftSnapshot)).toMatch(/^v2 store +unreadable/m);
  expect(shown({ fault: { offset: 8, text: "bad" } })).toMatch(/^fault +byte 8: bad$/m);
  expect(shown({ fault: { offset: null, text: "the file is empty" } })).toMatch(/^fault +the file is empty$/m);
});
