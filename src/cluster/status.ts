// What a member says about itself and its cluster: Status, MemberList, Alarm, leases.
import type { LeaseId } from "../bytes/u64.ts";
import { decodeMemberListResponse, type MemberListResponse } from "../proto/rpc-cluster.ts";
import { decodeLeaseLeasesResponse } from "../proto/rpc-lease.ts";
import { type Alarm, decodeAlarmResponse, decodeStatusResponse, encodeAlarmGetRequest, type StatusResponse } from "../proto/rpc-maintenance.ts";
import type { MemberClient, UnaryOptions } from "./channel.ts";

const NOTHING = new Uint8Array(0);

/** Needs no quorum, and works on learners. */
export async function status(client: MemberClient, options: UnaryOptions): Promise<StatusResponse> {
  return decodeStatusResponse(await client.call("Maintenance/Status", NOTHING, options));
}

/** The member's own view: needs no quorum. Learners refuse it. */
export async function memberList(client: MemberClient, options: UnaryOptions): Promise<MemberListResponse> {
  return decodeMemberListResponse(await client.call("Cluster/MemberList", NOTHING, options));
}

/** Goes through raft, and so needs a quorum and writes to every member's log; `status` tells of alarms without. */
export async function alarms(client: MemberClient, options: UnaryOptions): Promise<Alarm[]> {
  return decodeAlarmResponse(await client.call("Maintenance/Alarm", encodeAlarmGetRequest(), { ...options, needsQuorum: true }));
}

/** Ids of all leases. */
export async function leases(client: MemberClient, options: UnaryOptions): Promise<LeaseId[]> {
  return decodeLeaseLeasesResponse(await client.call("Lease/LeaseLeases", NOTHING, options));
}
