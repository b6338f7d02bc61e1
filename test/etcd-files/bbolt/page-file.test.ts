import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPageFile, openPageFile } from "../../../src/etcd-files/bbolt/page-file.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

test("page file: what is written at a place is read there, and the file ends where it was cut", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "db");
  const file = createPageFile(path);
  file.write(5, Uint8Array.of(1, 2, 3));
  file.write(0, Uint8Array.of(9));
  expect(file.sizeBytes).toBe(8);
  expect([...file.read(0, 100)]).toEqual([9, 0, 0, 0, 0, 1, 2, 3]);
  expect([...file.read(6, 1)]).toEqual([2]);
  expect(file.read(8, 1)).toHaveLength(0);
  file.truncate(6);
  file.sync();
  file.close();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const again = openPageFile(path);
  expect([...again.read(0, 100)]).toEqual([9, 0, 0, 0, 0, 1]);
  again.close();
});

test("page file: creating one over an existing file, or opening one that is not there, is FILE_FAILED", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "db");
  expect(() => openPageFile(path)).toThrow(expect.objectContaining({ code: "FILE_FAILED", message: expect.stringContaining(path) }));
  await writeFile(path, "there already");
  expect(() => createPageFile(path)).toThrow(expect.objectContaining({ code: "FILE_FAILED", message: expect.stringContaining(path) }));
});

test("page file: a full file system is TARGET_NO_SPACE", () => {
  const full = openPageFile("/dev/full");
  expect(() => full.write(0, new Uint8Array(4096))).toThrow(expect.objectContaining({ code: "TARGET_NO_SPACE" }));
  full.close();
});
