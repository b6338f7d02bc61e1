import fc from "fast-check";
import { expect, test } from "vitest";
import { goJsonString, goJsonStrings, isUint64, jsonArray, jsonObject, parseGoJson } from "../../src/proto/go-json.ts";
import { runs, SEED } from "../support/counts.ts";

/** Half surrogates included. */
const anyText = fc.array(fc.nat(0x10ffff)).map((points) => String.fromCodePoint(...points));

// Expectations: json.Marshal of Go 1.26.8.
test.each([
  ["a<b>&c", String.raw`"a\u003cb\u003e\u0026c"`],
  ['quote " and \\', String.raw`"quote \" and \\"`],
  ["é 日本 😀", '"é 日本 😀"'],
  ["\u2028\u2029", String.raw`"\u2028\u2029"`],
  ["\b\f\n\r\t", String.raw`"\b\f\n\r\t"`],
  ["\u0000\u001f\u007f", '"\\u0000\\u001f\u007f"'],
  ["'/`", '"\'/`"'],
])("Go's JSON: writes %j as json.Marshal does", (text, literal) => {
  expect(goJsonString(text)).toBe(literal);
});

test("Go's JSON: every text survives, half surrogates as the replacement character", () => {
  fc.assert(
    fc.property(fc.array(anyText), (texts) => {
      expect(parseGoJson(Buffer.from(goJsonStrings(texts)), 1 << 20)).toEqual(texts.map((text) => text.toWellFormed()));
    }),
    { seed: SEED, numRuns: runs(200, 10_000) },
  );
  expect(parseGoJson(Buffer.from(goJsonString("a\ud800b")), 100)).toBe("a\ufffdb");
});

test("Go's JSON: integers keep all their digits, other numbers stay numbers", () => {
  const parsed = jsonObject(
    parseGoJson(Buffer.from('{"id":18446744073709551615,"negative":-9223372036854775808,"float":1.5,"power":1e3,"list":[9007199254740993]}'), 1000),
  );
  expect(parsed?.get("id")).toBe(18446744073709551615n);
  expect(parsed?.get("negative")).toBe(-9223372036854775808n);
  expect(parsed?.get("float")).toBe(1.5);
  expect(parsed?.get("power")).toBe(1000);
  expect(parsed?.get("list")).toEqual([9007199254740993n]);
});

test.each([
  ["a syntax error", Buffer.from('{"a":')],
  ["bytes that are no UTF-8", Buffer.from('"\xff"', "latin1")],
  ["a hundred thousand nested lists", Buffer.from("[".repeat(100_000) + "]".repeat(100_000))],
  ["more bytes than allowed", Buffer.from(`"${"x".repeat(2_000_000)}"`)],
])("Go's JSON: %s is undefined, not an exception", (_what, bytes) => {
  expect(parseGoJson(bytes, 1_000_000)).toBeUndefined();
});

test("Go's JSON: an integer of a million digits does not become a bigint of a million digits", () => {
  expect(typeof parseGoJson(Buffer.from("9".repeat(1_000_000)), 2_000_000)).toBe("number");
});

test("Go's JSON: null and absent slices are empty, others must hold what they should", () => {
  expect(jsonArray(null, isUint64)).toEqual([]);
  expect(jsonArray(undefined, isUint64)).toEqual([]);
  expect(jsonArray([1n, 2n ** 64n - 1n], isUint64)).toEqual([1n, 2n ** 64n - 1n]);
  expect(jsonArray([-1n], isUint64)).toBeUndefined();
  expect(jsonArray([2n ** 64n], isUint64)).toBeUndefined();
  expect(jsonArray({ 0: 1n }, isUint64)).toBeUndefined();
});

test("Go's JSON: only objects have fields", () => {
  for (const text of ["null", "[]", '"x"', "1", "true"]) expect(jsonObject(parseGoJson(Buffer.from(text), 10))).toBeUndefined();
  expect(jsonObject(parseGoJson(Buffer.from('{"__proto__":1}'), 100))?.get("__proto__")).toBe(1n);
});
