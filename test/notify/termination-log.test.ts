import { execFileSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTerminationMessage } from "../../src/notify/termination-log.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("termination message: replaces what is in the file, which stays the one that is mounted", async () => {
  await using directory = await temporaryDirectory("termination");
  const path = join(directory.path, "termination-log");
  await writeFile(path, "what was there before, and longer");
  const { ino } = await lstat(path);
  await writeTerminationMessage(path, "error: etcd is down");
  expect(await readFile(path, "utf8")).toBe("error: etcd is down");
  expect((await lstat(path)).ino).toBe(ino);
  expect(await readdir(directory.path)).toEqual(["termination-log"]);
});

test.each([
  ["4,096 bytes are whole", `${"a".repeat(4094)}é`, `${"a".repeat(4094)}é`],
  ["more are cut", "a".repeat(4097), `${"a".repeat(4093)}…`],
  ["not within two bytes", `${"a".repeat(4092)}é${"b".repeat(9)}`, `${"a".repeat(4092)}…`],
  ["nor within four", `${"a".repeat(4090)}😀${"b".repeat(9)}`, `${"a".repeat(4090)}…`],
  ["but right behind them", `${"a".repeat(4089)}😀${"b".repeat(9)}`, `${"a".repeat(4089)}😀…`],
])("termination message: %s", async (_, message, expected) => {
  await using directory = await temporaryDirectory("termination");
  const path = join(directory.path, "termination-log");
  await writeFile(path, "");
  await writeTerminationMessage(path, message);
  const bytes = await readFile(path);
  expect(bytes.length).toBeLessThanOrEqual(4096);
  expect(new TextDecoder("utf-8", { fatal: true }).decode(bytes)).toBe(expected);
});

test("termination message: none is written where nobody has put a file for it", async () => {
  await using directory = await temporaryDirectory("termination");
  await writeTerminationMessage(join(directory.path, "termination-log"), "message");
  await writeTerminationMessage(join(directory.path, "missing", "termination-log"), "message");
  expect(await readdir(directory.path)).toEqual([]);
  await writeFile(join(directory.path, "file"), "");
  await writeTerminationMessage(join(directory.path, "file", "termination-log"), "message");
});

test("termination message: nothing is written through a link, or into what is no regular file", async () => {
  await using directory = await temporaryDirectory("termination");
  const at = (name: string) => join(directory.path, name);
  await writeFile(at("elsewhere"), "precious");
  await symlink(at("elsewhere"), at("link"));
  await symlink(at("nowhere"), at("dangling"));
  await mkdir(at("directory"));
  execFileSync("mkfifo", [at("pipe")]);
  for (const path of [at("link"), at("dangling"), at("directory"), at("pipe"), "/dev/null"])
    await expectThrown(
      "FILE_FAILED",
      () => writeTerminationMessage(path, "message"),
      new RegExp(`^the termination message cannot be written to ${path}: it is no regular file$`),
    );
  expect(await readFile(at("elsewhere"), "utf8")).toBe("precious");
});

test("termination message: says why a file cannot be written", async () => {
  // A file that the kernel lets nobody write, root included.
  await expectThrown(
    "FILE_FAILED",
    () => writeTerminationMessage("/proc/version", "message"),
    /^the termination message cannot be written to \/proc\/version: E\w+/,
  );
});
