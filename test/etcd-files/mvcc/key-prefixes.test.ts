import { expect, test } from "vitest";
import { KeyPrefixes } from "../../../src/etcd-files/mvcc/key-prefixes.ts";

function count(keys: readonly string[], limit = 50) {
  const prefixes = new KeyPrefixes();
  for (const key of keys) {
    const bytes = Buffer.from(`xx${key}/y/z/`);
    prefixes.add(bytes, 2, 2 + Buffer.byteLength(key), 1);
  }
  return prefixes.top(limit);
}

test("key prefixes: the first two path elements, the most frequent first", () => {
  expect(count(["/registry/pods/a", "/registry/pods/a/b", "/registry/leases/x", "a/b/c", "a/b/d", "a/b/e", "a/", "plain", "/", ""])).toEqual([
    { prefix: "a/b/", keys: 3 },
    { prefix: "", keys: 2 },
    { prefix: "/registry/pods/", keys: 2 },
    { prefix: "/", keys: 1 },
    { prefix: "/registry/leases/", keys: 1 },
    { prefix: "a/", keys: 1 },
  ]);
});

test("key prefixes: keys that went are subtracted, and prefixes without keys are left out", () => {
  const prefixes = new KeyPrefixes();
  for (const [key, change] of [
    ["a/b/1", 1],
    ["a/b/1", -1],
    ["c/d/1", 1],
    ["c/d/2", 1],
    ["c/d/1", -1],
  ] as const)
    prefixes.add(Buffer.from(key), 0, key.length, change);
  expect(prefixes.top(50)).toEqual([{ prefix: "c/d/", keys: 1 }]);
});

test("key prefixes: only so many are listed, and memory is bounded", () => {
  const many = Array.from({ length: 5000 }, (_, index) => `p${index}/q/x`);
  expect(count([...many, ...many.slice(0, 3)], 3)).toEqual([0, 1, 2].map((index) => ({ prefix: `p${index}/q/`, keys: 2 })));
});
