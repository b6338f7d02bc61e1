// KV/Range of etcd `api/etcdserverpb/rpc.proto`, as far as it is asked for the header or for one key.
import { ProtoReader, ProtoWriter } from "./wire.ts";

/** The smallest key there can be: as good as any, and costs no scan. */
const CHEAP_KEY = Uint8Array.of(0);

export interface HeaderReadRequest {
  /** Answered from the member's own state, without a word to the others. */
  readonly serializable: boolean;
}

/** Counts one key. */
export function encodeHeaderRead({ serializable }: HeaderReadRequest): Uint8Array {
  const request = new ProtoWriter().bytes(1, CHEAP_KEY).varint(3, 1);
  if (serializable) request.varint(7, 1);
  return request.varint(8, 1).varint(9, 1).finish();
}

/** Reads one key from the member's own state. */
export function encodeKeyRead(key: Uint8Array): Uint8Array {
  return new ProtoWriter().bytes(1, key).varint(7, 1).finish();
}

/** The value of the first key in a RangeResponse. */
export function decodeRangeValue(response: Uint8Array): Uint8Array | undefined {
  const reader = new ProtoReader(response);
  while (reader.next()) {
    if (reader.field !== 2) reader.skip();
    else return valueIn(reader.bytes());
  }
  return undefined;
}

function valueIn(keyValue: Uint8Array): Uint8Array {
  const reader = new ProtoReader(keyValue);
  while (reader.next()) {
    if (reader.field === 5) return reader.bytes();
    reader.skip();
  }
  return new Uint8Array(0);
}
