import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClusterId, MemberId, RaftIndex, RaftTerm } from "../../src/bytes/u64.ts";
import { votersOnly } from "../../src/proto/raftpb.ts";
import { decodeRecord, decodeWalMetadata, decodeWalSnapshot, encodeRecord, encodeWalMetadata, encodeWalSnapshot } from "../../src/proto/walpb.ts";
import { runs, SEED } from "../support/counts.ts";

const options = { seed: SEED, numRuns: runs(100, 5000) };
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test("walpb: records are read back as written, with the place of their data in the file", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(0xffff_ffff), fc.uint8Array({ minLength: 1 }), fc.nat(1e9), (type, crc, data, offset) => {
      const bytes = encodeRecord(type, crc, data);
      expect(decodeRecord(bytes, offset)).toEqual({ type, crc, data, dataOffset: offset + bytes.length - data.length });
    }),
    options,
  );
});

test("walpb: a record without data consists of type and checksum, as etcd's first one does", () => {
  expect(encodeRecord(4, 0, new Uint8Array(0))).toEqual(Uint8Array.of(0x08, 4, 0x10, 0));
});

test("walpb: metadata and snapshots are read back as written", () => {
  fc.assert(
    fc.property(u64, u64, (a, b) => {
      const metadata = { memberId: a as MemberId, clusterId: b as ClusterId };
      expect(decodeWalMetadata(encodeWalMetadata(metadata))).toEqual(metadata);
      const bare = { index: a as RaftIndex, term: b as RaftTerm };
      expect(decodeWalSnapshot(encodeWalSnapshot(bare, "3.6"))).toEqual(bare);
      const full = { ...bare, confState: votersOnly([a, b] as MemberId[]) };
      expect(decodeWalSnapshot(encodeWalSnapshot(full, "3.7"))).toEqual(full);
    }),
    options,
  );
});

test("walpb: arbitrary bytes are decoded or refused with PROTO_INVALID", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(decodeRecord, decodeWalMetadata, decodeWalSnapshot), (bytes, decode) => {
      try {
        decode(bytes, 0);
      } catch (error) {
        expect(error).toMatchObject({ name: "FormatError", code: "PROTO_INVALID" });
      }
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});
