// Which revision a member is at, by the cheapest read there is.
import { decodeHeaderOnly, type ResponseHeader } from "../proto/rpc-header.ts";
import { encodeHeaderRead, type HeaderReadRequest } from "../proto/rpc-kv.ts";
import type { MemberClient, UnaryOptions } from "./channel.ts";
import { wasRefused } from "./grpc-errors.ts";

/**
 * The member first catches up with what the cluster had committed when it was asked: its later snapshot holds at least this revision.
 * Rejects with ETCD_NO_QUORUM without a quorum, and with ETCD_LEARNER_ONLY on a learner.
 */
export async function linearizableRevision(client: MemberClient, options: UnaryOptions): Promise<ResponseHeader> {
  const read = () => readHeader(client, { serializable: false }, { ...options, needsQuorum: true });
  // A read that waits while a new leader takes over is refused; the new one answers it.
  return await read().catch((error: unknown) => (wasRefused(error, "leader changed") ? read() : Promise.reject(error)));
}

/** What the member itself holds, however far behind its cluster that is. */
export function serializableRevision(client: MemberClient, options: UnaryOptions): Promise<ResponseHeader> {
  return readHeader(client, { serializable: true }, options);
}

async function readHeader(client: MemberClient, request: HeaderReadRequest, options: UnaryOptions): Promise<ResponseHeader> {
  return decodeHeaderOnly(await client.call("KV/Range", encodeHeaderRead(request), options));
}
