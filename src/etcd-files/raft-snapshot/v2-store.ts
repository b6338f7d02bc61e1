// The v2 store inside a .snap file: a tree of JSON nodes that holds who the members are. etcd up to 3.5 takes its membership from it, 3.6 still
// reads it, 3.7 only writes it (`server/etcdserver/api/v2store/`, `cluster_util.go` GetMembershipInfoInV2Format; etcd-formats §4.5).
import type { MemberId } from "../../bytes/u64.ts";
import { goJsonString, goJsonStrings, isString, jsonArray, jsonObject, parseGoJson } from "../../proto/go-json.ts";

/** A member as the v2 store knows it. */
export interface StoredMember {
  readonly id: MemberId;
  readonly peerUrls: readonly string[];
}

/** `v2store/event_history.go`: the events a store keeps, as a ring. */
const EVENT_CAPACITY = 1000;

/**
 * The store of a cluster that has just been made of these members, ascending by id, as `etcdutl snapshot restore` 3.5 writes it.
 * 3.6 and 3.7 differ in the order in which the members got their indexes, which is random, and in a counter.
 */
export function encodeV2Store(members: readonly StoredMember[]): string {
  const size = members.length;
  const events = members.map((member, position) => createdEvent(member, position + 1));
  while (events.length < EVENT_CAPACITY) events.push("null");
  const queue = `{"Events":[${events.join(",")}],"Size":${size},"Front":0,"Back":${size},"Capacity":${EVENT_CAPACITY}}`;
  const history = `{"EventHistory":{"Queue":${queue},"StartIndex":1,"LastIndex":${size}}}`;
  return `{"Root":${rootNode(members)},"WatcherHub":${history},"CurrentIndex":${size},"Stats":${stats(size)},"CurrentVersion":2}`;
}

/** The members of any store, by their names in it; undefined when the text is not a store's. */
export function v2StoreMembers(json: Uint8Array, sizeBytesMax: number): StoredMember[] | undefined {
  const root = jsonObject(parseGoJson(json, sizeBytesMax))?.get("Root");
  const members = childrenOf(childOf(childOf(root, "0"), "members"));
  if (members === undefined) return undefined;
  const found: StoredMember[] = [];
  for (const [name, node] of members) {
    const attributes = jsonObject(childOf(node, "raftAttributes"))?.get("Value");
    const fields = typeof attributes === "string" ? jsonObject(parseGoJson(Buffer.from(attributes), sizeBytesMax)) : undefined;
    const peerUrls = jsonArray(fields?.get("peerURLs"), isString);
    if (!/^[0-9a-f]{1,16}$/.test(name) || fields === undefined || peerUrls === undefined) return undefined;
    found.push({ id: BigInt(`0x${name}`) as MemberId, peerUrls });
  }
  return found;
}

function rootNode(members: readonly StoredMember[]): string {
  const nodes = members.map((member, position) => [member.id.toString(16), memberNode(member, position + 1)] as const);
  const children = nodes.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, node]) => `"${name}":${node}`);
  const membersNode = directoryNode("/0/members", 1, children);
  return directoryNode("/", 0, [`"0":${directoryNode("/0", 0, [`"members":${membersNode}`])}`, `"1":${directoryNode("/1", 0, [])}`]);
}

function memberNode(member: StoredMember, index: number): string {
  const attributes = `"raftAttributes":${node(attributesPath(member), index, attributesValue(member), "null")}`;
  return directoryNode(memberPath(member), index, [attributes]);
}

function directoryNode(path: string, index: number, children: readonly string[]): string {
  return node(path, index, '""', `{${children.join(",")}}`);
}

/** `v2store/node.go`; the time is Go's zero time: the node never expires. */
function node(path: string, index: number, value: string, children: string): string {
  return `{"Path":"${path}","CreatedIndex":${index},"ModifiedIndex":${index},"ExpireTime":"0001-01-01T00:00:00Z","Value":${value},"Children":${children}}`;
}

function createdEvent(member: StoredMember, index: number): string {
  return `{"action":"create","node":{"key":"${attributesPath(member)}","value":${attributesValue(member)},"modifiedIndex":${index},"createdIndex":${index}}}`;
}

/** JSON inside JSON: the value is a text that etcd parses once more. */
function attributesValue(member: StoredMember): string {
  return goJsonString(`{"peerURLs":${goJsonStrings(member.peerUrls)}}`);
}

function memberPath(member: StoredMember): string {
  return `/0/members/${member.id.toString(16)}`;
}

function attributesPath(member: StoredMember): string {
  return `${memberPath(member)}/raftAttributes`;
}

/** `v2store/stats.go`, in its order. */
function stats(created: number): string {
  const counters = [
    "getsSuccess",
    "getsFail",
    "setsSuccess",
    "setsFail",
    "deleteSuccess",
    "deleteFail",
    "updateSuccess",
    "updateFail",
    "createSuccess",
    "createFail",
  ];
  counters.push("compareAndSwapSuccess", "compareAndSwapFail", "compareAndDeleteSuccess", "compareAndDeleteFail", "expireCount", "watchers");
  return `{${counters.map((name) => `"${name}":${name === "createSuccess" ? created : 0}`).join(",")}}`;
}

function childrenOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return jsonObject(jsonObject(value)?.get("Children"));
}

function childOf(value: unknown, name: string): unknown {
  return childrenOf(value)?.get(name);
}
