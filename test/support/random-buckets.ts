// Buckets of any names and rows for property tests: mostly small rows, now and then one larger than a page, sometimes many.
import fc from "fast-check";
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { sortedByKey } from "./rows.ts";

const row: fc.Arbitrary<Row> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ key: fc.uint8Array({ minLength: 1, maxLength: 30 }), value: fc.uint8Array({ maxLength: 80 }) }) },
  { weight: 2, arbitrary: fc.record({ key: fc.uint8Array({ minLength: 1, maxLength: 400 }), value: sized(0, 5000) }) },
  { weight: 1, arbitrary: fc.record({ key: sized(1, 3000), value: sized(0, 150_000) }) },
);

/** In order of keys, each key once. */
export const randomRows: fc.Arbitrary<Row[]> = fc
  .oneof({ weight: 5, arbitrary: fc.array(row, { maxLength: 8 }) }, { weight: 2, arbitrary: fc.array(row, { minLength: 50, maxLength: 400, size: "max" }) })
  .map((rows) => sortedByKey(new Map(rows.map((each) => [hex(each.key), each])).values()));

/** In order of names. */
export const randomBuckets: fc.Arbitrary<Record<string, Row[]>> = fc
  .dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/), randomRows, { maxKeys: 12, noNullPrototype: true })
  .map((buckets) => Object.fromEntries(Object.entries(buckets).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))));

/** Bytes of a random number of repetitions: cheap to make and to shrink, whatever their size. */
function sized(min: number, max: number): fc.Arbitrary<Uint8Array> {
  return fc.tuple(fc.integer({ min, max }), fc.integer({ min: 0, max: 255 })).map(([sizeBytes, fill]) => new Uint8Array(sizeBytes).fill(fill));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
