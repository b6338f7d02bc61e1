import { expect, test } from "vitest";
import { partPath, wholePath } from "../../src/bytes/part-path.ts";

test("part paths: beside the whole one, never the same twice, and told apart from the end of its name", () => {
  let count = 0;
  const random = { randomBytes: (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++count) };
  expect([partPath("/a/etcd.db", random), partPath("/a/etcd.db", random)]).toEqual(["/a/etcd.db.010101010101.part", "/a/etcd.db.020202020202.part"]);
  for (const path of ["/a/etcd.db", "/a/part", "/a/x.part", "/a/0123456789ab"]) expect(wholePath(partPath(path, random))).toBe(path);
});
