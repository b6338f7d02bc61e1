import { expect, test } from "vitest";
import type { MemberId, Revision } from "../../src/bytes/u64.ts";
import type { MemberClient, UnaryOptions } from "../../src/cluster/channel.ts";
import { type CompareOptions, compareHashes } from "../../src/cluster/compare.ts";
import { GrpcStatusError, refusal } from "../../src/cluster/grpc-errors.ts";
import type { MemberClients } from "../../src/cluster/member-clients.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";
import { member } from "./reports.ts";

/** `refuses`: with each of these in turn, before it answers. */
type Behaviour = { readonly id: number; readonly refuses?: string[] } | "down" | "silent" | "broken";

/** Members that answer HashKV with 42; `asked` lists who was asked, in order. */
function fakeClients(behaviours: Record<string, Behaviour>, secure = false): MemberClients & { readonly asked: string[]; readonly signs: unknown[] } {
  const asked: string[] = [];
  const signs: unknown[] = [];
  const at = (endpoint: string): MemberClient => ({
    endpoint,
    async call(method: string, _message: Uint8Array, { signal, limitMs }: UnaryOptions) {
      const behaviour = behaviours[endpoint] ?? "down";
      if (method === "Maintenance/HashKV") asked.push(endpoint);
      else signs.push([endpoint, limitMs]);
      if (behaviour === "down") throw new EtcdsafeError("ETCD_UNREACHABLE", `${endpoint}: cannot connect`);
      if (behaviour === "broken") throw new TypeError("a fault of our own");
      if (behaviour === "silent") return await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      const refused = behaviour.refuses?.shift();
      if (refused !== undefined) throw refusal(endpoint, method, new GrpcStatusError(11, `etcdserver: mvcc: required revision ${refused}`));
      const header = new ProtoWriter().bytes(1, new ProtoWriter().varint(2, behaviour.id).finish());
      if (method === "Maintenance/Status") return header.finish();
      return header.varint(2, 42).varint(3, -1n).finish();
    },
    stream: () => Promise.reject(new Error("not asked for")),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  });
  return { asked, signs, secure, at, close: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
}

function compare(clients: MemberClients, options: Partial<CompareOptions> = {}) {
  return compareHashes(clients, {
    signal: new AbortController().signal,
    revision: 9n as Revision,
    which: "all",
    serving: 2n as MemberId,
    leader: 1n as MemberId,
    members: [member(1), member(2), member(3), member(4, true)],
    endpoints: new Map(),
    silent: new Map(),
    memberLimitMs: 200,
    runtime: { monotonicMs: () => performance.now(), sleep: async () => undefined, log: () => undefined },
    ...options,
  });
}

const ALL = { "http://m1:2379": { id: 1 }, "http://m2:2379": { id: 2 }, "http://m3:2379": { id: 3 } } as const;

test("comparison: voting members only, the leader last, the serving one only if all are asked", async () => {
  const clients = fakeClients(ALL);
  expect((await compare(clients)).map(({ name, outcome }) => `${name} ${outcome}`)).toEqual(["m2 answered", "m3 answered", "m1 answered"]);
  expect(clients.asked).toEqual(["http://m2:2379", "http://m3:2379", "http://m1:2379"]);
  expect((await compare(clients, { which: "others" })).map(({ name }) => name)).toEqual(["m3", "m1"]);
});

test("comparison: endpoints known to work come before advertised ones, and the next is tried when one fails", async () => {
  const clients = fakeClients({ "http://forwarded:1": { id: 2 }, "http://m2:2379": { id: 2 }, "http://m3:2379": { id: 3 } });
  const endpoints = new Map([
    [2n as MemberId, "http://forwarded:1"],
    [3n as MemberId, "http://forwarded:3"],
  ]);
  expect(await compare(clients, { endpoints })).toMatchObject([
    { name: "m2", outcome: "answered", endpoint: "http://forwarded:1", hash: 42 },
    { name: "m3", outcome: "answered", endpoint: "http://m3:2379" },
    { name: "m1", outcome: "unreachable", endpoint: "http://m1:2379", why: "http://m1:2379: cannot connect" },
  ]);
  expect(clients.asked).toEqual(["http://forwarded:1", "http://forwarded:3", "http://m3:2379", "http://m1:2379"]);
});

test("comparison: a member that does not answer is given up at its limit, and the others are asked", async () => {
  const answers = await compare(fakeClients({ ...ALL, "http://m2:2379": "silent" }));
  expect(answers.map(({ outcome }) => outcome)).toEqual(["unreachable", "answered", "answered"]);
  expect(answers[0]).toMatchObject({ why: "http://m2:2379: no answer within 200 ms" });
});

test("comparison: a member that was silent before is asked for HashKV only after a sign of life", async () => {
  const silent = new Map([
    [1n as MemberId, undefined],
    [2n as MemberId, "its stream was given up"],
  ]);
  const clients = fakeClients({ ...ALL, "http://m2:2379": "down" });
  expect(await compare(clients, { silent })).toMatchObject([
    { name: "m2", outcome: "unreachable", why: "http://m2:2379: cannot connect; before that, its stream was given up" },
    { name: "m3", outcome: "answered" },
    { name: "m1", outcome: "answered" },
  ]);
  expect(clients.asked).toEqual(["http://m3:2379", "http://m1:2379"]);
  expect(clients.signs).toEqual([
    ["http://m2:2379", 5000],
    ["http://m1:2379", 5000],
  ]);
});

test("comparison: for whom it waits longer than others is told", async () => {
  const logged: string[] = [];
  const { promise: later, resolve: pass } = Promise.withResolvers<void>();
  const sleep = (_: number, signal: AbortSignal) =>
    Promise.race([later, new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))]);
  const runtime = { monotonicMs: () => performance.now(), sleep, log: ({ message }: { message: string }) => void logged.push(message) };
  const comparing = compare(fakeClients({ ...ALL, "http://m3:2379": "silent" }), { runtime, memberLimitMs: 500 });
  setTimeout(pass, 200);
  await comparing;
  expect(logged[0]).toBe("waiting for the HashKV of m3, for up to 0.5 s");
  const silent = new Map([[3n as MemberId, undefined]]);
  await compare(fakeClients({ ...ALL, "http://m3:2379": "silent" }), { runtime, silent, memberLimitMs: 500 });
  expect(logged).toContain("waiting for the HashKV of m3, for up to 5 s if it gives no sign of life");
});

