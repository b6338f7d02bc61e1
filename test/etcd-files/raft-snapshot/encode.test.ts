import { describe, expect, test } from "vitest";
import { encodeRestoreSnapshotFile, restoreSnapshotFileName } from "../../../src/etcd-files/raft-snapshot/encode.ts";
import { readRaftSnapshot } from "../../../src/etcd-files/raft-snapshot/read.ts";
import { restoreGoldens } from "../restore-goldens.ts";
import { comparableStore } from "./comparable-store.ts";

describe.each(restoreGoldens())("restored .snap, $minor, case $name", ({ cluster, dialect, snap }) => {
  const ours = encodeRestoreSnapshotFile({ members: cluster.members, dialect });

  test("says what etcdutl's says", () => {
    const [expected, actual] = [readRaftSnapshot(snap), readRaftSnapshot(ours)];
    expect({ ...actual, data: comparableStore(actual.data) }).toEqual({ ...expected, data: comparableStore(expected.data) });
    expect(ours).toHaveLength(snap.length);
  });

  test("does not depend on the order in which the members are given", () => {
    expect(encodeRestoreSnapshotFile({ members: cluster.members.toReversed(), dialect })).toEqual(ours);
  });
});

// 3.6 and 3.7 number the members in random order and count one failed read more.
test.each(restoreGoldens().filter(({ minor }) => minor === "3.5"))(
  "restored .snap, 3.5, case $name: is etcdutl's, byte for byte",
  ({ cluster, dialect, snap }) => {
    expect(Buffer.from(encodeRestoreSnapshotFile({ members: cluster.members, dialect })).toString("latin1")).toBe(Buffer.from(snap).toString("latin1"));
  },
);

test("restored .snap: named by term 1 and the number of members", () => {
  expect(restoreSnapshotFileName(1)).toBe("0000000000000001-0000000000000001.snap");
  expect(restoreSnapshotFileName(17)).toBe("0000000000000001-0000000000000011.snap");
});
