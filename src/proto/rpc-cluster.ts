// Cluster/MemberList of etcd `api/etcdserverpb/rpc.proto`. Its empty request asks for the member's own view (3.4: always), which needs no quorum.
import type { MemberId } from "../bytes/u64.ts";
import { decodeHeader, EMPTY_HEADER, type ResponseHeader } from "./rpc-header.ts";
import { ProtoReader } from "./wire.ts";

export interface ClusterMember {
  readonly id: MemberId;
  /** Empty for a member that was added and has not started yet. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface MemberListResponse {
  readonly header: ResponseHeader;
  readonly members: readonly ClusterMember[];
}

export function decodeMemberListResponse(bytes: Uint8Array): MemberListResponse {
  const reader = new ProtoReader(bytes);
  let header = EMPTY_HEADER;
  const members: ClusterMember[] = [];
  while (reader.next()) {
    if (reader.field === 1) header = decodeHeader(...reader.message());
    else if (reader.field === 2) members.push(decodeMember(...reader.message()));
    else reader.skip();
  }
  return { header, members };
}

function decodeMember(bytes: Uint8Array, baseOffset: number): ClusterMember {
  const reader = new ProtoReader(bytes, baseOffset);
  let [id, name, isLearner] = [0n, "", false];
  const peerUrls: string[] = [];
  const clientUrls: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) id = reader.uint64();
    else if (reader.field === 2) name = reader.string();
    else if (reader.field === 3) peerUrls.push(reader.string());
    else if (reader.field === 4) clientUrls.push(reader.string());
    else if (reader.field === 5) isLearner = reader.bool();
    else reader.skip();
  }
  return { id: id as MemberId, name, peerUrls, clientUrls, isLearner };
}
