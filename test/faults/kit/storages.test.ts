import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../../src/errors.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import { NODE } from "../../support/cli.ts";
import { runCommand } from "../../support/command.ts";
import { MemoryStorage } from "../../support/memory-storage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { corruptingStorage, forgettingStorage, staleListStorage, truncatingStorage } from "./lying-storages.ts";
import { failingStorage, slowStorage, stallingStorage } from "./storages.ts";

const { signal } = new AbortController();

function put(storage: Storage, key: string, text = "01234567") {
  return storage.put(key, streamOf(Buffer.from(text.slice(0, 4)), Buffer.from(text.slice(4))), { signal });
}

async function readText(storage: Storage, key: string): Promise<string> {
  let text = "";
  for await (const chunk of storage.read(key, { signal })) text += Buffer.from(chunk);
  return text;
}

async function keys(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of storage.list("", { signal })) names.push(key);
  return names;
}

test("faulty storages: calls that do not match reach the wrapped storage unharmed", async () => {
  const storage = failingStorage(new MemoryStorage(), { key: /^bad/ });
  expect(await put(storage, "good")).toMatchObject({ key: "good", sizeBytes: 8 });
  expect([await readText(storage, "good"), await keys(storage)]).toEqual(["01234567", ["good"]]);
  expect(await storage.stat("good", { signal })).toMatchObject({ sizeBytes: 8 });
  await storage.remove("good", { signal });
  expect(await storage.stat("good", { signal })).toBeUndefined();
});

test("faulty storages: a failing one fails from the n-th matching call on, so many times", async () => {
  const storage = failingStorage(new MemoryStorage(), { operations: ["put"], key: /manifest/, from: 2, times: 1 });
  await put(storage, "manifest 1");
  await put(storage, "data");
  await expect(put(storage, "manifest 2")).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  await put(storage, "manifest 3");
  expect(await keys(storage)).toEqual(["data", "manifest 1", "manifest 3"]);
});

test("faulty storages: a failing one fails at the n-th byte of a put or a read, or once it has done the work", async () => {
  const inner = new MemoryStorage();
  const full = () => new EtcdsafeError("STORAGE_FULL", "full");
  await expect(put(failingStorage(inner, { operations: ["put"], afterBytes: 6, error: full }), "a")).rejects.toMatchObject({ code: "STORAGE_FULL" });
  expect(inner.bytesOf("a")).toBeUndefined();
  await expect(put(failingStorage(inner, { operations: ["put"], afterwards: true }), "a")).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  expect(await readText(inner, "a")).toBe("01234567");
  const received: string[] = [];
  const reading = async () => {
    for await (const chunk of failingStorage(inner, { operations: ["read"], afterBytes: 6 }).read("a", { signal }))
      received.push(Buffer.from(chunk).toString());
  };
  await expect(reading()).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
  expect(received.join("")).toBe("012345");
});

test("faulty storages: a stalling one ends with the caller's signal, and a slow one takes its time", async () => {
  const inner = new MemoryStorage();
  const aborted = AbortSignal.timeout(30);
  for (const afterBytes of [undefined, 4]) {
    const stalling = stallingStorage(inner, { operations: ["put"], ...(afterBytes === undefined ? {} : { afterBytes }) });
    await expect(stalling.put("a", streamOf(Buffer.from("01234567")), { signal: aborted })).rejects.toMatchObject({ name: "TimeoutError" });
  }
  const startedAt = performance.now();
  await put(slowStorage(inner, 20), "a");
  expect(performance.now() - startedAt).toBeGreaterThan(55); // The call and two chunks.
});

test("faulty storages: lying ones drop, change and shorten what they say they stored", async () => {
  const inner = new MemoryStorage();
  expect(await put(forgettingStorage(inner, /./), "a")).toMatchObject({ sizeBytes: 8 });
  expect(inner.bytesOf("a")).toBeUndefined();
  await put(corruptingStorage(inner, 5, { operations: ["put"] }), "b");
  expect(await readText(inner, "b")).toBe("01234467");
  await put(truncatingStorage(inner, 6, { operations: ["put"] }), "c");
  expect(await readText(inner, "c")).toBe("012345");
  await put(inner, "d");
  expect(await readText(corruptingStorage(inner, 0, { operations: ["read"] }), "d")).toBe("11234567");
  expect(await readText(truncatingStorage(inner, 4, { operations: ["read"] }), "d")).toBe("0123");
});

test("faulty storages: a stale list misses what is new and keeps what is gone, until it catches up", async () => {
  const inner = new MemoryStorage();
  await put(inner, "old");
  const storage = await staleListStorage(inner, { signal });
  await put(storage, "new");
  await storage.remove("old", { signal });
  expect([await keys(storage), await storage.stat("old", { signal })]).toEqual([["old"], undefined]);
  await storage.catchUp();
  expect(await keys(storage)).toEqual(["new"]);
});

test.each([
  [{ from: 2 }, ["1 started", "1 stored"]],
  [{ from: 2, afterBytes: 1 }, ["1 started", "1 stored", "2 started"]],
  [{ from: 2, afterwards: true }, ["1 started", "1 stored", "2 started", "2 stored"]],
])("faulty storages: a crashing one kills the process (%j)", async (match, expected) => {
  await using directory = await temporaryDirectory();
  const child = fileURLToPath(new URL("crashing-child.ts", import.meta.url));
  const result = await runCommand(NODE, [child, JSON.stringify(match)], { cwd: directory.path });
  expect([result.signal, result.stderr]).toEqual(["SIGKILL", ""]);
  const all = ["1 started", "1 stored", "2 started", "2 stored", "3 started"];
  expect(all.filter((name) => existsSync(join(directory.path, name)))).toEqual(expected);
});
