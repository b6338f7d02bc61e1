import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ClusterId, MemberId, RaftIndex, RaftTerm } from "../../../src/bytes/u64.ts";
import { readWalFacts, type WalFacts, walFacts } from "../../../src/etcd-files/wal/facts.ts";
import { bufferSegment } from "../../../src/etcd-files/wal/read.ts";
import { parseWalSegmentName } from "../../../src/etcd-files/wal/segment-name.ts";
import { encodeEntry, encodeHardState, votersOnly } from "../../../src/proto/raftpb.ts";
import { encodeWalMetadata, encodeWalSnapshot } from "../../../src/proto/walpb.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { restoreGoldens } from "../restore-goldens.ts";
import { KILLED_LOG, LIVE_IDS, liveSegment, segmentOf, TWO_SEGMENTS } from "./live-log.ts";

function factsOf(files: Readonly<Record<string, Uint8Array>>): WalFacts {
  return walFacts(
    Object.entries(files).map(([name, bytes]) => {
      const parsed = parseWalSegmentName(name);
      if (parsed === undefined) throw new Error(`${name} is no segment`);
      return { ...bufferSegment(name, bytes), ...parsed };
    }),
  );
}

const entry = (index: bigint, term = 1n) => ({
  type: 2,
  data: encodeEntry({ type: 0, term: term as RaftTerm, index: index as RaftIndex, data: new Uint8Array(0) }),
});
const snapshot = (index: bigint) => ({
  type: 5,
  data: encodeWalSnapshot({ index: index as RaftIndex, term: 1n as RaftTerm, confState: votersOnly([]) }, "3.6"),
});
const state = (commit: bigint) => ({ type: 3, data: encodeHardState({ term: 1n as RaftTerm, vote: 1n as MemberId, commit: commit as RaftIndex }) });
const metadata = (memberId: bigint) => ({ type: 1, data: encodeWalMetadata({ memberId: memberId as MemberId, clusterId: 1n as ClusterId }) });
const logOf = (...records: { type: number; data: Uint8Array }[]) => factsOf({ [KILLED_LOG]: segmentOf(records) });

test("WAL facts: a killed member's log, as that member's status had it", () => {
  const killed = liveSegment("killed-3.5", KILLED_LOG);
  expect(factsOf({ [KILLED_LOG]: Buffer.concat([killed, new Uint8Array(1000)]) })).toEqual({
    segments: [{ name: KILLED_LOG, sequence: 0n, firstIndex: 0n, sizeBytes: killed.length + 1000, usedBytes: killed.length, records: 107 }],
    metadata: LIVE_IDS,
    hardState: { term: 2n, vote: LIVE_IDS.memberId, commit: 51n },
    entries: { firstIndex: 1n, lastIndex: 51n, lastTerm: 2n },
    lastIndex: 51n,
    snapshot: { index: 42n, term: 2n, confState: votersOnly([LIVE_IDS.memberId as MemberId]) },
    fault: undefined,
  });
});

test("WAL facts: a directory of two files", async () => {
  await using directory = await temporaryDirectory("wal");
  for (const name of TWO_SEGMENTS) await writeFile(join(directory.path, name), liveSegment("two-segments-3.7", name));
  await writeFile(join(directory.path, "1.tmp"), new Uint8Array(100));
  const facts = readWalFacts(directory.path);
  expect(facts.segments.map(({ name, records }) => [name, records])).toEqual([
    [TWO_SEGMENTS[0], 104],
    [TWO_SEGMENTS[1], 7],
  ]);
  expect(facts).toMatchObject({ metadata: LIVE_IDS, entries: { firstIndex: 1n, lastIndex: 53n, lastTerm: 2n }, hardState: { commit: 52n }, fault: undefined });
});

test.each(restoreGoldens())("WAL facts: a restored member's log, $minor, case $name", ({ cluster, member, wal }) => {
  const count = BigInt(cluster.members.length);
  const ids = cluster.members.map(({ id }) => id);
  expect(factsOf({ [KILLED_LOG]: wal })).toMatchObject({
    metadata: { memberId: member.id, clusterId: cluster.clusterId },
    hardState: { term: 1n, vote: ids[0], commit: count },
    entries: { firstIndex: 1n, lastIndex: count, lastTerm: 1n },
    snapshot: { index: count, term: 1n, confState: votersOnly(ids) },
    fault: undefined,
  });
});

