import { describe, expect, test } from "vitest";
import type { ClusterId, MemberId } from "../../../src/bytes/u64.ts";
import { recordContent } from "../../../src/etcd-files/wal/content.ts";
import { encodeFrame, encodeRestoreWal } from "../../../src/etcd-files/wal/encode.ts";
import { bufferSegment, readWal } from "../../../src/etcd-files/wal/read.ts";
import { restoreGoldens } from "../restore-goldens.ts";

describe.each(restoreGoldens())("restored WAL, $minor, case $name", ({ cluster, member, dialect, wal }) => {
  const parts = { memberId: member.id, clusterId: cluster.clusterId, dialect };

  test("is etcdutl's, byte for byte", () => {
    expect(Buffer.from(encodeRestoreWal({ ...parts, members: cluster.members })).toString("hex")).toBe(Buffer.from(wal).toString("hex"));
  });

  test("does not depend on the order in which the members are given", () => {
    expect(encodeRestoreWal({ ...parts, members: cluster.members.toReversed() })).toEqual(encodeRestoreWal({ ...parts, members: cluster.members }));
  });
});

test("restored WAL: for etcd 3.4 the last record names no voters", () => {
  const members = [{ id: 5n as MemberId, memberJson: "{}" }];
  const wal = encodeRestoreWal({ memberId: 5n as MemberId, clusterId: 6n as ClusterId, members, dialect: "3.4" });
  const contents = [...readWal([bufferSegment("wal", wal)])].map(recordContent);
  expect(contents.at(-1)).toEqual({ kind: "snapshot", snapshot: { index: 1n, term: 1n } });
});

test("frames: padded to eight bytes, with the padding in the length field's top byte", () => {
  expect(encodeFrame(Uint8Array.of(1, 2, 3, 4, 5))).toEqual(Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0x83, 1, 2, 3, 4, 5, 0, 0, 0));
  expect(encodeFrame(new Uint8Array(8).fill(1))).toEqual(Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
});
