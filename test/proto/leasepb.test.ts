import { expect, test } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { decodeLease } from "../../src/proto/leasepb.ts";
import { leaseRow } from "../support/rows.ts";

test("lease: reads what etcd writes, negative ids too, and skips unknown fields", () => {
  const { value } = leaseRow({ id: -5n, ttlSeconds: 3600, remainingTtlSeconds: 17 });
  expect(decodeLease(Buffer.concat([value, Buffer.from([0x7a, 1, 9])]))).toEqual({ id: -5n, ttlSeconds: 3600n, remainingTtlSeconds: 17n });
  expect(decodeLease(new Uint8Array(0))).toEqual({ id: 0n, ttlSeconds: 0n, remainingTtlSeconds: 0n });
});

test("lease: refuses a message that is cut short, with its place in the file", () => {
  const read = (): unknown => decodeLease(Uint8Array.of(0x08, 0x80), 1000);
  expect(read).toThrow(FormatError);
  expect(read).toThrow(/at byte 1002/);
});
