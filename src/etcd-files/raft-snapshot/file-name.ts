// Names of .snap files: raft term and index of what they hold, both as 16 hexadecimal digits (`server/etcdserver/api/snap/snapshotter.go`).
import type { RaftIndex, RaftTerm } from "../../bytes/u64.ts";

export interface RaftSnapshotName {
  readonly term: RaftTerm;
  readonly index: RaftIndex;
}

export function raftSnapshotFileName({ term, index }: RaftSnapshotName): string {
  return `${hex(term)}-${hex(index)}.snap`;
}

/** Undefined for everything else in member/snap: `db`, `….snap.db` (a database received from the leader), `….snap.broken`, `db.tmp…`. */
export function parseRaftSnapshotFileName(name: string): RaftSnapshotName | undefined {
  const [, term, index] = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/.exec(name) ?? [];
  if (term === undefined || index === undefined) return undefined;
  return { term: BigInt(`0x${term}`) as RaftTerm, index: BigInt(`0x${index}`) as RaftIndex };
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
