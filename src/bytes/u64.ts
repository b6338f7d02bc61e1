// 64-bit numbers as etcd means them. Branded, so that a revision cannot be passed where a raft index is meant.

export type Revision = bigint & { readonly __unit: "revision" };
export type RaftIndex = bigint & { readonly __unit: "raft index" };
export type RaftTerm = bigint & { readonly __unit: "raft term" };
export type MemberId = bigint & { readonly __unit: "member id" };
export type ClusterId = bigint & { readonly __unit: "cluster id" };
export type LeaseId = bigint & { readonly __unit: "lease id" };

/** A member or cluster id as etcdsafe prints and stores it: 16 hexadecimal digits. */
export function formatId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, "0");
}

/** The id behind 1 to 16 hexadecimal digits; undefined for anything else. */
export function parseId(text: string): bigint | undefined {
  return /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}
