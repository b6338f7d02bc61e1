import { expect, test } from "vitest";
import { encodeRevisionKey, parseRevisionKey } from "../../../src/etcd-files/mvcc/revision-key.ts";
import { revisionKey } from "../../support/rows.ts";

test("revision key: is what etcd writes, and reads back", () => {
  for (const [main, sub, tombstone] of [
    [2n, 0n, false],
    [1n << 40n, 7n, true],
    [(1n << 63n) - 1n, 1n << 33n, false],
  ] as const) {
    const key = encodeRevisionKey(main, sub, tombstone);
    expect(parseRevisionKey(key)).toEqual({ main, sub, tombstone });
  }
  expect(Buffer.from(encodeRevisionKey(5n, 3n, true))).toEqual(Buffer.from(revisionKey(5n, 3, true)));
});

test("revision key: anything else is none", () => {
  const key = encodeRevisionKey(5n, 3n, true);
  for (const bad of [key.subarray(0, 16), key.with(8, 0), key.with(17, 0), key.with(0, 0x80), key.with(9, 0x80), new Uint8Array(0), new Uint8Array(19)]) {
    expect(parseRevisionKey(bad)).toBeUndefined();
  }
});
