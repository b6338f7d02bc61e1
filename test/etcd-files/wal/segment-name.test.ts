import { expect, test } from "vitest";
import type { RaftIndex } from "../../../src/bytes/u64.ts";
import { parseWalSegmentName, walSegmentName } from "../../../src/etcd-files/wal/segment-name.ts";

test("WAL file names: sequence and first index as 16 hexadecimal digits each", () => {
  const name = { sequence: 1n, firstIndex: 0x34n as RaftIndex };
  expect(walSegmentName(name)).toBe("0000000000000001-0000000000000034.wal");
  expect(parseWalSegmentName("0000000000000001-0000000000000034.wal")).toEqual(name);
  expect(parseWalSegmentName("0000000000000001-ffffffffffffffff.wal")).toEqual({ sequence: 1n, firstIndex: 2n ** 64n - 1n });
});

test.each(["0.tmp", "1.tmp", "0000000000000001-0000000000000034.wal.broken", "0000000000000001-0000000000000034", "1-34.wal", ".touch"])(
  "WAL file names: %s is none",
  (name) => {
    expect(parseWalSegmentName(name)).toBeUndefined();
  },
);
