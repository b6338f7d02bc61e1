// mvccpb.KeyValue as a message to change and write again (api/mvccpb/kv.proto); rows that are only looked at are read in place (key-value.ts).
import { ProtoReader, ProtoWriter } from "../../proto/wire.ts";

export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly value: Uint8Array;
  /** 0n: none. */
  readonly lease: bigint;
}

/** `key` and `value` are views into `bytes`. Throws FormatError PROTO_INVALID, with offsets counted from `offset`. */
export function decodeKeyValue(bytes: Uint8Array, offset = 0): KeyValue {
  const reader = new ProtoReader(bytes, offset);
  let [key, value] = [bytes.subarray(0, 0), bytes.subarray(0, 0)];
  let [createRevision, modRevision, version, lease] = [0n, 0n, 0n, 0n];
  while (reader.next()) {
    if (reader.field === 1) key = reader.bytes();
    else if (reader.field === 2) createRevision = reader.int64();
    else if (reader.field === 3) modRevision = reader.int64();
    else if (reader.field === 4) version = reader.int64();
    else if (reader.field === 5) value = reader.bytes();
    else if (reader.field === 6) lease = reader.int64();
    else reader.skip();
  }
  return { key, createRevision, modRevision, version, value, lease };
}

/** As etcd writes it: in the order of the fields, without those that are zero or empty. */
export function encodeKeyValue({ key, createRevision, modRevision, version, value, lease }: KeyValue): Uint8Array {
  const writer = new ProtoWriter();
  if (key.length > 0) writer.bytes(1, key);
  if (createRevision !== 0n) writer.varint(2, createRevision);
  if (modRevision !== 0n) writer.varint(3, modRevision);
  if (version !== 0n) writer.varint(4, version);
  if (value.length > 0) writer.bytes(5, value);
  if (lease !== 0n) writer.varint(6, lease);
  return writer.finish();
}

/** The value of a tombstone's row: all that is kept of the key is its name. */
export function encodeTombstone(key: Uint8Array): Uint8Array {
  return new ProtoWriter().bytes(1, key).finish();
}
