import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MemberId, parseId, type Revision } from "../../../src/bytes/u64.ts";
import { judgeAgreement } from "../../../src/cluster/agreement.ts";
import { type CompareOptions, compareHashes, type MemberAnswer } from "../../../src/cluster/compare.ts";
import { hashKv } from "../../../src/cluster/hashkv.ts";
import { type MemberClients, openClients } from "../../../src/cluster/member-clients.ts";
import { linearizableRevision, serializableRevision } from "../../../src/cluster/revision.ts";
import { type Selection, selectMember } from "../../../src/cluster/select.ts";
import { alarms, memberList } from "../../../src/cluster/status.ts";
import { survey } from "../../../src/cluster/survey.ts";
import { type EtcdCluster, startCluster } from "../../support/etcd.ts";
import { putMany } from "../../support/etcd-data.ts";
import type { EtcdMember } from "../../support/etcd-member.ts";
import { clientOf, connectionTo, soon } from "./members.ts";

const DEAD = "http://127.0.0.1:1";
let cluster: EtcdCluster;
let clients: MemberClients;
let leader: EtcdMember;
let followers: EtcdMember[];
let ids: Map<EtcdMember, MemberId>;

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.6", size: 3 });
  clients = openClients(connectionTo(cluster.endpoints));
  leader = await cluster.leader();
  followers = cluster.members.filter((member) => member !== leader);
  ids = new Map(await Promise.all(cluster.members.map(async (member) => [member, parseId(await cluster.memberId(member)) as MemberId] as const)));
  await putMany(
    await cluster.client(),
    Array.from({ length: 20 }, (_, index) => ({ key: `k${index}`, value: "v" })),
  );
});
afterAll(async () => {
  await clients?.close();
  await cluster?.stop();
});

const idOf = (member: EtcdMember | undefined) => ids.get(member as EtcdMember) as MemberId;
const membersOf = async (member: EtcdMember) => (await memberList(clients.at(member.clientUrl), soon())).members;
const select = async (endpoints: readonly string[], member?: string): Promise<Selection> =>
  selectMember(await survey(clients, endpoints, { ...soon(), ...(member === undefined ? {} : { member }) }), member);

async function compareAt(revision: bigint, options: Partial<CompareOptions> = {}): Promise<MemberAnswer[]> {
  const [serving] = followers;
  return compareHashes(clients, {
    ...soon(),
    revision: revision as Revision,
    which: "all",
    serving: idOf(serving),
    leader: idOf(leader),
    members: options.members ?? (await membersOf(leader)),
    endpoints: new Map(),
    silent: new Map(),
    memberLimitMs: 5000,
    runtime: { monotonicMs: () => performance.now(), sleep: (delayMs, signal) => delay(delayMs, undefined, { signal }), log: () => undefined },
    ...options,
  });
}

test("selection: a follower comes before the leader, and a dead endpoint is passed over with its reason", async () => {
  const alias = followers[0]?.clientUrl.replace("127.0.0.1", "localhost") as string;
  const selection = await select([leader.clientUrl, DEAD, ...followers.map(({ clientUrl }) => clientUrl), alias]);
  expect(selection.quorum).toBe(true);
  expect(selection.leader).toBe(idOf(leader));
  expect(selection.members).toHaveLength(3);
  expect(selection.order.map(({ endpoint }) => endpoint)).toHaveLength(3);
  expect(selection.order.at(-1)).toMatchObject({ endpoint: leader.clientUrl, isLeader: true, name: leader.name });
  expect(selection.passedOver).toEqual([
    { endpoint: DEAD, reason: expect.stringContaining("ECONNREFUSED") },
    { endpoint: alias, reason: `the same member as ${followers[0]?.clientUrl}` },
  ]);
});

