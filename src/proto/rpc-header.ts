// ResponseHeader of etcd `api/etcdserverpb/rpc.proto`: which member answered, and at which revision it was.
import type { ClusterId, MemberId, RaftTerm, Revision } from "../bytes/u64.ts";
import { ProtoReader } from "./wire.ts";

export interface ResponseHeader {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly revision: Revision;
  readonly raftTerm: RaftTerm;
}

/** What an answer without a header stands for: proto3 leaves zeros out. */
export const EMPTY_HEADER: ResponseHeader = decodeHeader(new Uint8Array(0));

export function decodeHeader(bytes: Uint8Array, baseOffset = 0): ResponseHeader {
  const reader = new ProtoReader(bytes, baseOffset);
  let [clusterId, memberId, revision, raftTerm] = [0n, 0n, 0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) clusterId = reader.uint64();
    else if (reader.field === 2) memberId = reader.uint64();
    else if (reader.field === 3) revision = reader.int64();
    else if (reader.field === 4) raftTerm = reader.uint64();
    else reader.skip();
  }
  return { clusterId: clusterId as ClusterId, memberId: memberId as MemberId, revision: revision as Revision, raftTerm: raftTerm as RaftTerm };
}

/** Of an answer that matters for its header alone. */
export function decodeHeaderOnly(bytes: Uint8Array): ResponseHeader {
  const reader = new ProtoReader(bytes);
  let header = EMPTY_HEADER;
  while (reader.next()) {
    if (reader.field === 1) header = decodeHeader(...reader.message());
    else reader.skip();
  }
  return header;
}
