import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyValueCursor } from "../../../src/etcd-files/mvcc/key-value.ts";
import { ProtoReader, ProtoWriter } from "../../../src/proto/wire.ts";
import { runs, SEED } from "../../support/counts.ts";

interface Fields {
  readonly key: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: string;
  readonly hasLease: boolean;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Larger numbers are rounded, and only their size is promised. */
const exact = (value: number): number => (value < 2 ** 53 ? value : Number.POSITIVE_INFINITY);

function byCursor(message: Uint8Array, margin: number): Fields | undefined {
  // Neighbouring bytes must not matter.
  const bytes = new Uint8Array(message.length + 2 * margin).fill(0xff);
  bytes.set(message, margin);
  const cursor = new KeyValueCursor();
  if (!cursor.read(bytes, margin, margin + message.length)) return undefined;
  const [createRevision, modRevision, version] = [cursor.createRevision, cursor.modRevision, cursor.version].map(exact) as [number, number, number];
  const { hasLease } = cursor;
  return {
    key: hex(bytes.subarray(cursor.keyStart, cursor.keyEnd)),
    createRevision,
    modRevision,
    version,
    value: hex(bytes.subarray(cursor.valueStart, cursor.valueEnd)),
    hasLease,
  };
}

/** With the general reader, which allocates. */
function byReader(message: Uint8Array): Fields | undefined {
  const reader = new ProtoReader(message);
  const fields = { key: "", createRevision: 0, modRevision: 0, version: 0, value: "", hasLease: false };
  try {
    while (reader.next()) {
      if (reader.field === 1) fields.key = hex(reader.bytes());
      else if (reader.field === 2) fields.createRevision = exact(Number(reader.uint64()));
      else if (reader.field === 3) fields.modRevision = exact(Number(reader.uint64()));
      else if (reader.field === 4) fields.version = exact(Number(reader.uint64()));
      else if (reader.field === 5) fields.value = hex(reader.bytes());
      else if (reader.field === 6) fields.hasLease = reader.uint64() !== 0n;
      else reader.skip();
    }
    return fields;
  } catch {
    return undefined;
  }
}

const number = fc.oneof(fc.bigInt({ min: 0n, max: 300n }), fc.bigInt({ min: 0n, max: (1n << 53n) - 1n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const field = fc.oneof(
  fc.record({ field: fc.integer({ min: 1, max: 20 }), varint: number }),
  fc.record({ field: fc.integer({ min: 1, max: 20 }), bytes: fc.uint8Array({ maxLength: 200 }) }),
);

test("KeyValue: reads any message as the general reader does, in any order, with unknown and repeated fields", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 8 }), fc.nat(3), (fields, margin) => {
      const writer = new ProtoWriter();
      for (const each of fields) {
        if ("varint" in each) writer.varint(each.field, each.varint);
        else writer.bytes(each.field, each.bytes);
      }
      const message = writer.finish();
      expect(byCursor(message, margin)).toEqual(byReader(message));
    }),
    { seed: SEED, numRuns: runs(500, 20_000) },
  );
});

test("KeyValue: refuses any bytes that the general reader refuses", () => {
  const bytes = fc.array(fc.oneof(fc.constantFrom(0x0a, 0x10, 0x18, 0x20, 0x2a, 0x30, 0x80, 0x01, 0x3d, 0x39), fc.nat(255)), { maxLength: 24 });
  fc.assert(
    fc.property(bytes, fc.nat(3), (values, margin) => {
      const message = Uint8Array.from(values);
      expect(byCursor(message, margin)).toEqual(byReader(message));
    }),
    { seed: SEED, numRuns: runs(500, 20_000) },
  );
});
