import { expect, test } from "vitest";
import type { MemberId } from "../../../src/bytes/u64.ts";
import { clusterId, inGoOrder, inNumericOrder, memberId } from "../../../src/etcd-files/membership/ids.ts";

// Expectations: etcdutl snapshot restore 3.5.35, 3.6.16 and 3.7.3 with --initial-cluster-token tokX.
const n1 = memberId(["http://127.0.0.1:42001"], "tokX");
const n2 = memberId(["http://127.0.0.2:42003", "http://127.0.0.1:42003"], "tokX");
const n3 = memberId(["http://127.0.0.1:42005"], "tokX");

test("ids: a member's is the one etcd computes, whatever the order of its URLs", () => {
  expect(n1).toBe(0x0ce9dd4bce73f8c4n);
  expect(n2).toBe(0xdbaba6e397d3a479n);
  expect(n3).toBe(0x2f1bd00aa88e6bdan);
});

test("ids: a cluster's is the one etcd computes, whatever the order of its members", () => {
  expect(clusterId([n2, n3, n1])).toBe(0x93b2df0f46cd604bn);
  expect(clusterId([n1, n2, n3])).toBe(0x93b2df0f46cd604bn);
});

test("ids: another token makes another member", () => {
  expect(memberId(["http://127.0.0.1:42001"], "tokY")).not.toBe(n1);
});

test("ids: sorted by number, where their hexadecimal names would sort differently", () => {
  expect(inNumericOrder([n2, n3, n1])).toEqual([n1, n3, n2]);
  expect(inGoOrder([n2, n3, n1].map((id) => id.toString(16)))).toEqual([n3, n1, n2].map((id) => id.toString(16)));
  expect(inNumericOrder([2n ** 63n, 1n, 2n ** 63n - 1n] as MemberId[])).toEqual([1n, 2n ** 63n - 1n, 2n ** 63n]);
});

test("ids: texts sort by their UTF-8 bytes, as Go's do, not by UTF-16 units", () => {
  expect(inGoOrder(["\u{10000}", "\uffff", "a"])).toEqual(["a", "\uffff", "\u{10000}"]);
});
