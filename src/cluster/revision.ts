// Which revision a member is at, by the cheapest read there is.
import type { Revision } from "../bytes/u64.ts";
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

/**
 * Whether the member has a compaction at `revision` or later behind it. A read is refused below the compaction revision and not at it; so the
 * revision before is asked for.
 */
export async function isCompactedThrough(client: MemberClient, revision: Revision, options: UnaryOptions): Promise<boolean> {
  if (revision <= 1n) return false; // Revision 0 means the latest, and the empty store's revision 1 cannot be compacted away.
  try {
    await readHeader(client, { serializable: true, revision: (revision - 1n) as Revision }, options);
    return false;
  } catch (error) {
    if (wasRefused(error, "required revision has been compacted")) return true;
    throw error;
  }
}

async function readHeader(client: MemberClient, request: HeaderReadRequest, options: UnaryOptions): Promise<ResponseHeader> {
  return decodeHeaderOnly(await client.call("KV/Range", encodeHeaderRead(request), options));
}
