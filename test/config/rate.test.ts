import fc from "fast-check";
import { expect, test } from "vitest";
import { formatRate, parseRate } from "../../src/config/rate.ts";
import { SEED } from "../support/counts.ts";

test.each([
  ["1", 1024],
  ["512", 512 * 1024],
  ["10MiB", 10 * 1024 * 1024],
  ["10M", 10 * 1024 * 1024],
  ["10 mib/s", 10 * 1024 * 1024],
  ["1.5K", 1536],
  ["500KB", 500_000],
  ["2GB", 2e9],
  ["100B", 100],
])("rate: %s is %d bytes per second", (text, bytesPerSecond) => {
  expect(parseRate(text)).toBe(bytesPerSecond);
});

test.each(["", "M", "-1", "1TB", "1 0", "1e3", "9".repeat(20)])("rate: %j is none", (text) => {
  expect(parseRate(text)).toBeUndefined();
});

test("rate: is read back from how it is written", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat(),
        fc.nat(2000).map((count) => count * 1024 * 1024),
      ),
      (rate) => void expect(parseRate(formatRate(rate))).toBe(rate),
    ),
    { seed: SEED },
  );
});
