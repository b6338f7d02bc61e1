import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { orAbsent } from "../../src/storage/or-absent.ts";
import { failingStorage } from "../faults/kit/storages.ts";
import { expectThrown } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const whole = (bytes: AsyncIterable<Uint8Array>) => collect(bytes, 100, () => new Error("too long"));

test("storage that may be absent: gives what is there, and nothing is told of what is not", async () => {
  const inner = new MemoryStorage();
  await inner.put("a", streamOf(Buffer.from("x")), { signal });
  const told: string[] = [];
  const storage = orAbsent(inner, ({ code }) => void told.push(code));
  expect(await Array.fromAsync(storage.list("", { signal }))).toMatchObject([{ key: "a" }]);
  expect(Buffer.from(await whole(storage.read("a", { signal }))).toString()).toBe("x");
  expect(await storage.stat("b", { signal })).toBeUndefined();
  await expectThrown("STORAGE_NOT_FOUND", () => whole(storage.read("b", { signal })), /b/);
  expect(told).toEqual([]);
});

test("storage that may be absent: is empty where it fails, which is told once; what is written still has to arrive", async () => {
  const inner = new MemoryStorage();
  await inner.put("a", streamOf(Buffer.from("x")), { signal });
  const error = new EtcdsafeError("STORAGE_UNREACHABLE", "of the test");
  const told: EtcdsafeError[] = [];
  const failing = failingStorage(inner, { operations: ["list", "read", "stat", "put"], error: () => error });
  const storage = orAbsent(failing, (each) => void told.push(each));
  expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([]);
  expect(await storage.stat("a", { signal })).toBeUndefined();
  await expectThrown("STORAGE_NOT_FOUND", () => whole(storage.read("a", { signal })), /of the test/);
  expect(told).toEqual([error]);
  await expectThrown("STORAGE_UNREACHABLE", () => storage.put("a", streamOf(Buffer.from("y")), { signal }), /of the test/);
});
