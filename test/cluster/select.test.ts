import { expect, test } from "vitest";
import { selectMember } from "../../src/cluster/select.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { answered, type Found, failed, member } from "./reports.ts";

const order = (...found: Found[]) => selectMember(found.map(answered)).order.map(({ name }) => name);

test("selection: a follower before the leader, in the order given otherwise", () => {
  expect(order({ id: 1 }, { id: 2 }, { id: 3 })).toEqual(["m2", "m3", "m1"]);
  expect(order({ id: 3 }, { id: 2 }, { id: 1 })).toEqual(["m3", "m2", "m1"]);
});

test("selection: a lag that measuring explains only breaks ties, a real one comes first", () => {
  expect(order({ id: 1, applied: 2000 }, { id: 2, applied: 1500 }, { id: 3, applied: 1600 })).toEqual(["m3", "m2", "m1"]);
  expect(order({ id: 1, applied: 2000 }, { id: 2, applied: 999 }, { id: 3, applied: 1000 })).toEqual(["m3", "m1", "m2"]);
});

test("selection: what is in a member's log counts as known, applied or not", () => {
  const found = [answered({ id: 1, applied: 3500 }), answered({ id: 2, applied: 3000, logged: 3600 }), answered({ id: 3, applied: 2500, logged: 3501 })];
  const { order } = selectMember(found);
  expect(order.map(({ name, reasons }) => [name, reasons.at(-1)])).toEqual([
    ["m2", "has applied everything but 600 raft entries"],
    ["m1", "has applied everything but 100 raft entries"],
    ["m3", "1100 raft entries behind"],
  ]);
});

test("selection: a member without a quorum, and one that etcd holds for corrupt, come last", () => {
  expect(order({ id: 2, quorum: false, leader: 0 }, { id: 1 })).toEqual(["m1", "m2"]);
  expect(
    order({ id: 2, errors: ["memberID:2 alarm:CORRUPT "] }, { id: 3, errors: ["memberID:2  alarm:CORRUPT", "memberID:3 alarm:NOSPACE "] }, { id: 1 }),
  ).toEqual(["m3", "m1", "m2"]);
});

test("selection: says in words why", () => {
  const { order, passedOver, quorum, leader, clusterId } = selectMember([
    answered({ id: 1, applied: 5000 }),
    answered({ id: 2, applied: 100 }),
    answered({ id: 3, applied: 4999 }),
    answered({ id: 4, isLearner: true }),
    answered({ id: 3, endpoint: "http://vip:2379" }),
    failed("http://m5:2379"),
  ]);
  expect([quorum, leader, clusterId]).toEqual([true, 1n, 9n]);
  expect(order.map(({ reasons }) => reasons)).toEqual([
    ["reads linearizably", "follower", "has applied everything but 1 raft entry"],
    ["reads linearizably", "leader", "has applied everything"],
    ["reads linearizably", "follower", "4900 raft entries behind"],
  ]);
  expect(passedOver).toEqual([
    { endpoint: "http://m4:2379", reason: "a learner may lag without anyone noticing" },
    { endpoint: "http://vip:2379", reason: "the same member as http://m3:2379" },
    { endpoint: "http://m5:2379", reason: "http://m5:2379: cannot connect: connect ECONNREFUSED" },
  ]);
});

test("selection: no quorum is told, not refused", () => {
  const reasons = ["cannot reach a quorum", "knows of no leader", "has applied everything"];
  expect(selectMember([answered({ id: 2, quorum: false, leader: 0 })])).toMatchObject({ quorum: false, leader: undefined, order: [{ name: "m2", reasons }] });
});

test("selection: a forced member is taken by name, id or endpoint, whatever speaks against it", () => {
  const reports = [
    answered({ id: 1 }),
    answered({ id: 2 }),
    answered({ id: 4, isLearner: true }),
    answered({ id: 3, applied: 1, quorum: false }),
    failed("http://m5:2379"),
  ];
  for (const member of ["m3", "3", "0000000000000003", "http://m3:2379", "m3:2379"]) {
    const { order, passedOver } = selectMember(reports, member);
    expect(order.map(({ name }) => name)).toEqual(["m3"]);
    // Nobody has to be told why not the others; but that one is down is news.
    expect(passedOver.map(({ endpoint }) => endpoint)).toEqual(["http://m5:2379"]);
  }
});

