// The messages of go.etcd.io/raft `raftpb/raft.proto` that the WAL and the .snap file hold.
// proto2: scalar fields that are zero are written all the same, empty bytes are not; encoders here do as etcd does (etcd-formats §4.4).
import type { MemberId, RaftIndex, RaftTerm } from "../bytes/u64.ts";
import { ProtoReader, ProtoWriter, WIRE_BYTES } from "./wire.ts";

/** Whose bytes to write. etcd up to 3.6 (gogo protobuf) writes ConfChange.id and ConfState.auto_leave even when zero; 3.7 (google protobuf) leaves them out. */
export type RaftDialect = "3.4" | "3.6" | "3.7";

/** `EntryType` of raft.proto: an entry that changes who the members are. */
export const ENTRY_CONF_CHANGE = 1;
/** `ConfChangeType` of raft.proto. */
const CONF_CHANGE_ADD_NODE = 0;

export interface Entry {
  readonly type: number;
  readonly term: RaftTerm;
  readonly index: RaftIndex;
  /** A view into what was decoded. */
  readonly data: Uint8Array;
}

export interface HardState {
  readonly term: RaftTerm;
  /** 0: no vote in this term. */
  readonly vote: MemberId;
  readonly commit: RaftIndex;
}

export interface ConfState {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
  readonly votersOutgoing: readonly MemberId[];
  readonly learnersNext: readonly MemberId[];
  readonly autoLeave: boolean;
}

export interface RaftSnapshot {
  /** The v2 store as JSON. A view into what was decoded. */
  readonly data: Uint8Array;
  readonly confState: ConfState;
  readonly index: RaftIndex;
  readonly term: RaftTerm;
}

/** The ConfState of a cluster that consists of voters only, in the order given. */
export function votersOnly(voters: readonly MemberId[]): ConfState {
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

export function encodeEntry(entry: Entry): Uint8Array {
  const writer = new ProtoWriter().varint(1, entry.type).varint(2, entry.term).varint(3, entry.index);
  return (entry.data.length === 0 ? writer : writer.bytes(4, entry.data)).finish();
}

export function decodeEntry(bytes: Uint8Array, baseOffset = 0): Entry {
  const reader = new ProtoReader(bytes, baseOffset);
  let [type, term, index, data] = [0, 0n, 0n, EMPTY];
  while (reader.next()) {
    if (reader.field === 1) type = reader.uint32();
    else if (reader.field === 2) term = reader.uint64();
    else if (reader.field === 3) index = reader.uint64();
    else if (reader.field === 4) data = reader.bytes();
    else reader.skip();
  }
  return { type, term: term as RaftTerm, index: index as RaftIndex, data };
}

/** `context` is what etcd says about the node: Member JSON. */
export function encodeAddNode(nodeId: MemberId, context: Uint8Array, dialect: RaftDialect): Uint8Array {
  const writer = new ProtoWriter();
  if (dialect !== "3.7") writer.varint(1, 0);
  return writer.varint(2, CONF_CHANGE_ADD_NODE).varint(3, nodeId).bytes(4, context).finish();
}

export function encodeHardState(state: HardState): Uint8Array {
  return new ProtoWriter().varint(1, state.term).varint(2, state.vote).varint(3, state.commit).finish();
}

export function decodeHardState(bytes: Uint8Array, baseOffset = 0): HardState {
  const reader = new ProtoReader(bytes, baseOffset);
  let [term, vote, commit] = [0n, 0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) term = reader.uint64();
    else if (reader.field === 2) vote = reader.uint64();
    else if (reader.field === 3) commit = reader.uint64();
    else reader.skip();
  }
  return { term: term as RaftTerm, vote: vote as MemberId, commit: commit as RaftIndex };
}

export function encodeConfState(state: ConfState, dialect: RaftDialect): Uint8Array {
  const writer = new ProtoWriter();
  const lists = [state.voters, state.learners, state.votersOutgoing, state.learnersNext];
  for (const [position, ids] of lists.entries()) for (const id of ids) writer.varint(position + 1, id);
  if (state.autoLeave || dialect !== "3.7") writer.varint(5, state.autoLeave ? 1 : 0);
  return writer.finish();
}

export function decodeConfState(bytes: Uint8Array, baseOffset = 0): ConfState {
  const reader = new ProtoReader(bytes, baseOffset);
  const lists: [MemberId[], MemberId[], MemberId[], MemberId[]] = [[], [], [], []];
  let autoLeave = false;
  while (reader.next()) {
    const list = lists[reader.field - 1];
    if (list !== undefined) readIds(reader, list);
    else if (reader.field === 5) autoLeave = reader.bool();
    else reader.skip();
  }
  const [voters, learners, votersOutgoing, learnersNext] = lists;
  return { voters, learners, votersOutgoing, learnersNext, autoLeave };
}

export function encodeRaftSnapshot(snapshot: RaftSnapshot, dialect: RaftDialect): Uint8Array {
  const metadata = new ProtoWriter().bytes(1, encodeConfState(snapshot.confState, dialect)).varint(2, snapshot.index).varint(3, snapshot.term);
  return new ProtoWriter().bytes(1, snapshot.data).bytes(2, metadata.finish()).finish();
}

export function decodeRaftSnapshot(bytes: Uint8Array, baseOffset = 0): RaftSnapshot {
  const reader = new ProtoReader(bytes, baseOffset);
  let data = EMPTY;
  let metadata = decodeSnapshotMetadata(EMPTY, baseOffset);
  while (reader.next()) {
    if (reader.field === 1) data = reader.bytes();
    else if (reader.field === 2) metadata = decodeSnapshotMetadata(...reader.message());
    else reader.skip();
  }
  return { data, ...metadata };
}

function decodeSnapshotMetadata(bytes: Uint8Array, baseOffset: number): Omit<RaftSnapshot, "data"> {
  const reader = new ProtoReader(bytes, baseOffset);
  let confState = votersOnly([]);
  let [index, term] = [0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) confState = decodeConfState(...reader.message());
    else if (reader.field === 2) index = reader.uint64();
    else if (reader.field === 3) term = reader.uint64();
    else reader.skip();
  }
  return { confState, index: index as RaftIndex, term: term as RaftTerm };
}

/** A repeated uint64: one per field as proto2 writes it, or packed, which every reader must take as well. */
function readIds(reader: ProtoReader, into: MemberId[]): void {
  if (reader.wireType !== WIRE_BYTES) {
    into.push(reader.uint64() as MemberId);
    return;
  }
  for (const id of reader.packedUint64()) into.push(id as MemberId);
}

const EMPTY: Uint8Array = new Uint8Array(0);
