// The log that a restored member starts from: it says who the members are and that all of that is committed and in the snapshot.
// Byte for byte what `etcdutl snapshot restore` of the same minor writes (etcd-formats §4.4; `etcdutl/snapshot/v3_snapshot.go` saveWALAndSnap).
import { crc32c } from "../../bytes/crc32c.ts";
import type { ClusterId, MemberId, RaftIndex, RaftTerm } from "../../bytes/u64.ts";
import { ENTRY_CONF_CHANGE, encodeAddNode, encodeEntry, encodeHardState, type RaftDialect, votersOnly } from "../../proto/raftpb.ts";
import { encodeRecord, encodeWalMetadata, encodeWalSnapshot, type WalSnapshot } from "../../proto/walpb.ts";
import { FRAME_SIZE_BYTES, RECORD_CRC, RECORD_ENTRY, RECORD_METADATA, RECORD_SNAPSHOT, RECORD_STATE } from "./constants.ts";

/** A member as its cluster's log introduces it. */
export interface LoggedMember {
  readonly id: MemberId;
  readonly memberJson: string;
}

export interface RestoreWal {
  /** The member whose log this is; all else is equal on every member. */
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  /** All members, at least one, in any order. */
  readonly members: readonly LoggedMember[];
  readonly dialect: RaftDialect;
}

/** The file's bytes up to the end of its last record. etcd fills the file up to WAL_PREALLOCATED_SIZE_BYTES with zeros, and starts without them as well. */
export function encodeRestoreWal({ memberId, clusterId, members, dialect }: RestoreWal): Uint8Array {
  const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const ids = sorted.map((member) => member.id);
  const term = 1n as RaftTerm;
  const commit = BigInt(sorted.length) as RaftIndex;
  const log = new RecordSequence();
  log.append(RECORD_CRC, NOTHING);
  log.append(RECORD_METADATA, encodeWalMetadata({ memberId, clusterId }));
  log.append(RECORD_SNAPSHOT, encodeWalSnapshot({ index: 0n as RaftIndex, term: 0n as RaftTerm }, dialect));
  for (const [position, member] of sorted.entries()) {
    const data = encodeAddNode(member.id, Buffer.from(member.memberJson), dialect);
    log.append(RECORD_ENTRY, encodeEntry({ type: ENTRY_CONF_CHANGE, term, index: BigInt(position + 1) as RaftIndex, data }));
  }
  // Every member is said to have voted for the one with the lowest id; etcdutl does so, and no harm comes of it.
  log.append(RECORD_STATE, encodeHardState({ term, vote: ids[0] ?? (0n as MemberId), commit }));
  const snapshot: WalSnapshot = dialect === "3.4" ? { index: commit, term } : { index: commit, term, confState: votersOnly(ids) };
  log.append(RECORD_SNAPSHOT, encodeWalSnapshot(snapshot, dialect));
  return log.bytes();
}

/** One record in its frame: length and padding, so that every length field is aligned to 8 bytes and never torn (`encoder.go` encodeFrameSize). */
export function encodeFrame(record: Uint8Array): Uint8Array {
  const paddingBytes = (8 - (record.length % 8)) % 8;
  const frame = new Uint8Array(FRAME_SIZE_BYTES + record.length + paddingBytes);
  new DataView(frame.buffer).setUint32(0, record.length, true);
  frame[7] = paddingBytes === 0 ? 0 : 0x80 | paddingBytes;
  frame.set(record, FRAME_SIZE_BYTES);
  return frame;
}

class RecordSequence {
  readonly #frames: Uint8Array[] = [];
  #crc = 0;

  append(type: number, data: Uint8Array): void {
    this.#crc = crc32c(data, this.#crc);
    this.#frames.push(encodeFrame(encodeRecord(type, this.#crc, data)));
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#frames);
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
