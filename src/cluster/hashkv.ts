// One member's HashKV (etcd-formats §5.1). It blocks that member's writes while it scans, so nobody asks without need or two members at a time.
import type { MemberId, Revision } from "../bytes/u64.ts";
import { decodeHashKvResponse, encodeHashKvRequest } from "../proto/rpc-maintenance.ts";
import type { MemberClient, UnaryOptions } from "./channel.ts";
import { isUnimplemented, wasRefused } from "./grpc-errors.ts";

interface MemberHash {
  readonly hash: number;
  /** -1 when nothing was ever compacted. */
  readonly compactRevision: Revision;
  /** Absent before 3.6. */
  readonly hashRevision?: Revision;
  /** The member's latest revision when it answered. */
  readonly headerRevision: Revision;
  readonly memberId: MemberId;
}

/** Why a member has no hash to give: an answer, not a failure. */
export type HashRefusal = "compacted" | "future revision" | "learner" | "not implemented" | "permission denied";

/** `revision` 0 is the member's latest. Rejects with ETCD_* errors for what is not a refusal. */
export async function hashKv(client: MemberClient, revision: Revision, options: UnaryOptions): Promise<MemberHash | { readonly refused: HashRefusal }> {
  let answer: Uint8Array;
  try {
    answer = await client.call("Maintenance/HashKV", encodeHashKvRequest(revision), options);
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === undefined) throw error;
    return { refused };
  }
  const { header, hash, compactRevision, hashRevision } = decodeHashKvResponse(answer);
  return { hash, compactRevision, headerRevision: header.revision, memberId: header.memberId, ...(hashRevision === undefined ? {} : { hashRevision }) };
}

function refusalOf(error: unknown): HashRefusal | undefined {
  if (wasRefused(error, "rpc not supported for learner")) return "learner";
  if (wasRefused(error, "permission denied")) return "permission denied";
  if (wasRefused(error, "required revision has been compacted")) return "compacted";
  if (wasRefused(error, "required revision is a future revision")) return "future revision";
  return isUnimplemented(error) ? "not implemented" : undefined;
}
