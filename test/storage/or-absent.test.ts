import { expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { orAbsent } from "../../src/storage/or-absent.ts";
import type { Storage } from "../../src/storage/storage.ts";
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

test("storage that may be absent: what was out of reach is not waited for again; what was refused may be refused for that one alone", async () => {
  for (const [code, asked] of [
    ["STORAGE_UNREACHABLE", 1],
    ["STORAGE_DENIED", 3],
  ] as const) {
    const error = new EtcdsafeError(code, "of the test");
    let count = 0;
    const counted = () => {
      count++;
      return error;
    };
    const storage = orAbsent(failingStorage(new MemoryStorage(), { operations: ["list", "read", "stat"], error: counted }), () => undefined);
    expect(await Array.fromAsync(storage.list("", { signal }))).toEqual([]);
    const { cause } = await expectThrown("STORAGE_NOT_FOUND", () => whole(storage.read("a", { signal })), /of the test/);
    expect(cause).toBe(error);
    expect(await storage.stat("a", { signal })).toBeUndefined();
    expect(count).toBe(asked);
  }
});

test.each([
  ["a fault of etcdsafe", new EtcdsafeError("INTERNAL", "of the test")],
  ["what nobody expects", new TypeError("of the test")],
])("storage that may be absent: %s is no absence", async (_, error) => {
  const failing = failingStorage(new MemoryStorage(), { operations: ["list", "read", "stat"], error: () => error as EtcdsafeError });
  await throughAll(failing, signal, error);
});

test("storage that may be absent: whoever is cancelled finds nothing absent", async () => {
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  const error = () => new EtcdsafeError("STORAGE_UNREACHABLE", "of the test");
  await throughAll(failingStorage(new MemoryStorage(), { operations: ["list", "read", "stat"], error }), stop.signal, stop.signal.reason);
});

async function throughAll(failing: Storage, given: AbortSignal, error: unknown): Promise<void> {
  const told: unknown[] = [];
  const storage = orAbsent(failing, (each) => void told.push(each));
  await expect(storage.stat("a", { signal: given })).rejects.toBe(error);
  await expect(whole(storage.read("a", { signal: given }))).rejects.toBe(error);
  await expect(Array.fromAsync(storage.list("", { signal: given }))).rejects.toBe(error);
  expect(told).toEqual([]);
}
