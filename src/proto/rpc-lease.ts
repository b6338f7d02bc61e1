// Lease/LeaseLeases of etcd `api/etcdserverpb/rpc.proto`.
import type { LeaseId } from "../bytes/u64.ts";
import { ProtoReader } from "./wire.ts";

export function decodeLeaseLeasesResponse(bytes: Uint8Array): LeaseId[] {
  const reader = new ProtoReader(bytes);
  const ids: LeaseId[] = [];
  while (reader.next()) {
    if (reader.field === 2) ids.push(decodeLeaseStatus(...reader.message()));
    else reader.skip();
  }
  return ids;
}

function decodeLeaseStatus(bytes: Uint8Array, baseOffset: number): LeaseId {
  const reader = new ProtoReader(bytes, baseOffset);
  let id = 0n;
  while (reader.next()) {
    if (reader.field === 1) id = reader.int64();
    else reader.skip();
  }
  return id as LeaseId;
}
