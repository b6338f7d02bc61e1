import fc from "fast-check";
import { expect, test } from "vitest";
import type { MemberId } from "../../../src/bytes/u64.ts";
import { encodeMemberJson, type Member, parseMemberJson } from "../../../src/etcd-files/membership/member-json.ts";
import { runs, SEED } from "../../support/counts.ts";

const text = fc.array(fc.nat(0x10ffff)).map((points) => String.fromCodePoint(...points).toWellFormed());
const texts = fc.array(text);
const members: fc.Arbitrary<Member> = fc.record({
  id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) as fc.Arbitrary<MemberId>,
  name: text,
  peerUrls: texts,
  clientUrls: texts,
  isLearner: fc.boolean(),
});

test("member JSON: every member is read back as written, its id to the last digit", () => {
  fc.assert(
    fc.property(members, (member) => {
      expect(parseMemberJson(Buffer.from(encodeMemberJson(member)))).toEqual(member);
    }),
    { seed: SEED, numRuns: runs(200, 10_000) },
  );
});

test("member JSON: fields in etcd's order, empty ones left out", () => {
  const id = 0xfedcba9876543210n as MemberId;
  expect(encodeMemberJson({ id, name: "", peerUrls: [], clientUrls: [], isLearner: false })).toBe('{"id":18364758544493064720,"peerURLs":[]}');
  expect(encodeMemberJson({ id, name: "a<b", peerUrls: ["http://a:1"], clientUrls: ["http://b:1"], isLearner: true })).toBe(
    '{"id":18364758544493064720,"peerURLs":["http://a:1"],"isLearner":true,"name":"a\\u003cb","clientURLs":["http://b:1"]}',
  );
});

test("member JSON: lists that Go wrote as null, and fields of later versions, do no harm", () => {
  expect(parseMemberJson(Buffer.from('{"id":1,"peerURLs":null,"new":{"x":[1]}}'))).toEqual({
    id: 1n,
    name: "",
    peerUrls: [],
    clientUrls: [],
    isLearner: false,
  });
});

test.each([
  "",
  "null",
  "[]",
  "removed",
  "{}",
  '{"id":-1}',
  '{"id":18446744073709551616}',
  '{"id":"1"}',
  '{"id":1,"peerURLs":[1]}',
  '{"id":1,"name":2}',
  '{"id":1,"isLearner":1}',
])("member JSON: %j is refused with its place in the file", (text) => {
  expect(() => parseMemberJson(Buffer.from(text), 77)).toThrow(expect.objectContaining({ name: "FormatError", code: "BBOLT_ROW_INVALID", offset: 77 }));
});

test("member JSON: any changed byte gives a member or BBOLT_ROW_INVALID", () => {
  const json = Buffer.from('{"id":18364758544493064720,"peerURLs":["http://a:1"],"isLearner":true,"name":"é","clientURLs":["http://b:1"]}');
  fc.assert(
    fc.property(fc.nat(json.length - 1), fc.nat(255), (at, byte) => {
      try {
        parseMemberJson(json.with(at, byte));
      } catch (error) {
        expect(error).toMatchObject({ code: "BBOLT_ROW_INVALID" });
      }
    }),
    { seed: SEED, numRuns: runs(500, 20_000) },
  );
});
