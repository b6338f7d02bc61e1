import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../../src/bytes/crc32c.ts";
import { EtcdsafeError } from "../../../src/errors.ts";
import { RAFT_SNAPSHOT_SIZE_BYTES_MAX, raftSnapshotFacts, readRaftSnapshot } from "../../../src/etcd-files/raft-snapshot/read.ts";
import { votersOnly } from "../../../src/proto/raftpb.ts";
import { encodeSnapMessage } from "../../../src/proto/snappb.ts";
import { runs, SEED } from "../../support/counts.ts";
import { restoreGoldens } from "../restore-goldens.ts";

const live = readFileSync(new URL("../../golden/wal/killed-3.5/0000000000000002-000000000000002a.snap", import.meta.url));

test(".snap reader: facts of a running member's file", () => {
  const id = 12516022404284732088n;
  expect(raftSnapshotFacts(live)).toEqual({
    term: 2n,
    index: 42n,
    confState: votersOnly([id] as never),
    members: [{ id, peerUrls: ["http://127.0.0.1:23800"] }],
  });
});

test.each(restoreGoldens())(".snap reader: facts of etcdutl's file, $minor, case $name", ({ cluster, snap }) => {
  const facts = raftSnapshotFacts(snap);
  expect(facts).toMatchObject({ term: 1n, index: BigInt(cluster.members.length), confState: votersOnly(cluster.members.map(({ id }) => id)) });
  expect(facts.members?.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(cluster.members.map(({ id, peerUrls }) => ({ id, peerUrls })));
});

test(".snap reader: a v2 store that is none leaves the other facts", () => {
  const data = Uint8Array.of(0x0a, 1, 0x78, 0x12, 4, 0x10, 5, 0x18, 6);
  expect(raftSnapshotFacts(encodeSnapMessage(crc32c(data), data))).toEqual({ term: 6n, index: 5n, confState: votersOnly([]), members: undefined });
});

test.each([
  ["an empty file", new Uint8Array(0), /^the file is empty$/],
  ["a file without data", encodeSnapMessage(5, new Uint8Array(0)), /^the file holds no snapshot, or no checksum$/],
  ["a file without a checksum", encodeSnapMessage(0, Uint8Array.of(8, 1)), /^the file holds no snapshot, or no checksum$/],
  ["a changed file", live.with(3000, 0x21), /^the checksum of what follows is [0-9a-f]{8}, and not [0-9a-f]{8} as the file says: it was changed at byte \d+$/],
  ["a cut file", live.subarray(0, 3000), /^the file cannot be decoded: field is longer than its message at byte \d+$/],
  [
    "data that is no raft snapshot",
    encodeSnapMessage(crc32c(Uint8Array.of(0x0f)), Uint8Array.of(0x0f)),
    /^the file cannot be decoded: field 1 .* at byte \d+$/,
  ],
])(".snap reader: %s is RAFT_SNAPSHOT_INVALID", (_what, bytes, message) => {
  expect(() => readRaftSnapshot(bytes)).toThrow(expect.objectContaining({ code: "RAFT_SNAPSHOT_INVALID" }));
  expect(() => readRaftSnapshot(bytes)).toThrow(message);
});

test(".snap reader: a file beyond the limit is refused", () => {
  expect(() => readRaftSnapshot(new Uint8Array(RAFT_SNAPSHOT_SIZE_BYTES_MAX + 1))).toThrow(expect.objectContaining({ code: "RAFT_SNAPSHOT_INVALID" }));
});

test(".snap reader: with any bit changed it is refused or means the same", () => {
  const whole = readRaftSnapshot(live);
  fc.assert(
    fc.property(fc.nat(live.length - 1), fc.nat(7), (at, bit) => {
      try {
        expect(readRaftSnapshot(live.with(at, (live[at] ?? 0) ^ (1 << bit)))).toEqual(whole);
      } catch (error) {
        if (!(error instanceof EtcdsafeError) || error.code !== "RAFT_SNAPSHOT_INVALID") throw error;
      }
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});
