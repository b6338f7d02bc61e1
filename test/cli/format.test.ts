import { expect, test } from "vitest";
import { formatAge, formatSize, formatSpan } from "../../src/cli/format.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [3_100_000, "3.1 MB"],
  [999_949, "999.9 kB"],
  [999_950, "1.0 MB"],
  [1_030_000_000, "1.0 GB"],
  [5e18, "5000.0 PB"],
])("format: %d bytes are %s", (sizeBytes, text) => {
  expect(formatSize(sizeBytes)).toBe(text);
});

test.each([
  [0, "0.0 s"],
  [340, "0.3 s"],
  [9_949, "9.9 s"],
  [9_950, "10 s"],
  [59_499, "59 s"],
  [59_500, "1 min 0 s"],
  [65_000, "1 min 5 s"],
  [7_380_000, "2 h 3 min"],
  [273_600_000, "3 d 4 h"],
])("format: %d ms are %s", (spanMs, text) => {
  expect(formatSpan(spanMs)).toBe(text);
});

test.each([
  [-5, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [3_599_999, "59m"],
  [172_799_999, "47h"],
  [172_800_000, "2d"],
])("format: what is %d ms old is of age %s", (ageMs, text) => {
  expect(formatAge(ageMs)).toBe(text);
});
