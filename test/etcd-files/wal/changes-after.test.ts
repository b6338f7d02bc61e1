import { expect, test } from "vitest";
import type { RaftIndex, RaftTerm } from "../../../src/bytes/u64.ts";
import { walAfter } from "../../../src/etcd-files/wal/changes-after.ts";
import { bufferSegment } from "../../../src/etcd-files/wal/read.ts";
import { parseWalSegmentName } from "../../../src/etcd-files/wal/segment-name.ts";
import { encodeEntry, encodeHardState, votersOnly } from "../../../src/proto/raftpb.ts";
import { encodeWalSnapshot } from "../../../src/proto/walpb.ts";
import { ProtoWriter } from "../../../src/proto/wire.ts";
import { KILLED_LOG, liveSegment, segmentOf } from "./live-log.ts";

/** InternalRaftRequest{ID, put}: a put as etcd 3.5 and later write it; 3.4's has a header in front. */
const PUT = new ProtoWriter().varint(1, 7n).bytes(4, new ProtoWriter().string(1, "key").finish()).finish();
/** etcdserverpb.Request{ID, Method, Path, Val}: how 3.4 and 3.5 publish a member's name. */
const V2_PUT = new ProtoWriter().varint(1, 7n).string(2, "PUT").string(3, "/0/members/1/attributes").string(4, "{}").finish();
/** InternalRaftRequest{ID, cluster_version_set}. */
const VERSION = new ProtoWriter().varint(1, 7n).bytes(1300, new ProtoWriter().string(1, "3.6.0").finish()).finish();
const NOTHING = new Uint8Array(0);

const entry = (index: number, data: Uint8Array, type = 0) => ({
  type: 2,
  data: encodeEntry({ type, term: 1n as RaftTerm, index: BigInt(index) as RaftIndex, data }),
});
const snapshot = (index: number) => ({
  type: 5,
  data: encodeWalSnapshot({ index: BigInt(index) as RaftIndex, term: 1n as RaftTerm, confState: votersOnly([]) }, "3.6"),
});
const state = (commit: number) => ({ type: 3, data: encodeHardState({ term: 1n as RaftTerm, vote: 1n as never, commit: BigInt(commit) as RaftIndex }) });

function changes(index: number, ...records: { type: number; data: Uint8Array }[]): number {
  return walAfter([{ ...bufferSegment(KILLED_LOG, segmentOf(records)), ...parseWalSegmentName(KILLED_LOG)! }], BigInt(index)).changes;
}

test("log after a database: requests count from the index on, whatever changes no data does not", () => {
  const log = [entry(1, NOTHING, 1), entry(2, NOTHING), entry(3, V2_PUT), entry(4, PUT), entry(5, PUT), entry(6, VERSION), entry(7, PUT)];
  expect([0, 3, 4, 5, 6, 7, 20].map((index) => changes(index, ...log))).toEqual([3, 3, 2, 1, 1, 0, 0]);
});

test("log after a database: entries that a later leader overwrote are not counted", () => {
  expect(changes(1, entry(1, PUT), entry(2, PUT), entry(3, PUT), entry(4, PUT), entry(3, NOTHING))).toBe(1);
  expect(changes(3, entry(1, PUT), entry(2, PUT), entry(3, PUT), entry(4, PUT), entry(2, NOTHING), entry(3, PUT))).toBe(0);
});

test("log after a database: entries that are gone from the log, since a snapshot took their place, count", () => {
  expect(changes(4, snapshot(10), state(12), entry(11, PUT), entry(12, PUT))).toBe(8);
  expect(changes(10, snapshot(10), state(12), entry(11, PUT), entry(12, PUT))).toBe(2);
  expect(changes(4, snapshot(10), state(10))).toBe(6);
  expect(changes(4, entry(4, PUT), entry(5, PUT), snapshot(10), state(10))).toBe(6);
});

test("log after a database: of a real log all but what etcd writes of its members", () => {
  const live = { ...bufferSegment(KILLED_LOG, liveSegment("killed-3.5", KILLED_LOG)), ...parseWalSegmentName(KILLED_LOG)! };
  // Of 51 entries four are the bootstrap, the leader's first, the name and the cluster version; one asks for alarms, and might have raised one.
  expect(walAfter([live], 0n).changes).toBe(47);
  expect(walAfter([live], 51n)).toMatchObject({ changes: 0, facts: { entries: { lastIndex: 51n } } });
});
