// Reads .snap files, with etcd's own checks (`server/etcdserver/api/snap/snapshotter.go` Read): it renames to .broken what fails them.
import { crc32c } from "../../bytes/crc32c.ts";
import type { RaftIndex, RaftTerm } from "../../bytes/u64.ts";
import { EtcdsafeError, FormatError } from "../../errors.ts";
import { type ConfState, decodeRaftSnapshot, type RaftSnapshot } from "../../proto/raftpb.ts";
import { decodeSnapMessage } from "../../proto/snappb.ts";
import { type StoredMember, v2StoreMembers } from "./v2-store.ts";

/** The v2 store of a cluster that never had v2 data takes kilobytes; its history of 1000 events some hundred. */
export const RAFT_SNAPSHOT_SIZE_BYTES_MAX: number = 64 * 1024 * 1024;

export interface RaftSnapshotFacts {
  readonly term: RaftTerm;
  readonly index: RaftIndex;
  readonly confState: ConfState;
  /** Undefined when the file's v2 store is not one: etcd 3.7 does not read it, earlier ones refuse to start. */
  readonly members: readonly StoredMember[] | undefined;
}

/** What a .snap file begins with: snappb's fields 1, a checksum, and 2, the snapshot. */
export function looksLikeRaftSnapshot(head: Uint8Array): boolean {
  if (head[0] !== 0x08) return false;
  const end = head.findIndex((byte, index) => index > 0 && byte < 0x80);
  return end > 0 && end <= 5 && head[end + 1] === 0x12;
}

/** The content of a whole file, as views into it. Throws RAFT_SNAPSHOT_INVALID, as FormatError where there is a place to blame. */
export function readRaftSnapshot(file: Uint8Array): RaftSnapshot {
  if (file.length === 0) throw new EtcdsafeError("RAFT_SNAPSHOT_INVALID", "the file is empty");
  if (file.length > RAFT_SNAPSHOT_SIZE_BYTES_MAX) {
    throw new EtcdsafeError("RAFT_SNAPSHOT_INVALID", `the file has ${file.length} bytes, where ${RAFT_SNAPSHOT_SIZE_BYTES_MAX} are the limit`);
  }
  const { crc, data, dataOffset } = decoded(() => decodeSnapMessage(file));
  if (data.length === 0 || crc === 0) throw new EtcdsafeError("RAFT_SNAPSHOT_INVALID", "the file holds no snapshot, or no checksum");
  const computed = crc32c(data);
  if (crc !== computed)
    throw new FormatError(
      "RAFT_SNAPSHOT_INVALID",
      `the checksum of what follows is ${hex(computed)}, and not ${hex(crc)} as the file says: it was changed`,
      dataOffset,
    );
  return decoded(() => decodeRaftSnapshot(data, dataOffset));
}

/** What the file says, for people. Throws as readRaftSnapshot. */
export function raftSnapshotFacts(file: Uint8Array): RaftSnapshotFacts {
  const { term, index, confState, data } = readRaftSnapshot(file);
  return { term, index, confState, members: v2StoreMembers(data, RAFT_SNAPSHOT_SIZE_BYTES_MAX) };
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError("RAFT_SNAPSHOT_INVALID", `the file cannot be decoded: ${cause.what}`, cause.offset, { cause });
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
