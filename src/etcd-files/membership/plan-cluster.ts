// The cluster that a restore is to make: names and peer URLs checked as etcd checks them (etcd-formats §4.1), and the ids that follow from them.
import type { ClusterId, MemberId } from "../../bytes/u64.ts";
import { EtcdsafeError } from "../../errors.ts";
import { clusterId, inGoOrder, memberId } from "./ids.ts";
import type { MemberSpec } from "./initial-cluster.ts";
import { encodeMemberJson } from "./member-json.ts";
import { memberNameFault } from "./member-name.ts";
import { parsePeerUrl } from "./peer-url.ts";

/** A voter of the cluster to be. */
export interface PlannedMember extends MemberSpec {
  readonly id: MemberId;
  /** As etcd stores them, sorted. */
  readonly peerUrls: readonly string[];
  /** What etcd stores about it in the WAL and in the bucket `members`: Member JSON, byte for byte as Go writes it. */
  readonly memberJson: string;
}

export interface PlannedCluster {
  readonly clusterId: ClusterId;
  /** By ascending id, the order in which etcd logs them. */
  readonly members: readonly PlannedMember[];
}

/** `token` is `--initial-cluster-token`: other tokens make other ids. Throws MEMBERS_INVALID. */
export function planCluster(specs: readonly MemberSpec[], token: string): PlannedCluster {
  if (specs.length === 0) throw new EtcdsafeError("MEMBERS_INVALID", "no member is named");
  const members = specs.map((spec) => planMember(spec, token)).sort((a, b) => (a.id < b.id ? -1 : 1));
  refuseSharedNames(members);
  refuseSharedUrls(members);
  refuseSharedIds(members);
  return { clusterId: clusterId(members.map((member) => member.id)), members };
}

/** The member that `--name` means. Throws MEMBERS_INVALID. */
export function memberNamed(cluster: PlannedCluster, name: string): PlannedMember {
  const member = cluster.members.find((each) => each.name === name);
  if (member !== undefined) return member;
  const names = cluster.members.map((each) => JSON.stringify(each.name)).join(", ");
  throw new EtcdsafeError("MEMBERS_INVALID", `the member ${JSON.stringify(name)} is not in the initial cluster, which names ${names}`);
}

function planMember(spec: MemberSpec, token: string): PlannedMember {
  const owner = `member ${JSON.stringify(spec.name)}`;
  if (spec.name === "") throw new EtcdsafeError("MEMBERS_INVALID", `a member without a name (peer URLs: ${spec.peerUrls.join(", ")})`);
  const fault = memberNameFault(spec.name);
  if (fault !== undefined) throw new EtcdsafeError("MEMBERS_INVALID", `the member name ${JSON.stringify(spec.name)} ${fault}`);
  if (spec.peerUrls.length === 0) throw new EtcdsafeError("MEMBERS_INVALID", `${owner} has no peer URL`);
  const peerUrls = inGoOrder(spec.peerUrls.map((url) => parsePeerUrl(url, owner)));
  const id = memberId(peerUrls, token);
  if (id === 0n)
    throw new EtcdsafeError("MEMBERS_INVALID", `${owner} gets the id 0, which raft cannot use`, { hint: "Another --initial-cluster-token makes other ids." });
  return { name: spec.name, peerUrls, id, memberJson: encodeMemberJson({ id, name: spec.name, peerUrls, clientUrls: [], isLearner: false }) };
}

function refuseSharedNames(members: readonly PlannedMember[]): void {
  const names = new Set<string>();
  for (const { name } of members) {
    if (names.has(name))
      throw new EtcdsafeError("MEMBERS_INVALID", `two members are named ${JSON.stringify(name)}`, {
        hint: "Give each member a name of its own, and one member's URLs in one list.",
      });
    names.add(name);
  }
}

function refuseSharedUrls(members: readonly PlannedMember[]): void {
  const owners = new Map<string, string>();
  for (const { name, peerUrls } of members) {
    for (const url of peerUrls) {
      const owner = owners.get(url);
      if (owner === name) throw new EtcdsafeError("MEMBERS_INVALID", `member ${JSON.stringify(name)} has the peer URL ${url} twice`);
      if (owner !== undefined)
        throw new EtcdsafeError("MEMBERS_INVALID", `the members ${JSON.stringify(owner)} and ${JSON.stringify(name)} have the same peer URL ${url}`);
      owners.set(url, name);
    }
  }
}

/** Different URLs may still read the same once etcd has strung them together for hashing. */
function refuseSharedIds(members: readonly PlannedMember[]): void {
  for (const [position, { id, name }] of members.entries()) {
    const other = members[position + 1];
    if (other?.id === id) {
      throw new EtcdsafeError("MEMBERS_INVALID", `the members ${JSON.stringify(name)} and ${JSON.stringify(other.name)} get the same id from their peer URLs`, {
        hint: "Change the peer URLs of one of them.",
      });
    }
  }
}
