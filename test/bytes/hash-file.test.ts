import { createHash } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashFile } from "../../src/bytes/hash-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const signal = new AbortController().signal;
/** Several blocks and steps of progress, and a rest. */
const CONTENT = Buffer.alloc(40 * 1024 * 1024 + 77, "content that repeats at no power of two");
/** A file of holes takes no room. */
const HOURS_TO_HASH_BYTES = 2 ** 42;

test("hashing a file: a part of it, after a prefix, with progress on the way", async () => {
  await using directory = await temporaryDirectory("hash-file");
  const path = join(directory.path, "file");
  await writeFile(path, CONTENT);
  const seen: number[] = [];
  const prefix = Buffer.from("before");
  const found = await hashFile({ path, prefix, from: 5, to: CONTENT.length - 3 }, { signal, onProgress: (offset) => seen.push(offset) });
  const expected = createHash("sha256").update(prefix).update(CONTENT.subarray(5, -3)).digest("hex");
  expect(found).toBe(expected);
  expect(seen.length).toBeGreaterThan(1);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test("hashing a file: one that ends early, is missing, or is given up", async () => {
  await using directory = await temporaryDirectory("hash-file");
  const path = join(directory.path, "file");
  await writeFile(path, CONTENT.subarray(0, 1000));
  await expect(hashFile({ path, from: 0, to: 1001 }, { signal })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringContaining("it became shorter meanwhile, and ends at byte 1000"),
    hint: expect.stringContaining("Something else writes to it"),
  });
  await expect(hashFile({ path: `${path}.not`, from: 0, to: 1 }, { signal })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringMatching(/ENOENT/),
  });
  await expect(hashFile({ path, from: 0, to: 1000 }, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("hashing a file: an abort does not wait for the rest of it", { timeout: 20_000 }, async () => {
  await using directory = await temporaryDirectory("hash-file");
  const path = join(directory.path, "file");
  await writeFile(path, "");
  await truncate(path, HOURS_TO_HASH_BYTES);
  const abort = new AbortController();
  const hashing = hashFile({ path, from: 0, to: HOURS_TO_HASH_BYTES }, { signal: abort.signal, onProgress: () => abort.abort(new Error("enough")) });
  await expect(hashing).rejects.toThrow("enough");
});

test("hashing a file: whatever else the thread has to do is done meanwhile", async () => {
  await using directory = await temporaryDirectory("hash-file");
  const path = join(directory.path, "file");
  await writeFile(path, CONTENT);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  await hashFile({ path, from: 0, to: CONTENT.length }, { signal }).finally(() => clearInterval(timer));
  expect(turns).toBeGreaterThan(5);
});
