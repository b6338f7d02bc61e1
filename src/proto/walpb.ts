// The messages of etcd `server/storage/wal/walpb/record.proto`, and the one message that a metadata record carries.
import type { ClusterId, MemberId, RaftIndex, RaftTerm } from "../bytes/u64.ts";
import { type ConfState, decodeConfState, encodeConfState, type RaftDialect } from "./raftpb.ts";
import { ProtoReader, ProtoWriter } from "./wire.ts";

/** `Record`: what one frame of a WAL file holds. */
export interface RecordMessage {
  readonly type: number;
  /** Rolling CRC-32C over the data of this and all earlier records. */
  readonly crc: number;
  /** A view into what was decoded. */
  readonly data: Uint8Array;
  /** Where `data` starts in the file. */
  readonly dataOffset: number;
}

/** `Snapshot`: says that a snapshot at this index was saved. */
export interface WalSnapshot {
  readonly index: RaftIndex;
  readonly term: RaftTerm;
  /** Absent in what etcd 3.4 writes, and in every log's first one, 0/0. */
  readonly confState?: ConfState;
}

/** etcdserverpb `Metadata` (`server/etcdserver/etcdserverpb/etcdserver.proto`): whose log it is. */
export interface WalMetadata {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
}

export function encodeRecord(type: number, crc: number, data: Uint8Array): Uint8Array {
  const writer = new ProtoWriter().varint(1, type).varint(2, crc);
  return (data.length === 0 ? writer : writer.bytes(3, data)).finish();
}

export function decodeRecord(bytes: Uint8Array, baseOffset: number): RecordMessage {
  const reader = new ProtoReader(bytes, baseOffset);
  let [type, crc, data, dataOffset] = [0, 0, bytes.subarray(0, 0), baseOffset];
  while (reader.next()) {
    if (reader.field === 1) type = Number(reader.int64());
    else if (reader.field === 2) crc = reader.uint32();
    else if (reader.field === 3) [data, dataOffset] = reader.message();
    else reader.skip();
  }
  return { type, crc, data, dataOffset };
}

export function encodeWalSnapshot(snapshot: WalSnapshot, dialect: RaftDialect): Uint8Array {
  const writer = new ProtoWriter().varint(1, snapshot.index).varint(2, snapshot.term);
  return (snapshot.confState === undefined ? writer : writer.bytes(3, encodeConfState(snapshot.confState, dialect))).finish();
}

export function decodeWalSnapshot(bytes: Uint8Array, baseOffset = 0): WalSnapshot {
  const reader = new ProtoReader(bytes, baseOffset);
  let [index, term] = [0n, 0n];
  let confState: ConfState | undefined;
  while (reader.next()) {
    if (reader.field === 1) index = reader.uint64();
    else if (reader.field === 2) term = reader.uint64();
    else if (reader.field === 3) confState = decodeConfState(...reader.message());
    else reader.skip();
  }
  return { index: index as RaftIndex, term: term as RaftTerm, ...(confState === undefined ? {} : { confState }) };
}

export function encodeWalMetadata(metadata: WalMetadata): Uint8Array {
  return new ProtoWriter().varint(1, metadata.memberId).varint(2, metadata.clusterId).finish();
}

export function decodeWalMetadata(bytes: Uint8Array, baseOffset = 0): WalMetadata {
  const reader = new ProtoReader(bytes, baseOffset);
  let [memberId, clusterId] = [0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) memberId = reader.uint64();
    else if (reader.field === 2) clusterId = reader.uint64();
    else reader.skip();
  }
  return { memberId: memberId as MemberId, clusterId: clusterId as ClusterId };
}
