import { expect, test } from "vitest";
import type { MemberId } from "../../../src/bytes/u64.ts";
import { encodeV2Store, v2StoreMembers } from "../../../src/etcd-files/raft-snapshot/v2-store.ts";

const members = [
  { id: 0x0ce9dd4bce73f8c4n as MemberId, peerUrls: ["http://a:1", 'http://b<&"\u2028:1'] },
  { id: 0xdbaba6e397d3a479n as MemberId, peerUrls: [] },
];

test("v2 store: members are read back as written, those with fifteen digits too", () => {
  const found = v2StoreMembers(Buffer.from(encodeV2Store(members)), 1 << 20);
  expect(found?.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(members);
});

test("v2 store: what etcd adds to it later does not hide its members", () => {
  const store = JSON.parse(encodeV2Store(members.slice(0, 1)));
  store.Root.Children["0"].Children.version = { Path: "/0/version", Value: "3.6.0", Children: null };
  const member = store.Root.Children["0"].Children.members.Children["ce9dd4bce73f8c4"];
  member.Children.attributes = { Path: "", Value: '{"name":"m1","clientURLs":["http://a:2"]}', Children: null };
  member.Children.raftAttributes.Value = '{"peerURLs":["http://a:1"],"isLearner":true}';
  expect(v2StoreMembers(Buffer.from(JSON.stringify(store)), 1 << 20)).toEqual([{ id: 0x0ce9dd4bce73f8c4n, peerUrls: ["http://a:1"] }]);
});

test.each([
  "",
  "{}",
  '{"Root":null}',
  '{"Root":{"Children":{"0":{"Children":{}}}}}',
  '{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"xyz":{}}}}}}}}',
])("v2 store: %j is none", (json) => {
  expect(v2StoreMembers(Buffer.from(json), 1000)).toBeUndefined();
});
