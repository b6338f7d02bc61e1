import { expect, test } from "vitest";
import { memberNamed, planCluster } from "../../../src/etcd-files/membership/plan-cluster.ts";

const specs = [
  { name: "n1", peerUrls: ["http://127.0.0.1:42001"] },
  { name: "n2", peerUrls: ["http://127.0.0.2:42003", " HTTP://127.0.0.1:42003 "] },
  { name: "n3", peerUrls: ["http://127.0.0.1:42005"] },
];

test("planned cluster: members by ascending id, with the URLs that etcd stores", () => {
  const cluster = planCluster(specs, "tokX");
  expect(cluster.clusterId).toBe(0x93b2df0f46cd604bn);
  expect(cluster.members.map(({ name, id }) => [name, id])).toEqual([
    ["n1", 0x0ce9dd4bce73f8c4n],
    ["n3", 0x2f1bd00aa88e6bdan],
    ["n2", 0xdbaba6e397d3a479n],
  ]);
  expect(cluster.members[2]?.peerUrls).toEqual(["http://127.0.0.1:42003", "http://127.0.0.2:42003"]);
  expect(cluster.members[2]?.memberJson).toBe('{"id":15828928811758756985,"peerURLs":["http://127.0.0.1:42003","http://127.0.0.2:42003"],"name":"n2"}');
});

test("planned cluster: planning what was planned changes nothing", () => {
  const cluster = planCluster(specs, "tokX");
  expect(planCluster(cluster.members, "tokX")).toEqual(cluster);
});

test.each([
  ["no member", [], "no member is named"],
  ["a member without URLs", [{ name: "a", peerUrls: [] }], 'member "a" has no peer URL'],
  ["a member without a name", [{ name: "", peerUrls: ["http://a:1"] }], "a member without a name (peer URLs: http://a:1)"],
  ["a name with a comma", [{ name: "a,b", peerUrls: ["http://a:1"] }], 'the member name "a,b" holds ","'],
  ["a name with an equals sign", [{ name: "a=b", peerUrls: ["http://a:1"] }], 'the member name "a=b" holds "="'],
  ["a blank name", [{ name: " \t", peerUrls: ["http://a:1"] }], "is blank"],
  ["a line break before a name", [{ name: "\na", peerUrls: ["http://a:1"] }], 'the member name "\\na" holds a control character'],
  ["a URL etcd would not take", [{ name: "a", peerUrls: ["http://a:1/"] }], 'member "a": the peer URL "http://a:1/" must not have a path'],
  ["a URL twice in one member", [{ name: "a", peerUrls: ["http://a:1", "HTTP://a:1"] }], 'member "a" has the peer URL http://a:1 twice'],
  [
    "a URL in two members",
    [
      { name: "a", peerUrls: ["http://a:1"] },
      { name: "b", peerUrls: ["http://b:1", "http://a:1"] },
    ],
    /^the members "[ab]" and "[ab]" have the same peer URL http:\/\/a:1$/,
  ],
  [
    "a name twice, as a members file may have it",
    [
      { name: "a", peerUrls: ["http://a:1"] },
      { name: "a", peerUrls: ["http://b:1"] },
    ],
    'two members are named "a"',
  ],
  [
    "different URLs that read the same when strung together for hashing",
    [
      { name: "a", peerUrls: ["unix://x", "unix://y"] },
      { name: "b", peerUrls: ["unix://xunix://y"] },
    ],
    /^the members "[ab]" and "[ab]" get the same id from their peer URLs$/,
  ],
])("planned cluster: refuses %s", (_what, members, message) => {
  const plan = () => planCluster(members, "token");
  expect(plan).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID" }));
  expect(plan).toThrow(message);
});

test("planned cluster: finds a member by its name, or says which names there are", () => {
  const cluster = planCluster(specs, "tokX");
  expect(memberNamed(cluster, "n3").id).toBe(0x2f1bd00aa88e6bdan);
  expect(() => memberNamed(cluster, "n4")).toThrow('the member "n4" is not in the initial cluster, which names "n1", "n3", "n2"');
});
