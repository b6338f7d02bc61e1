import fc from "fast-check";
import { expect, test } from "vitest";
import type { MemberId, RaftIndex, RaftTerm } from "../../src/bytes/u64.ts";
import {
  decodeConfState,
  decodeEntry,
  decodeHardState,
  decodeRaftSnapshot,
  encodeAddNode,
  encodeConfState,
  encodeEntry,
  encodeHardState,
  encodeRaftSnapshot,
  votersOnly,
} from "../../src/proto/raftpb.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";
import { runs, SEED } from "../support/counts.ts";

const options = { seed: SEED, numRuns: runs(100, 5000) };
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const memberId = u64 as fc.Arbitrary<MemberId>;
const index = u64 as fc.Arbitrary<RaftIndex>;
const term = u64 as fc.Arbitrary<RaftTerm>;
const ids = fc.array(memberId, { maxLength: 7 });
const dialect = fc.constantFrom("3.4" as const, "3.6" as const, "3.7" as const);
const confState = fc.record({ voters: ids, learners: ids, votersOutgoing: ids, learnersNext: ids, autoLeave: fc.boolean() });

test("raftpb: entries, hard states, conf states and snapshots are read back as written", () => {
  fc.assert(
    fc.property(fc.record({ type: fc.nat(2), term, index, data: fc.uint8Array() }), (entry) => {
      expect(decodeEntry(encodeEntry(entry))).toEqual(entry);
    }),
    options,
  );
  fc.assert(
    fc.property(fc.record({ term, vote: memberId, commit: index }), (state) => {
      expect(decodeHardState(encodeHardState(state))).toEqual(state);
    }),
    options,
  );
  fc.assert(
    fc.property(confState, dialect, (state, as) => {
      expect(decodeConfState(encodeConfState(state, as))).toEqual(state);
    }),
    options,
  );
  fc.assert(
    fc.property(fc.record({ data: fc.uint8Array(), confState, index, term }), dialect, (snapshot, as) => {
      expect(decodeRaftSnapshot(encodeRaftSnapshot(snapshot, as))).toEqual(snapshot);
    }),
    options,
  );
});

test("raftpb: zero scalars are written, empty data is not", () => {
  expect(encodeEntry({ type: 0, term: 0n as RaftTerm, index: 0n as RaftIndex, data: new Uint8Array(0) })).toEqual(Uint8Array.of(0x08, 0, 0x10, 0, 0x18, 0));
  expect(encodeHardState({ term: 0n as RaftTerm, vote: 0n as MemberId, commit: 0n as RaftIndex })).toEqual(Uint8Array.of(0x08, 0, 0x10, 0, 0x18, 0));
});

test("raftpb: etcd up to 3.6 writes the change's id and auto_leave even when zero, 3.7 does not", () => {
  const context = Uint8Array.of(9);
  expect(encodeAddNode(5n as MemberId, context, "3.6")).toEqual(Uint8Array.of(0x08, 0, 0x10, 0, 0x18, 5, 0x22, 1, 9));
  expect(encodeAddNode(5n as MemberId, context, "3.7")).toEqual(Uint8Array.of(0x10, 0, 0x18, 5, 0x22, 1, 9));
  expect(encodeConfState(votersOnly([5n as MemberId]), "3.4")).toEqual(Uint8Array.of(0x08, 5, 0x28, 0));
  expect(encodeConfState(votersOnly([5n as MemberId]), "3.7")).toEqual(Uint8Array.of(0x08, 5));
  expect(encodeConfState({ ...votersOnly([]), autoLeave: true }, "3.7")).toEqual(Uint8Array.of(0x28, 1));
});

test("raftpb: ids that another writer packed are read as well", () => {
  const packed = new ProtoWriter()
    .bytes(1, Uint8Array.of(5, 0x96, 0x01))
    .varint(1, 7)
    .finish();
  expect(decodeConfState(packed)).toEqual(votersOnly([5n, 150n, 7n] as MemberId[]));
});

test("raftpb: fields of later versions are passed over", () => {
  const more = Buffer.concat([
    encodeHardState({ term: 3n as RaftTerm, vote: 2n as MemberId, commit: 1n as RaftIndex }),
    new ProtoWriter().string(99, "new").finish(),
  ]);
  expect(decodeHardState(more)).toEqual({ term: 3n, vote: 2n, commit: 1n });
});

test("raftpb: arbitrary bytes are decoded or refused with PROTO_INVALID", () => {
  const decoders = [decodeEntry, decodeHardState, decodeConfState, decodeRaftSnapshot];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...decoders), (bytes, decode) => {
      try {
        decode(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: "FormatError", code: "PROTO_INVALID" });
      }
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});
