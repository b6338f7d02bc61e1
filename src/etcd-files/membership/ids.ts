// Member and cluster ids, as etcd computes them (`server/etcdserver/api/membership/member.go` computeMemberID, `cluster.go` genID; etcd-formats §4.2).
// The ids of members added at run time hash the time of adding as well; they are read from where etcd stored them, never computed.
import { createHash } from "node:crypto";
import type { ClusterId, MemberId } from "../../bytes/u64.ts";

/** The id of a member known by these peer URLs since its cluster's start. The member's name does not count. */
export function memberId(peerUrls: readonly string[], token: string): MemberId {
  return idOf(Buffer.from(inGoOrder(peerUrls).join("") + token)) as MemberId;
}

/** The id of a cluster that started with these members, in any order. */
export function clusterId(members: readonly MemberId[]): ClusterId {
  const hashed = Buffer.alloc(8 * members.length);
  for (const [position, id] of inNumericOrder(members).entries()) hashed.writeBigUInt64BE(id, 8 * position);
  return idOf(hashed) as ClusterId;
}

/** The order of Go's strings: by their UTF-8 bytes. */
export function inGoOrder(texts: readonly string[]): string[] {
  return texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Ascending; the ids' hexadecimal names sort differently, because etcd does not pad them. */
export function inNumericOrder(ids: readonly MemberId[]): MemberId[] {
  return ids.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function idOf(hashed: Uint8Array): bigint {
  return createHash("sha1").update(hashed).digest().readBigUInt64BE(0);
}
