import { expect, test } from "vitest";
import { nearest } from "../../src/config/suggest.ts";

const NAMES = ["repository", "endpoints", "cert", "key", "cacert"];

test.each([
  ["repositry", "repository"],
  ["endpoint", "endpoints"],
  ["cart", "cert"],
  ["kye", "key"],
  ["caecrt", "cacert"],
])("suggestion: %s is meant to be %s", (typed, meant) => {
  expect(nearest(typed, NAMES)).toBe(meant);
});

test.each(["port", "", "x", "location", "a".repeat(100_000)])("suggestion: nothing is near %.10s", (typed) => {
  expect(nearest(typed, NAMES)).toBeUndefined();
});
