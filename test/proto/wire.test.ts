import fc from "fast-check";
import { expect, test } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { ProtoReader, ProtoWriter } from "../../src/proto/wire.ts";
import { runs, SEED } from "../support/counts.ts";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test("wire format: reads back every number, negative ones and the largest included", () => {
  fc.assert(
    fc.property(uint64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (unsigned, signed) => {
      const reader = new ProtoReader(new ProtoWriter().varint(1, unsigned).varint(2000, signed).finish());
      expect(reader.next()).toBe(true);
      expect([reader.field, reader.uint64()]).toEqual([1, unsigned]);
      expect(reader.next()).toBe(true);
      expect([reader.field, reader.int64()]).toEqual([2000, signed]);
      expect(reader.next()).toBe(false);
    }),
    { seed: SEED, numRuns: runs(100, 5000) },
  );
});

test("wire format: writes varints as protobuf's documentation has them", () => {
  expect(new ProtoWriter().varint(1, 150).finish()).toEqual(Uint8Array.of(0x08, 0x96, 0x01));
  expect(new ProtoWriter().string(2, "testing").finish()).toEqual(Uint8Array.of(0x12, 0x07, ...Buffer.from("testing")));
  expect(new ProtoWriter().varint(1, -1).finish()).toEqual(Uint8Array.of(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01));
});

test("wire format: hands out bytes as a view into the message, and says where in the file they are", () => {
  const bytes = new ProtoWriter()
    .varint(1, 300)
    .bytes(2, Uint8Array.of(7, 8, 9))
    .finish();
  const reader = new ProtoReader(bytes, 1000);
  reader.next();
  reader.skip();
  reader.next();
  const [inner, offset] = reader.message();
  expect(inner).toEqual(Uint8Array.of(7, 8, 9));
  expect(inner.buffer).toBe(bytes.buffer);
  expect(offset).toBe(1000 + bytes.length - 3);
});

test("wire format: skips fields of every wire type", () => {
  const bytes = Uint8Array.of(0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 1, 2, 0x25, 1, 2, 3, 4, 0x28, 5);
  const reader = new ProtoReader(bytes);
  const fields: number[] = [];
  while (reader.next()) {
    fields.push(reader.field);
    if (reader.field === 5) expect(reader.uint32()).toBe(5);
    else reader.skip();
  }
  expect(fields).toEqual([1, 2, 3, 4, 5]);
});

test.each([
  ["a number that goes on past the message", [0x08, 0x80]],
  ["a number of more than 64 bits", [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]],
  ["a number of eleven bytes", [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ["a field longer than the message", [0x12, 0x05, 0x01]],
  ["a length beyond what a number can hold", [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x01]],
  ["field number 0", [0x00, 0x01]],
  ["wire type 3, a group", [0x0b]],
  ["wire type 7", [0x0f]],
])("wire format: refuses %s", (_what, bytes) => {
  const read = () => {
    const reader = new ProtoReader(Uint8Array.from(bytes), 40);
    while (reader.next()) reader.skip();
  };
  expect(read).toThrow(FormatError);
  expect(read).toThrow(/ at byte [45]\d$/);
});

test("wire format: refuses a field of another type than expected", () => {
  const reader = new ProtoReader(new ProtoWriter().varint(1, 1).finish());
  reader.next();
  expect(() => reader.bytes()).toThrow(expect.objectContaining({ code: "PROTO_INVALID" }));
});

test("wire format: arbitrary bytes are read or refused with PROTO_INVALID", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new ProtoReader(bytes);
      try {
        while (reader.next()) reader.wireType === 2 ? reader.packedUint64() : reader.skip();
      } catch (error) {
        expect(error).toMatchObject({ name: "FormatError", code: "PROTO_INVALID" });
      }
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});