test("comparison: the caller's abort is not taken for a silent member", async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(new EtcdsafeError("INTERRUPTED", "enough")), 50);
  const clients = fakeClients({ ...ALL, "http://m2:2379": "silent" });
  await expect(compare(clients, { signal: abort.signal, memberLimitMs: 60_000 })).rejects.toThrow("enough");
  expect(clients.asked).toEqual(["http://m2:2379"]);
});

test("comparison: a fault of our own is not taken for one of a member", async () => {
  await expect(compare(fakeClients({ ...ALL, "http://m2:2379": "broken" }))).rejects.toThrow("a fault of our own");
});

test("comparison: one that lags is asked again until its limit, one that refuses for another reason is not", async () => {
  let nowMs = 0;
  const pauses: number[] = [];
  const sleep = async (delayMs: number) => {
    if (delayMs === 2_000) return; // Until it tells for whom it waits.
    pauses.push(delayMs);
    nowMs += delayMs;
  };
  const runtime = { monotonicMs: () => nowMs, sleep, log: () => undefined };
  const future = (times: number) => Array<string>(times).fill("is a future revision");
  const clients = fakeClients({
    "http://m1:2379": { id: 1, refuses: future(99) },
    "http://m2:2379": { id: 2, refuses: future(3) },
    "http://m3:2379": { id: 3, refuses: ["has been compacted"] },
  });
  const answers = await compare(clients, { runtime, memberLimitMs: 1000 });
  expect(answers).toMatchObject([
    { name: "m2", outcome: "answered" },
    { name: "m3", outcome: "not-comparable", why: expect.stringContaining("compacted") },
    { name: "m1", outcome: "not-comparable", why: "it had not reached revision 9 in time" },
  ]);
  expect(pauses).toHaveLength(3 + 4);
});

test("comparison: another member behind the address, a member that never started, and plain URLs beside TLS are unreachable", async () => {
  const [wrong] = await compare(fakeClients({ ...ALL, "http://m2:2379": { id: 3 } }));
  expect(wrong).toMatchObject({ outcome: "unreachable", why: "http://m2:2379: another member (3) answers there" });
  const unstarted = { ...member(2), name: "", clientUrls: [] };
  expect(await compare(fakeClients(ALL), { members: [unstarted] })).toMatchObject([
    { outcome: "unreachable", endpoint: undefined, why: "it has not started yet" },
  ]);
  expect(await compare(fakeClients(ALL), { members: [{ ...member(2), clientUrls: [] }] })).toMatchObject([{ why: "it advertises no client URL" }]);
  const secure = fakeClients({ ...ALL, "https://m3:2379": { id: 3 } }, true);
  expect((await compare(secure)).map(({ outcome }) => outcome)).toEqual(["unreachable", "unreachable", "unreachable"]);
  expect(secure.asked).toEqual([]);
  expect(await compare(secure, { members: [{ ...member(3), clientUrls: ["http://m3:2379", "https://m3:2379"] }] })).toMatchObject([
    { outcome: "answered", endpoint: "https://m3:2379" },
  ]);
});