test("WAL facts: a torn end is told with its place, and what is before it still counts", () => {
  const killed = liveSegment("killed-3.5", KILLED_LOG);
  const facts = factsOf({ [KILLED_LOG]: killed.subarray(0, killed.length - 3) });
  expect(facts.fault).toMatchObject({ kind: "torn", segment: KILLED_LOG, offset: facts.segments[0]?.usedBytes });
  expect(facts.segments[0]?.records).toBe(106);
  expect(facts.metadata).toEqual(LIVE_IDS);
});

test("WAL facts: after damage in one file the next ones are listed but not read", () => {
  const [first, second] = TWO_SEGMENTS.map((name) => liveSegment("two-segments-3.7", name)) as [Uint8Array, Uint8Array];
  const facts = factsOf({ [TWO_SEGMENTS[0]]: first.with(70, 0xff), [TWO_SEGMENTS[1]]: second });
  expect(facts.fault).toMatchObject({ kind: "corrupt", segment: TWO_SEGMENTS[0] });
  expect(facts.segments[1]).toMatchObject({ name: TWO_SEGMENTS[1], records: 0, usedBytes: 0, sizeBytes: second.length });
});

test("WAL facts: a fault's text repeats neither the file nor the offset that are told beside it", () => {
  const killed = liveSegment("killed-3.5", KILLED_LOG);
  const faults = [killed.subarray(0, -9), killed.with(1000, 1), killed.with(1601, 255), killed.with(20, 9)].map(
    (bytes) => factsOf({ [KILLED_LOG]: bytes }).fault,
  );
  const logs = [logOf(entry(1n), entry(3n)), logOf(metadata(1n), metadata(2n)), logOf({ type: 9, data: Uint8Array.of(1) })].map(({ fault }) => fault);
  for (const fault of [...faults, ...logs]) {
    expect(fault?.offset).toBeGreaterThanOrEqual(0);
    expect(fault?.text).not.toMatch(/\.wal|byte|,$/);
  }
});

test("WAL facts: a missing file is told", () => {
  const facts = factsOf({ [KILLED_LOG]: segmentOf([entry(1n)]), "0000000000000002-0000000000000002.wal": segmentOf([entry(2n)]) });
  const text = "a file is missing before it: it is number 2 of the log, and comes after number 0";
  expect(facts.fault).toEqual({ kind: "corrupt", segment: "0000000000000002-0000000000000002.wal", offset: null, text });
});

test("WAL facts: a new leader's entries take the place of old ones", () => {
  expect(logOf(entry(1n), entry(2n), entry(3n), entry(2n, 2n)).entries).toEqual({ firstIndex: 1n, lastIndex: 2n, lastTerm: 2n });
});

test("WAL facts: missing entries are told, unless a received snapshot stands for them", () => {
  expect(logOf(entry(1n), entry(3n)).fault).toMatchObject({ kind: "corrupt", text: expect.stringContaining("entry 3 follows entry 1") });
  const received = logOf(entry(1n), snapshot(9n), state(9n), entry(10n));
  expect(received).toMatchObject({ fault: undefined, entries: { firstIndex: 10n, lastIndex: 10n }, snapshot: { index: 9n } });
  expect(logOf(entry(1n), snapshot(9n), state(9n), entry(11n)).fault).toMatchObject({ kind: "corrupt" });
});

test("WAL facts: a snapshot beyond what is committed is not where etcd would begin", () => {
  expect(logOf(snapshot(0n), entry(1n), entry(2n), snapshot(1n), state(1n), snapshot(2n)).snapshot?.index).toBe(1n);
  // As after a kill between the two: etcd goes on with the entries that were there.
  expect(logOf(snapshot(0n), entry(1n), entry(2n), state(2n), snapshot(9n))).toMatchObject({ snapshot: { index: 0n }, lastIndex: 2n });
});

test("WAL facts: a log that changes hands is corrupt", () => {
  expect(logOf(metadata(1n), metadata(1n)).fault).toBeUndefined();
  expect(logOf(metadata(1n), metadata(2n)).fault).toMatchObject({ kind: "corrupt" });
});

test("WAL facts: no files make an empty log", () => {
  expect(factsOf({})).toEqual({
    segments: [],
    metadata: undefined,
    hardState: undefined,
    entries: undefined,
    lastIndex: 0n,
    snapshot: undefined,
    fault: undefined,
  });
});

test("WAL facts: content that cannot be decoded is corrupt, after the last good record", () => {
  const facts = logOf(entry(1n), { type: 3, data: Uint8Array.of(0x0f) });
  expect(facts.fault).toMatchObject({ kind: "corrupt" });
  expect(facts.segments[0]).toMatchObject({ records: 2, usedBytes: segmentOf([entry(1n)]).length });
});
