import { expect, test } from "vitest";
import type { MemberClient } from "../../src/cluster/channel.ts";
import { GrpcStatusError, refusal } from "../../src/cluster/grpc-errors.ts";
import type { MemberClients } from "../../src/cluster/member-clients.ts";
import { type AnsweredReport, type EndpointReport, findMember, isAnswered, survey } from "../../src/cluster/survey.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";

interface Behaviour {
  readonly id: number;
  readonly leader?: number;
  readonly isLearner?: boolean;
  /** What a linearizable read fails with. */
  readonly read?: Error;
  /** What everything fails with. */
  readonly fails?: unknown;
  /** Instead of an answer. */
  readonly garbled?: boolean;
}

const MEMBERS: readonly (readonly [id: number, name: string, ...clientUrls: string[]])[] = [
  [1, "m1", "http://m1:2379"],
  [2, "m2", "http://m2:2379"],
  [0xab3, "m3", "http://m3:2379", "https://m3:2379"],
];
const NO_LEADER = refusal("http://m1:2379", "KV/Range", new GrpcStatusError(14, "etcdserver: no leader"));

/** `called`: endpoint and method of each call, in order. */
function fakeClients(behaviours: Readonly<Record<string, Behaviour>>, secure = false): MemberClients & { readonly called: string[] } {
  const called: string[] = [];
  const at = (endpoint: string): MemberClient => ({
    endpoint,
    async call(method: string) {
      called.push(`${endpoint} ${method}`);
      const behaviour = behaviours[endpoint];
      if (behaviour === undefined) throw new EtcdsafeError("ETCD_UNREACHABLE", `${endpoint}: cannot connect`);
      const { id, leader = 1, isLearner = false, read, fails, garbled } = behaviour;
      if (fails !== undefined) throw fails;
      if (garbled) return Uint8Array.of(0xff);
      if (method === "KV/Range" && read !== undefined) throw read;
      const answer = new ProtoWriter().bytes(1, new ProtoWriter().varint(1, 9).varint(2, id).varint(3, 5).finish());
      if (method === "Maintenance/Status") return answer.varint(4, leader).varint(5, 100).varint(7, 100).varint(10, Number(isLearner)).finish();
      if (method === "Cluster/MemberList") for (const [each, name, ...urls] of MEMBERS) answer.bytes(2, encodeMember(each, name, urls));
      return answer.finish();
    },
    stream: () => Promise.reject(new Error("not asked for")),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
  return { called, secure, at, close: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
}

function encodeMember(id: number, name: string, clientUrls: readonly string[]): Uint8Array {
  const member = new ProtoWriter().varint(1, id).bytes(2, Buffer.from(name));
  for (const url of clientUrls) member.bytes(4, Buffer.from(url));
  return member.finish();
}

const { signal } = new AbortController(); // Each test has its time-out.
const [M1, M2] = ["http://m1:2379", "http://m2:2379"];
const asked = async (clients: MemberClients, endpoints: readonly string[], member?: string) =>
  (await survey(clients, endpoints, { signal, ...(member === undefined ? {} : { member }) })).map(({ endpoint }) => endpoint);

test("survey: every endpoint is asked once, and one that does not answer is a report as well", async () => {
  const clients = fakeClients({ [M1]: { id: 1 } });
  const reports = await survey(clients, [M1, M2, M1], { signal });
  expect(reports).toMatchObject([
    { endpoint: M1, status: { header: { memberId: 1n } }, members: [{ name: "m1" }, { name: "m2" }, { name: "m3" }], linearizable: { revision: 5n } },
    { endpoint: M2, error: { code: "ETCD_UNREACHABLE" } },
  ]);
  expect(clients.called.filter((call) => call.startsWith(M1))).toEqual([`${M1} Maintenance/Status`, `${M1} Cluster/MemberList`, `${M1} KV/Range`]);
});

test("survey: a learner is asked for nothing that it refuses", async () => {
  const clients = fakeClients({ [M1]: { id: 1, isLearner: true } });
  expect(await survey(clients, [M1], { signal })).toMatchObject([{ endpoint: M1, status: { isLearner: true }, members: [], linearizable: undefined }]);
  expect(clients.called).toEqual([`${M1} Maintenance/Status`]);
});

test("survey: without a leader nobody waits for a read; without a quorum its failure is the finding; any other is the report", async () => {
  const leaderless = fakeClients({ [M1]: { id: 1, leader: 0 } });
  expect(await survey(leaderless, [M1], { signal })).toMatchObject([{ status: { leader: 0n }, linearizable: undefined }]);
  expect(leaderless.called).not.toContain(`${M1} KV/Range`);
  expect(await survey(fakeClients({ [M1]: { id: 1, read: NO_LEADER } }), [M1], { signal })).toMatchObject([
    { linearizable: undefined, members: { length: 3 } },
  ]);
  const denied = new EtcdsafeError("ETCD_PERMISSION_DENIED", "not you");
  expect(await survey(fakeClients({ [M1]: { id: 1, read: denied } }), [M1], { signal })).toEqual([{ endpoint: M1, error: denied }]);
});

test("survey: an answer that is not etcd's is a report; a fault of our own, and the caller's abort, are not", async () => {
  expect(await survey(fakeClients({ [M1]: { id: 1, garbled: true } }), [M1], { signal })).toMatchObject([{ error: { code: "ETCD_REQUEST_FAILED" } }]);
  await expect(survey(fakeClients({ [M1]: { id: 1, fails: new TypeError("ours") } }), [M1], { signal })).rejects.toThrow("ours");
  const aborted = AbortSignal.abort(new EtcdsafeError("INTERRUPTED", "enough"));
  await expect(survey(fakeClients({}), [M1], { signal: aborted })).rejects.toThrow("enough");
});

test("survey: a member that is asked for is looked for where it says it is, unless it answered already, and never in clear beside TLS", async () => {
  const all = { [M1]: { id: 1 }, [M2]: { id: 2 }, "http://forwarded:1": { id: 0xab3 } };
  expect(await asked(fakeClients(all), [M1])).toEqual([M1]);
  expect(await asked(fakeClients(all), [M1], "m2")).toEqual([M1, M2]);
  expect(await asked(fakeClients(all), [M1], "m1")).toEqual([M1]);
  expect(await asked(fakeClients(all), [M1], "m9")).toEqual([M1]);
  expect(await asked(fakeClients(all), [M1, "http://forwarded:1"], "m3")).toEqual([M1, "http://forwarded:1"]);
  expect(await asked(fakeClients(all), [M1], "m3")).toEqual([M1, "http://m3:2379", "https://m3:2379"]);
  expect(await asked(fakeClients(all), [M1, "http://m3:2379"], "m3")).toEqual([M1, "http://m3:2379", "https://m3:2379"]);
  expect(await asked(fakeClients(all, true), [M1], "m3")).toEqual([M1, "https://m3:2379"]);
});

test("survey: a member is known by its name, else by its id however that is written", async () => {
  const [report] = (await survey(fakeClients({ [M1]: { id: 1 } }), [M1], { signal })) as [AnsweredReport];
  for (const text of ["m3", "ab3", "AB3", "0000000000000ab3"]) expect(findMember([report], text)?.name).toBe("m3");
  const renamed: AnsweredReport = { ...report, members: report.members.map((member) => (member.name === "m1" ? { ...member, name: "ab3" } : member)) };
  expect(findMember([renamed], "ab3")?.id).toBe(1n);
  const down: EndpointReport = { endpoint: M2, error: new EtcdsafeError("ETCD_UNREACHABLE", "down") };
  expect([findMember([down], "m1"), isAnswered(down), isAnswered(report)]).toEqual([undefined, false, true]);
});
