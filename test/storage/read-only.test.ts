import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { readOnly } from "../../src/storage/read-only.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.

test("read-only storage: reads, lists and looks up, and refuses every change", async () => {
  const inner = new MemoryStorage();
  const info = await inner.put("k", streamOf(Buffer.from("x")), { signal });
  const storage = readOnly(inner);
  expect(await collect(storage.read("k", { signal }), 10, () => new Error("too long"))).toEqual(Buffer.from("x"));
  expect(await storage.stat("k", { signal })).toEqual(info);
  expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([info]);
  await expect(storage.put("k", streamOf(), { signal })).rejects.toMatchObject({ code: "STORAGE_READ_ONLY" });
  await expect(storage.remove("k", { signal })).rejects.toMatchObject({ code: "STORAGE_READ_ONLY" });
  expect(await inner.stat("k", { signal })).toEqual(info);
});
