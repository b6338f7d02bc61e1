// leasepb.Lease, the value of a row of `lease` (server/lease/leasepb/lease.proto).
import type { LeaseId } from "../bytes/u64.ts";
import { ProtoReader } from "./wire.ts";

export interface Lease {
  readonly id: LeaseId;
  /** Time to live as granted, in seconds. */
  readonly ttlSeconds: bigint;
  /** What was left of it at the last checkpoint; 0 when there was none. */
  readonly remainingTtlSeconds: bigint;
}

/** Throws FormatError PROTO_INVALID, with offsets counted from `offset`. */
export function decodeLease(bytes: Uint8Array, offset = 0): Lease {
  const reader = new ProtoReader(bytes, offset);
  let id = 0n;
  let ttlSeconds = 0n;
  let remainingTtlSeconds = 0n;
  while (reader.next()) {
    if (reader.field === 1) id = reader.int64();
    else if (reader.field === 2) ttlSeconds = reader.int64();
    else if (reader.field === 3) remainingTtlSeconds = reader.int64();
    else reader.skip();
  }
  return { id: id as LeaseId, ttlSeconds, remainingTtlSeconds };
}
