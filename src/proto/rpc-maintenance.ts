// Unary calls of Maintenance in etcd `api/etcdserverpb/rpc.proto`: Status, HashKV, Alarm. The snapshot stream is rpc-snapshot.ts.
import type { MemberId, RaftIndex, RaftTerm, Revision } from "../bytes/u64.ts";
import { decodeHeader, EMPTY_HEADER, type ResponseHeader } from "./rpc-header.ts";
import { ProtoReader, ProtoWriter } from "./wire.ts";

export interface StatusResponse {
  readonly header: ResponseHeader;
  /** etcd's version, e.g. `3.6.16`. */
  readonly version: string;
  /** Version of the storage schema, e.g. `3.6.0`; empty before 3.6. */
  readonly storageVersion: string;
  readonly dbSizeBytes: number;
  /** 0 when the member knows of no leader. */
  readonly leader: MemberId;
  readonly raftIndex: RaftIndex;
  readonly raftAppliedIndex: RaftIndex;
  readonly raftTerm: RaftTerm;
  /** Alarms and "no leader", in etcd's words. */
  readonly errors: readonly string[];
  readonly isLearner: boolean;
}

export function decodeStatusResponse(bytes: Uint8Array): StatusResponse {
  const reader = new ProtoReader(bytes);
  let header = EMPTY_HEADER;
  let [version, storageVersion, isLearner] = ["", "", false];
  let [dbSize, leader, raftIndex, raftTerm, raftAppliedIndex] = [0n, 0n, 0n, 0n, 0n];
  const errors: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) header = decodeHeader(...reader.message());
    else if (reader.field === 2) version = reader.string();
    else if (reader.field === 3) dbSize = reader.int64();
    else if (reader.field === 4) leader = reader.uint64();
    else if (reader.field === 5) raftIndex = reader.uint64();
    else if (reader.field === 6) raftTerm = reader.uint64();
    else if (reader.field === 7) raftAppliedIndex = reader.uint64();
    else if (reader.field === 8) errors.push(reader.string());
    else if (reader.field === 10) isLearner = reader.bool();
    else if (reader.field === 11) storageVersion = reader.string();
    else reader.skip();
  }
  return {
    header,
    version,
    storageVersion,
    dbSizeBytes: Number(dbSize),
    leader: leader as MemberId,
    raftIndex: raftIndex as RaftIndex,
    raftAppliedIndex: raftAppliedIndex as RaftIndex,
    raftTerm: raftTerm as RaftTerm,
    errors,
    isLearner,
  };
}

export interface HashKvResponse {
  readonly header: ResponseHeader;
  readonly hash: number;
  /** -1 when nothing was ever compacted. */
  readonly compactRevision: Revision;
  /** The revision that was hashed; absent before 3.6. */
  readonly hashRevision?: Revision;
}

export function encodeHashKvRequest(revision: Revision): Uint8Array {
  return new ProtoWriter().varint(1, revision).finish();
}

export function decodeHashKvResponse(bytes: Uint8Array): HashKvResponse {
  const reader = new ProtoReader(bytes);
  let header = EMPTY_HEADER;
  let [hash, compactRevision] = [0, 0n];
  let hashRevision: bigint | undefined;
  while (reader.next()) {
    if (reader.field === 1) header = decodeHeader(...reader.message());
    else if (reader.field === 2) hash = reader.uint32();
    else if (reader.field === 3) compactRevision = reader.int64();
    else if (reader.field === 4) hashRevision = reader.int64();
    else reader.skip();
  }
  return {
    header,
    hash,
    compactRevision: compactRevision as Revision,
    ...(hashRevision === undefined ? {} : { hashRevision: hashRevision as Revision }),
  };
}

/** rpc.proto, AlarmType. */
const ALARM_NAMES = ["NONE", "NOSPACE", "CORRUPT"] as const;

export interface Alarm {
  readonly memberId: MemberId;
  /** NOSPACE, CORRUPT, or the number of one that this etcdsafe does not know. */
  readonly alarm: string;
}

/** Action GET of all alarms: both are enum zero, so nothing is sent. */
export function encodeAlarmGetRequest(): Uint8Array {
  return new Uint8Array(0);
}

export function decodeAlarmResponse(bytes: Uint8Array): Alarm[] {
  const reader = new ProtoReader(bytes);
  const alarms: Alarm[] = [];
  while (reader.next()) {
    if (reader.field === 2) alarms.push(decodeAlarm(...reader.message()));
    else reader.skip();
  }
  return alarms;
}

function decodeAlarm(bytes: Uint8Array, baseOffset: number): Alarm {
  const reader = new ProtoReader(bytes, baseOffset);
  let [memberId, alarm] = [0n, 0];
  while (reader.next()) {
    if (reader.field === 1) memberId = reader.uint64();
    else if (reader.field === 2) alarm = reader.uint32();
    else reader.skip();
  }
  return { memberId: memberId as MemberId, alarm: ALARM_NAMES[alarm] ?? String(alarm) };
}
