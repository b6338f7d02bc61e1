import { expect, test } from "vitest";
import { benchOptions } from "../../bench/options.ts";

const names = (args: readonly string[]) => {
  const { contests, dataSets } = benchOptions(args);
  return [contests.map(({ name }) => name), dataSets.map(({ name }) => name)];
};

test("bench options: everything at about 1 GB, unless said otherwise", () => {
  expect(benchOptions([])).toMatchObject({ sizeBytes: 1_024_000_000, runs: 5, write: false });
  expect(benchOptions(["--size-mb", "200", "--runs", "3", "--write"])).toMatchObject({ sizeBytes: 200_000_000, runs: 3, write: true });
  expect(benchOptions([]).contests).toHaveLength(6);
  expect(benchOptions([]).dataSets).toHaveLength(2);
});

test("bench options: --only names contests, data sets or both", () => {
  expect(names(["--only", "verify"])).toEqual([["verify a file"], ["uncompacted", "compacted"]]);
  expect(names(["--only", "save", "--only", "compacted"])).toEqual([
    ["save to a file, SHA-256 alone", "save to a file, checked", "save, compressed and checked"],
    ["compacted"],
  ]);
});

test("bench options: what cannot be meant is refused", () => {
  expect(() => benchOptions(["--size-mb", "0"])).toThrow("--size-mb 0: a number above 0");
  expect(() => benchOptions(["--runs", "1.5"])).toThrow("--runs 1.5");
  expect(() => benchOptions(["--only", "speed"])).toThrow("--only speed: no contest");
  expect(() => benchOptions(["--only", "verify", "--write"])).toThrow("leave --only out");
  expect(() => benchOptions(["--fast"])).toThrow("--fast");
});
