import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { readPin, readPins, removePin, writePin } from "../../src/repository/pins.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const A = "20261121T093000Z-0000000000000012345-aaaaaa";
const B = "20261121T103000Z-0000000000000012346-bbbbbb";
const pinnedAt = "2026-11-21T10:00:00.000Z";

const put = (storage: MemoryStorage, key: string, text: string) => storage.put(key, streamOf(Buffer.from(text)), { signal });

test("pins: are read by the ids of their backups, each cluster's apart", async () => {
  const storage = new MemoryStorage();
  expect(await readPins(storage, "default", { signal })).toEqual(new Map());
  expect(await writePin(storage, "default", author, { backup: B, reason: "before 3.7", pinnedAt }, { signal })).toBe(true);
  await writePin(storage, "default", author, { backup: A, reason: "audit", pinnedAt }, { signal });
  await writePin(storage, "other", author, { backup: A, reason: "not this one", pinnedAt }, { signal });
  expect([...(await readPins(storage, "default", { signal }))]).toEqual([
    [A, { reason: "audit", pinnedAt }],
    [B, { reason: "before 3.7", pinnedAt }],
  ]);
  expect(await readPin(storage, "other", B, { signal })).toBeUndefined();
});

test("pins: a second one says that there is one, and leaves its reason", async () => {
  const storage = new MemoryStorage();
  await writePin(storage, "default", author, { backup: A, reason: "first", pinnedAt }, { signal });
  expect(await writePin(storage, "default", author, { backup: A, reason: "second", pinnedAt }, { signal })).toBe(false);
  expect(await readPin(storage, "default", A, { signal })).toEqual({ reason: "first", pinnedAt });
});

test("pins: are removed, which says whether there was one", async () => {
  const storage = new MemoryStorage();
  await writePin(storage, "default", author, { backup: A, reason: "r", pinnedAt }, { signal });
  expect(await removePin(storage, "default", A, { signal })).toBe(true);
  expect(await readPins(storage, "default", { signal })).toEqual(new Map());
  expect(await removePin(storage, "default", A, { signal })).toBe(false);
});

test.each([
  ["is no JSON", "{"],
  ["is of a newer format", JSON.stringify({ format: 2, requires: [] })],
  ["is another backup's", undefined],
  ["is another cluster's", "cluster"],
])("pins: one that %s pins all the same", async (_, text) => {
  const storage = new MemoryStorage();
  await writePin(storage, "default", author, { backup: B, reason: "r", pinnedAt }, { signal });
  const other = Buffer.from(storage.bytesOf(`default/pins/${B}.json`)!).toString();
  const misplaced = text === "cluster" ? other.replace(B, A).replace('"default"', '"other"') : (text ?? other);
  await put(storage, `default/pins/${A}.json`, misplaced);
  expect((await readPins(storage, "default", { signal })).get(A)).toEqual({ reason: "its pin cannot be read", pinnedAt: null });
});

test("pins: one that the store does not give pins, one that is removed meanwhile does not", async () => {
  const storage = new MemoryStorage();
  for (const backup of [A, B]) await writePin(storage, "default", author, { backup, reason: "r", pinnedAt }, { signal });
  const failing = wrapped(storage, {
    read: (key, options) => {
      if (key.includes(B)) throw new EtcdsafeError("STORAGE_DENIED", "no");
      return storage.read("default/pins/gone.json", options);
    },
  });
  expect([...(await readPins(failing, "default", { signal })).keys()]).toEqual([B]);
});

test("pins: what is no pin's name is passed over", async () => {
  const storage = new MemoryStorage();
  for (const name of ["notes.txt", "x.json", `${A}`, `${A}.json.bak`, `${A}/b.json`]) await put(storage, `default/pins/${name}`, "{}");
  expect(await readPins(storage, "default", { signal })).toEqual(new Map());
});

test("pins: an interruption ends it", async () => {
  const storage = new MemoryStorage();
  await writePin(storage, "default", author, { backup: A, reason: "r", pinnedAt }, { signal });
  const stopped = new AbortController();
  const stopping = wrapped(storage, {
    read: (key, options) => {
      stopped.abort(new Error("stopped"));
      return storage.read(key, options);
    },
  });
  await expect(readPins(stopping, "default", { signal: stopped.signal })).rejects.toThrow("stopped");
});
