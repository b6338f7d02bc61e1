import { expect, test } from "vitest";
import { parseAdvertisedPeerUrls, parseInitialCluster } from "../../../src/etcd-files/membership/initial-cluster.ts";

test("initial cluster: one entry per URL, a name repeats for each of its URLs", () => {
  expect(parseInitialCluster("m1=http://a:1,m2=http://b:1,m1=http://c:1")).toEqual([
    { name: "m1", peerUrls: ["http://a:1", "http://c:1"] },
    { name: "m2", peerUrls: ["http://b:1"] },
  ]);
});

test("initial cluster: as etcd, takes empty entries for nothing, blanks for part of a name, and only the first = for the end of one", () => {
  expect(parseInitialCluster(",m1=http://a:1,, m2= http://b:1=x,")).toEqual([
    { name: "m1", peerUrls: ["http://a:1"] },
    { name: " m2", peerUrls: [" http://b:1=x"] },
  ]);
});

test.each([
  ["", "--initial-cluster names no member"],
  [",,", "--initial-cluster names no member"],
  ["m1", '--initial-cluster: "m1" is not name=peer URL'],
  ["=http://a:1", '--initial-cluster: "=http://a:1" has no name before its "="'],
])("initial cluster: %j is refused", (text, message) => {
  expect(() => parseInitialCluster(text)).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID", message }));
});

test("initial cluster: more members than any cluster has are refused", () => {
  const of = (count: number) => Array.from({ length: count }, (_, index) => `m${index}=http://m${index}:1`).join(",");
  expect(parseInitialCluster(of(100))).toHaveLength(100);
  expect(() => parseInitialCluster(of(101))).toThrow(
    expect.objectContaining({ code: "MEMBERS_INVALID", message: "--initial-cluster names 101 members, more than 100" }),
  );
});

test("initial cluster: a second URL without its name is refused with the way to write it", () => {
  expect(() => parseInitialCluster("m1=http://a:1,http://b:1")).toThrow(
    expect.objectContaining({ code: "MEMBERS_INVALID", hint: "If it is another URL of m1, write m1=http://b:1." }),
  );
});

test("advertised peer URLs: a list as etcd stores it, sorted", () => {
  expect(parseAdvertisedPeerUrls("http://b:1, HTTP://a:1")).toEqual(["http://a:1", "http://b:1"]);
  expect(() => parseAdvertisedPeerUrls("http://b:1,")).toThrow('--initial-advertise-peer-urls: the peer URL "" has no scheme');
});
