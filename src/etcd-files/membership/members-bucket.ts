// The rows of the bucket `members` that a new set of members needs (etcd-formats §3, §4.3).
import { inGoOrder } from "./ids.ts";
import type { PlannedMember } from "./plan-cluster.ts";

export interface BucketRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** All rows of the bucket, in the order of their keys. */
export function membersBucketRows(members: readonly PlannedMember[]): BucketRow[] {
  const rows = new Map(members.map((member) => [member.id.toString(16), member.memberJson]));
  return inGoOrder([...rows.keys()]).map((key) => ({ key: Buffer.from(key), value: Buffer.from(rows.get(key) ?? "") }));
}
