import { expect, test } from "vitest";
import type { RaftIndex, RaftTerm } from "../../../src/bytes/u64.ts";
import { parseRaftSnapshotFileName, raftSnapshotFileName } from "../../../src/etcd-files/raft-snapshot/file-name.ts";

test(".snap names: term and index as 16 hexadecimal digits each", () => {
  const name = { term: 2n as RaftTerm, index: 0x2an as RaftIndex };
  expect(raftSnapshotFileName(name)).toBe("0000000000000002-000000000000002a.snap");
  expect(parseRaftSnapshotFileName("0000000000000002-000000000000002a.snap")).toEqual(name);
});

test.each(["db", "000000000000002a.snap.db", "0000000000000002-000000000000002a.snap.broken", "db.tmp123", "2-2a.snap"])(".snap names: %s is none", (name) => {
  expect(parseRaftSnapshotFileName(name)).toBeUndefined();
});
