import { expect, test } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { decodeAuthenticateResponse, encodeAuthenticateRequest } from "../../src/proto/rpc-auth.ts";
import { decodeMemberListResponse } from "../../src/proto/rpc-cluster.ts";
import { decodeHeaderOnly } from "../../src/proto/rpc-header.ts";
import { encodeHeaderRead } from "../../src/proto/rpc-kv.ts";
import { decodeLeaseLeasesResponse } from "../../src/proto/rpc-lease.ts";
import { decodeAlarmResponse, decodeHashKvResponse, decodeStatusResponse, encodeHashKvRequest } from "../../src/proto/rpc-maintenance.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";

const ID = 0xfedc_ba98_7654_3210n;
const HEADER = new ProtoWriter().varint(1, ID).varint(2, 7n).varint(3, 12n).varint(4, 3n).varint(99, 1).finish();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

// Expectations in bytes: written by hand from rpc.proto.
test("rpc requests: are written as rpc.proto numbers their fields", () => {
  expect(hex(encodeAuthenticateRequest("root", "pä"))).toBe("0a04726f6f741203" + "70c3a4");
  expect(hex(encodeHashKvRequest(300n as never))).toBe("08ac02");
  expect(hex(encodeHeaderRead({ serializable: false }))).toBe("0a0100" + "1801" + "4001" + "4801");
  expect(hex(encodeHeaderRead({ serializable: true }))).toBe("0a0100" + "1801" + "3801" + "4001" + "4801");
});

test("rpc answers: are read with unknown fields skipped and absent ones zero", () => {
  const answer = new ProtoWriter().bytes(1, HEADER).varint(50, 1).string(51, "of the future");
  const header = { clusterId: ID, memberId: 7n, revision: 12n, raftTerm: 3n };
  expect(decodeHeaderOnly(answer.finish())).toEqual(header);
  expect(decodeHeaderOnly(new Uint8Array(0))).toEqual({ clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n });
  expect(decodeStatusResponse(answer.string(2, "3.6.1").varint(3, 4096).varint(4, ID).string(8, "a").string(8, "b").varint(10, 1).finish())).toEqual({
    ...{ header, version: "3.6.1", storageVersion: "", dbSizeBytes: 4096, leader: ID, raftIndex: 0n, raftAppliedIndex: 0n, raftTerm: 0n },
    ...{ errors: ["a", "b"], isLearner: true },
  });
});

test("rpc answers: HashKV tells a compaction revision of -1, and its revision only since 3.6", () => {
  const before = new ProtoWriter().bytes(1, HEADER).varint(2, 4_000_000_000).varint(3, -1n);
  const answer = decodeHashKvResponse(before.finish());
  expect(answer).toMatchObject({ hash: 4_000_000_000, compactRevision: -1n });
  expect(answer).not.toHaveProperty("hashRevision");
  expect(decodeHashKvResponse(before.varint(4, 12).finish())).toMatchObject({ hashRevision: 12n });
});

test("rpc answers: members, alarms, leases and tokens", () => {
  const member = new ProtoWriter().varint(1, ID).string(2, "m0").string(3, "http://p").string(4, "http://a").string(4, "http://b").finish();
  const learner = new ProtoWriter().varint(1, 2).string(3, "http://q").varint(5, 1).finish();
  expect(decodeMemberListResponse(new ProtoWriter().bytes(2, member).bytes(2, learner).finish()).members).toEqual([
    { id: ID, name: "m0", peerUrls: ["http://p"], clientUrls: ["http://a", "http://b"], isLearner: false },
    { id: 2n, name: "", peerUrls: ["http://q"], clientUrls: [], isLearner: true },
  ]);
  const alarm = (kind: number) => new ProtoWriter().varint(1, ID).varint(2, kind).finish();
  expect(decodeAlarmResponse(new ProtoWriter().bytes(2, alarm(1)).bytes(2, alarm(9)).finish())).toEqual([
    { memberId: ID, alarm: "NOSPACE" },
    { memberId: ID, alarm: "9" },
  ]);
  const lease = (id: bigint) => new ProtoWriter().varint(1, id).finish();
  expect(decodeLeaseLeasesResponse(new ProtoWriter().bytes(2, lease(5n)).bytes(2, lease(-5n)).finish())).toEqual([5n, -5n]);
  expect(decodeAuthenticateResponse(new ProtoWriter().string(2, "token").finish())).toBe("token");
});

test("rpc answers: one that is cut short is a FormatError", () => {
  const whole = new ProtoWriter().bytes(2, new ProtoWriter().varint(1, ID).string(2, "m0").finish()).finish();
  for (let cut = 1; cut < whole.length; cut++) expect(() => decodeMemberListResponse(whole.subarray(0, cut))).toThrow(FormatError);
});
