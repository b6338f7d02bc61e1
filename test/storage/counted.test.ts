import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { counted } from "../../src/storage/counted.ts";
import { versionedStorage } from "../support/versioned-storage.ts";

const { signal } = new AbortController();

test("counted storage: tells of all bytes that are written and read, ranges and versions too", async () => {
  const told: [string, number][] = [];
  const storage = counted(versionedStorage(), (direction, sizeBytes) => void told.push([direction, sizeBytes]));
  const sum = (wanted: string) => told.filter(([direction]) => direction === wanted).reduce((total, [, sizeBytes]) => total + sizeBytes, 0);
  const { versionId } = await storage.put("k", streamOf(Buffer.alloc(100)), { signal });
  expect([sum("written"), sum("read")]).toEqual([100, 0]);
  const none = () => new Error("too long");
  await collect(storage.read("k", { signal, range: { start: 10, end: 40 } }), 1000, none);
  await collect(storage.versions!.read("k", versionId!, { signal }), 1000, none);
  expect([sum("written"), sum("read")]).toEqual([100, 130]);
});
