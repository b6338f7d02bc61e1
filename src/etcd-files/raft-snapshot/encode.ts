// The .snap file of a restored member. Without it every member added later to a cluster of etcd up to 3.6 would silently start empty:
// its leader would think that the log says everything (etcd-formats §4.5; `server/etcdserver/api/snap/snapshotter.go` save).
import { crc32c } from "../../bytes/crc32c.ts";
import type { RaftIndex, RaftTerm } from "../../bytes/u64.ts";
import { encodeRaftSnapshot, type RaftDialect, votersOnly } from "../../proto/raftpb.ts";
import { encodeSnapMessage } from "../../proto/snappb.ts";
import { raftSnapshotFileName } from "./file-name.ts";
import { encodeV2Store, type StoredMember } from "./v2-store.ts";

export interface RestoreSnapshot {
  /** All members, at least one, in any order. */
  readonly members: readonly StoredMember[];
  readonly dialect: RaftDialect;
}

/** The whole file, the same for every member. Its name: restoreSnapshotFileName. */
export function encodeRestoreSnapshotFile({ members, dialect }: RestoreSnapshot): Uint8Array {
  const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const snapshot = {
    data: Buffer.from(encodeV2Store(sorted)),
    confState: votersOnly(sorted.map((member) => member.id)),
    index: BigInt(sorted.length) as RaftIndex,
    term: 1n as RaftTerm,
  };
  const data = encodeRaftSnapshot(snapshot, dialect);
  return encodeSnapMessage(crc32c(data), data);
}

/** Its log holds one entry per member, all of term 1. */
export function restoreSnapshotFileName(memberCount: number): string {
  return raftSnapshotFileName({ term: 1n as RaftTerm, index: BigInt(memberCount) as RaftIndex });
}
