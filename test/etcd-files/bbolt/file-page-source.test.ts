import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFilePageSource } from "../../../src/etcd-files/bbolt/file-page-source.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("file page source: reads any range, short only at the end of the file", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "db");
  const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
  writeFileSync(path, bytes);
  const source = openFilePageSource(path);
  expect(source.sizeBytes).toBe(bytes.length);
  // In the window, across its edge, larger than it, backwards, at the end, behind it.
  for (const [offset, size] of [
    [0, 16],
    [100, 5000],
    [65_000, 1000],
    [10, 150_000],
    [4096, 4096],
    [199_990, 100],
    [300_000, 10],
    [0, 200_000],
  ] as const) {
    expect(Buffer.from(bytes.subarray(offset, offset + size)).equals(source.read(offset, size))).toBe(true);
  }
  source.close();
});

test("file page source: says which file could not be opened", () => {
  expect(() => openFilePageSource("/nonexistent/db")).toThrow(/cannot open \/nonexistent\/db: ENOENT/);
});