test.each([
  [
    "all endpoints fail alike",
    [failed("http://a:1"), failed("http://b:1")],
    undefined,
    "ETCD_UNREACHABLE",
    /none of 2 endpoints.*http:\/\/a:1: .*; http:\/\/b:1: /,
  ],
  [
    "endpoints fail, one of them so that somebody must see to it",
    [failed("http://a:1"), { endpoint: "http://b:1", error: new EtcdsafeError("ETCD_AUTH_FAILED", "http://b:1: no", { hint: "a hint" }) }],
    undefined,
    "ETCD_AUTH_FAILED",
    /none of 2 endpoints.*http:\/\/a:1: .*; http:\/\/b:1: no/,
  ],
  ["the one endpoint fails", [failed("http://a:1")], undefined, "ETCD_UNREACHABLE", /^http:\/\/a:1: cannot connect/],
  [
    "only learners answer",
    [answered({ id: 4, isLearner: true }), failed("http://a:1")],
    undefined,
    "ETCD_LEARNER_ONLY",
    /http:\/\/m4:2379: only learners answer \(http:\/\/a:1: /,
  ],
  [
    "two clusters answer",
    [answered({ id: 1 }), answered({ id: 2, clusterId: 10 })],
    undefined,
    "CLUSTER_MISMATCH",
    /m1:2379 of cluster 0{15}9; http.*m2:2379 of cluster 0{15}a/,
  ],
  ["only learners answer, and nothing failed", [answered({ id: 4, isLearner: true })], undefined, "ETCD_LEARNER_ONLY", /: only learners answer$/],
  [
    "only learners answer, which know of nobody, and one is forced",
    [answered({ id: 4, isLearner: true })],
    "m0",
    "ETCD_LEARNER_ONLY",
    /: only learners answer$/,
  ],
  ["nobody answers who could know the forced one", [failed("http://a:1")], "m1", "ETCD_UNREACHABLE", /^http:\/\/a:1: cannot connect/],
  [
    "the forced one is unknown beside one that has not started",
    [{ ...answered({ id: 1 }), members: [{ ...member(2), name: "" }] }],
    "m7",
    "USAGE",
    /the cluster's are \(not started\) 0{15}2$/,
  ],
  ["no endpoint is given", [], undefined, "CONFIG_INVALID", /no endpoints/],
  ["the forced one is a learner", [answered({ id: 1 }), answered({ id: 4, isLearner: true })], "http://m4:2379", "ETCD_LEARNER_ONLY", /m4:2379\) is a learner/],
  ["the forced one failed", [answered({ id: 1 }), failed("http://m2:2379")], "http://m2:2379", "ETCD_UNREACHABLE", /m2:2379: cannot connect/],
  [
    "the forced one answers nowhere",
    [answered({ id: 1 }), failed("http://m2:2379")],
    "m2",
    "ETCD_UNREACHABLE",
    /the member m2 answers at none of its client URLs \(.*ECONNREFUSED/,
  ],
  ["the forced one is unknown", [answered({ id: 1 })], "m7", "USAGE", /no member m7; the cluster's are m1 0{15}1, m2 .*, m3 /],
] as const)("selection: when %s", (_, reports, member, code, message) => {
  expect(() => selectMember(reports, member)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});

test("selection: when several endpoints fail, the hint is that of the one that somebody must see to", () => {
  const refused = { endpoint: "http://b:1", error: new EtcdsafeError("ETCD_AUTH_FAILED", "http://b:1: no", { hint: "a hint of its own" }) };
  expect(() => selectMember([failed("http://a:1"), refused])).toThrow(expect.objectContaining({ hint: "a hint of its own" }));
});
