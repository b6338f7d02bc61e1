import fc from "fast-check";
import { expect, test } from "vitest";
import { SupersededKeys } from "../../../src/etcd-files/mvcc/superseded-keys.ts";
import { runs, SEED } from "../../support/counts.ts";

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

interface Change {
  readonly key: Uint8Array;
  readonly main: number;
}

/** Few short keys, so that they repeat, and lengths around the four bytes that are hashed at once. */
const changes = fc.array(fc.record<Change>({ key: fc.uint8Array({ maxLength: 9, max: 3 }), main: fc.integer({ min: 1, max: 100 }) }), { maxLength: 200 });

test("superseded keys: answers as a Map of the newest change at each revision would", () => {
  const revisions = [10, 50, 100];
  fc.assert(
    fc.property(changes, (recorded) => {
      const keys = new SupersededKeys(revisions);
      for (const { key, main } of recorded) keys.record(viewOf(key), key, 0, key.length, main);
      for (const { key, main } of recorded) {
        const name = Buffer.from(key).toString("hex");
        const newer = (revision: number) =>
          recorded.some((each) => Buffer.from(each.key).toString("hex") === name && each.main > main && each.main <= revision);
        const expected = revisions.reduce((bits, revision, index) => bits | (newer(revision) ? 1 << index : 0), 0);
        expect(keys.supersededBits(viewOf(key), key, 0, key.length, main)).toBe(expected);
      }
    }),
    { seed: SEED, numRuns: runs(100, 5000) },
  );
});

test("superseded keys: above its budget it keeps a part, and the parts together hold every key once", () => {
  const all = Array.from({ length: 5000 }, (_, index) => Buffer.from(`/registry/things/${index}`));
  const keys = new SupersededKeys([1000], 10_000);
  const record = () => {
    for (const key of all) keys.record(viewOf(key), key, 0, key.length, 7);
  };
  record();
  expect(keys.overflowed).toBe(true);
  const found = new Array<number>(all.length).fill(0);
  for (let part = 0; part < keys.parts; part++) {
    // A part that turns out too large becomes two: this one, and one that comes later.
    do {
      keys.startPart(part);
      record();
    } while (keys.overflowed);
    for (const [index, key] of all.entries()) found[index] = (found[index] as number) | keys.supersededBits(viewOf(key), key, 0, key.length, 5);
  }
  expect(found).toEqual(new Array(all.length).fill(1));
  expect(keys.parts).toBeGreaterThanOrEqual(16);
});

test("superseded keys: tells keys apart that differ in one bit, or only in length", () => {
  const keys = new SupersededKeys([10]);
  const known = Buffer.alloc(41, "k");
  keys.record(viewOf(known), known, 0, known.length, 5);
  const others = Array.from({ length: known.length * 8 }, (_, bit) => known.with(bit >> 3, (known[bit >> 3] as number) ^ (1 << (bit & 7))));
  for (let size = 0; size < known.length; size++)
    others.push(Buffer.alloc(size, "k"), Buffer.concat([known.subarray(0, size), Buffer.alloc(known.length - size)]));
  for (const other of others) expect(keys.supersededBits(viewOf(other), other, 0, other.length, 1)).toBe(0);
  expect(keys.supersededBits(viewOf(known), known, 0, known.length, 1)).toBe(1);
});
