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
  const keys = new SupersededKeys([1000], 100_000);
  const record = () => {
    for (const key of all) keys.record(viewOf(key), key, 0, key.length, 7);
  };
  record();
  expect(keys.parts).toBeGreaterThan(1);
  const found = new Array<number>(all.length).fill(0);
  for (let part = 0; part < keys.parts; part++) {
    if (part > 0) {
      keys.startPart(part);
      record();
    }
    for (const [index, key] of all.entries()) found[index] = (found[index] as number) + keys.supersededBits(viewOf(key), key, 0, key.length, 5);
  }
  expect(found).toEqual(new Array(all.length).fill(1));
});

test("superseded keys: keeps a key that is larger than the whole budget", () => {
  const keys = new SupersededKeys([10], 20_000);
  const large = Buffer.alloc(200_000, "k");
  keys.record(viewOf(large), large, 0, large.length, 5);
  expect(keys.supersededBits(viewOf(large), large, 0, large.length, 4)).toBe(1);
});
