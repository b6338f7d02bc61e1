import fc from "fast-check";
import { expect, test } from "vitest";
import { mergedByKey, objectNames } from "../../src/storage/object-names.ts";
import { runs, SEED } from "../support/counts.ts";

const isPlain = (name: string) => /^[a-z/%]*$/.test(name);
const keys = fc.oneof(fc.string({ unit: fc.constantFrom("a", "b", "/", "%", ".", "ä") }), fc.constantFrom("", "%hex/61", "%hex/zz", "%hex/"));

test("object names: every key has a name of its own, by which it is found again, and readable where it may be", () => {
  for (const prefix of ["", "etcd/prod"]) {
    const names = objectNames(prefix, isPlain);
    const property = fc.property(keys, keys, (one, other) => {
      expect(names.keyOf(names.nameOf(one))).toBe(one);
      if (one !== other) expect(names.nameOf(one)).not.toBe(names.nameOf(other));
      const { plain, escaped } = names.listed(one);
      expect(names.nameOf(one + other).startsWith(names.isEscaped(names.nameOf(one + other)) ? escaped : plain)).toBe(true);
    });
    fc.assert(property, { seed: SEED, numRuns: runs(300, 20_000) });
  }
  expect(objectNames("etcd", isPlain).nameOf("a/b")).toBe("etcd/a/b");
  for (const name of ["other/a", "etcd/%hex/61", "etcd/%hex/zz", "etcd/ä"]) expect(objectNames("etcd", isPlain).keyOf(name)).toBeUndefined();
});

test("object names: two listings are one, in the order of the keys' bytes", async () => {
  const listing = async function* (...sorted: string[]) {
    for (const key of sorted) yield { key };
  };
  expect(await Array.fromAsync(mergedByKey(listing("a", "c", "ｂ"), listing("b", "𐀀")), ({ key }) => key)).toEqual(["a", "b", "c", "ｂ", "𐀀"]);
});