test("selection: a member is forced by endpoint, name or id, also one behind none of the endpoints", async () => {
  const wanted = followers[1] as EtcdMember;
  const one = [leader.clientUrl];
  for (const member of [wanted.name, await cluster.memberId(wanted)]) {
    expect((await select(one, member)).order).toMatchObject([{ endpoint: wanted.clientUrl, name: wanted.name }]);
  }
  expect((await select(cluster.endpoints, leader.clientUrl)).order).toMatchObject([{ name: leader.name }]);
  await expect(select(one, "m9")).rejects.toMatchObject({ code: "USAGE", message: expect.stringMatching(/no member m9; the cluster's are .*m1/) });
  await expect(select([DEAD])).rejects.toMatchObject({ code: "ETCD_UNREACHABLE", message: expect.stringContaining(DEAD) });
});

test("selection: endpoints of two clusters are refused", async () => {
  await using other = await startCluster({ minor: "3.5" });
  await expect(select([...cluster.endpoints, ...other.endpoints])).rejects.toMatchObject({ code: "CLUSTER_MISMATCH" });
});

test("comparison: all members answer alike, the leader last", async () => {
  const { revision } = await linearizableRevision(clients.at(leader.clientUrl), soon());
  const answers = await compareAt(revision);
  expect(answers.map(({ name }) => name).at(-1)).toBe(leader.name);
  const [expected] = await cluster.hashKv(Number(revision));
  for (const answer of answers) expect(answer).toMatchObject({ outcome: "answered", hash: expected?.hash, compactRevision: -1n });
  const others = await compareAt(revision, { which: "others" });
  expect(others.map(({ name }) => name)).toEqual([followers[1]?.name, leader.name]);
});

test("comparison: a member that lags is waited for within the limit", async () => {
  const { revision } = await serializableRevision(clients.at(leader.clientUrl), soon());
  const waiting = compareAt(revision + 1n);
  setTimeout(() => void cluster.etcdctl(["put", "late", "1"]), 300);
  expect((await waiting).map(({ outcome }) => outcome)).toEqual(Array(3).fill("answered"));
  const [late] = await compareAt(revision + 9n, { memberLimitMs: 300 });
  expect(late).toMatchObject({ outcome: "not-comparable", why: expect.stringMatching(/not reached revision/) });
});

test("comparison: a revision that was compacted is not comparable", async () => {
  const { revision } = await linearizableRevision(clients.at(leader.clientUrl), soon());
  await cluster.etcdctl(["compact", String(revision)]);
  for (const answer of await compareAt(revision - 1n)) expect(answer).toMatchObject({ outcome: "not-comparable", why: expect.stringContaining("compacted") });
  await cluster.etcdctl(["put", "after", "1"]);
  const next = (revision + 1n) as Revision;
  await linearizableRevision(clients.at(leader.clientUrl), soon());
  for (const answer of await compareAt(next)) expect(answer).toMatchObject({ outcome: "answered", compactRevision: revision });
});

test("comparison: a learner is not asked, refuses when it is, and is never chosen", async () => {
  const learner = await cluster.addMember("learner");
  await using client = clientOf(learner);
  const { revision } = await linearizableRevision(clients.at(leader.clientUrl), soon());
  expect(await hashKv(client, revision, soon())).toEqual({ refused: "learner" });
  await expect(linearizableRevision(client, soon())).rejects.toMatchObject({ code: "ETCD_LEARNER_ONLY" });
  expect(await compareAt(revision)).toHaveLength(3);
  await expect(select([learner.clientUrl])).rejects.toMatchObject({ code: "ETCD_LEARNER_ONLY" });
  await expect(select(cluster.endpoints, learner.clientUrl)).rejects.toMatchObject({ code: "ETCD_LEARNER_ONLY" });
  expect((await select(cluster.endpoints)).passedOver).toMatchObject([{ endpoint: learner.clientUrl, reason: expect.stringContaining("learner") }]);
  await cluster.etcdctl(["member", "remove", await cluster.memberId(learner)], [leader]);
  await learner.kill();
});

test("comparison: members that really differ, and one that is down", async () => {
  const [odd, other] = followers as [EtcdMember, EtcdMember];
  // etcd 3.4 to 3.6 (etcd-formats §8.19): a transaction with a range at a compacted revision is refused by the member asked and executed by the others.
  const client = await cluster.client([odd]);
  const put = { request_put: { key: Buffer.from("split"), value: Buffer.from("1") } };
  const range = { request_range: { key: Buffer.from("k0"), revision: "1" } };
  await expect(client.kv.txn({ compare: [], success: [put, range], failure: [] })).rejects.toThrow("compacted");
  await cluster.etcdctl(["put", "afterwards", "1"]);
  const { revision } = await linearizableRevision(clients.at(odd.clientUrl), soon());
  const answers = await compareAt(revision);
  const members = await membersOf(odd);
  const verdictFor = async (serving: EtcdMember, given = answers) => {
    const own = answers.find(({ name }) => name === serving.name);
    const fileHash = () => (own?.outcome === "answered" ? { hash: own.hash } : { notComparable: "it did not answer" });
    return judgeAgreement({ revision, serving: idOf(serving), servingIsSure: true, members, answers: given, contradictedBy: [], fileHash });
  };
  expect(await verdictFor(odd)).toMatchObject({ verdict: "minority", why: "1 of 3 voting members holds this data, 2 hold other data" });
  expect(await verdictFor(leader)).toMatchObject({ verdict: "proven", why: "2 of 3 voting members hold this data, 1 holds other data" });

  await odd.kill();
  const withoutOne = await compareAt(revision, { serving: idOf(other), members });
  expect(withoutOne.find(({ name }) => name === odd.name)).toMatchObject({ outcome: "unreachable", why: expect.stringContaining("ECONNREFUSED") });
  expect(await verdictFor(leader, withoutOne)).toMatchObject({ verdict: "proven", why: "2 of 3 voting members hold this data, 1 did not answer" });
});

test("without a quorum: status and serializable reads go on, linearizable ones are ETCD_NO_QUORUM", async () => {
  await leader.kill(); // The other follower fell before.
  const last = followers[1] as EtcdMember;
  await using alone = openClients(connectionTo([last.clientUrl], { commandTimeoutMs: 1000 }));
  const selection = selectMember(await survey(alone, [leader.clientUrl, last.clientUrl], soon()));
  expect(selection).toMatchObject({ quorum: false, order: [{ endpoint: last.clientUrl, reasons: expect.arrayContaining(["cannot reach a quorum"]) }] });
  expect(selection.members).toHaveLength(3);
  const client = alone.at(last.clientUrl);
  const needing = { code: "ETCD_NO_QUORUM", message: expect.stringContaining(last.clientUrl) };
  await Promise.all([
    expect(linearizableRevision(client, soon())).rejects.toMatchObject(needing),
    expect(alarms(client, soon())).rejects.toMatchObject(needing),
  ]);
  expect((await serializableRevision(client, soon())).revision).toBeGreaterThan(20n);
});

test("without a quorum: a login is ETCD_NO_QUORUM, and who is logged in already is still answered", async () => {
  await using pair = await startCluster({ minor: "3.5", size: 2, rootPassword: "r", electionTimeoutMs: 300 });
  const root = { user: "root", password: "r", commandTimeoutMs: 1000 };
  await using before = clientOf(pair.members[0], root);
  await memberList(before, soon());
  await pair.members[1]?.kill();
  await using after = clientOf(pair.members[0], root);
  await expect(memberList(after, soon())).rejects.toMatchObject({ code: "ETCD_NO_QUORUM", message: expect.stringContaining("the login of user root") });
  expect((await memberList(before, soon())).members).toHaveLength(2);
});
