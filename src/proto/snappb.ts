// The one message of etcd `server/etcdserver/api/snap/snappb/snap.proto`: what a .snap file consists of.
import { ProtoReader, ProtoWriter } from "./wire.ts";

/** `snapshot`. */
export interface SnapMessage {
  /** CRC-32C of `data`. */
  readonly crc: number;
  /** A raftpb.Snapshot. A view into what was decoded. */
  readonly data: Uint8Array;
  /** Where `data` starts in the file. */
  readonly dataOffset: number;
}

export function encodeSnapMessage(crc: number, data: Uint8Array): Uint8Array {
  return new ProtoWriter().varint(1, crc).bytes(2, data).finish();
}

export function decodeSnapMessage(bytes: Uint8Array): SnapMessage {
  const reader = new ProtoReader(bytes);
  let [crc, data, dataOffset] = [0, bytes.subarray(0, 0), 0];
  while (reader.next()) {
    if (reader.field === 1) crc = reader.uint32();
    else if (reader.field === 2) [data, dataOffset] = reader.message();
    else reader.skip();
  }
  return { crc, data, dataOffset };
}
