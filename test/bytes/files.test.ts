import { mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createDirectories } from "../../src/bytes/files.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("files");
afterAll(() => directory.remove());
const at = (...parts: string[]) => join(directory.path, ...parts);

test("directories: missing parents are created too, outermost first, each with the mode", async () => {
  const created: string[] = [];
  await createDirectories(at("a", "b", "c"), 0o700, (path) => created.push(path));
  expect(created).toEqual([at("a"), at("a", "b"), at("a", "b", "c")]);
  for (const path of created) expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test("directories: what is there stays, and is not told of", async () => {
  await mkdir(at("there"));
  await writeFile(at("there", "file"), "");
  await symlink(at("there"), at("link"));
  const created: string[] = [];
  await createDirectories(at("there"), 0o700, (path) => created.push(path));
  await createDirectories(at("link", "new"), 0o700, (path) => created.push(path));
  expect(created).toEqual([at("link", "new")]);
  expect(await readdir(at("there"))).toEqual(["file", "new"]);
});

test("directories: several creators of the same ones are content", async () => {
  await Promise.all(Array.from({ length: 8 }, () => createDirectories(at("x", "y", "z"), 0o700)));
  expect((await stat(at("x", "y", "z"))).isDirectory()).toBe(true);
});

test("directories: what stands in the way is said, and nothing is tried for ever", async () => {
  await writeFile(at("plain"), "");
  await symlink(at("nowhere"), at("dangling"));
  await expect(createDirectories(at("plain"), 0o700)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(createDirectories(at("plain", "below"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(createDirectories(at("dangling"), 0o700)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(createDirectories("/proc/none/such", 0o700)).rejects.toMatchObject({ code: "ENOENT" });
});
