import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clonePrivately, copyPrivately } from "../../src/bytes/copy-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("copying: the same bytes, for the owner alone and writable, whatever the original's modes are", async () => {
  await using directory = await temporaryDirectory("copy");
  const [from, to] = [join(directory.path, "from"), join(directory.path, "to")];
  await writeFile(from, Buffer.alloc(3_000_000, "some bytes"));
  await chmod(from, 0o444);
  await copyPrivately(from, to, () => undefined);
  expect((await readFile(to)).equals(await readFile(from))).toBe(true);
  expect((await stat(to)).mode & 0o777).toBe(0o600);
});

test("cloning: where that cannot be, nothing is left, whatever the reason", async () => {
  await using directory = await temporaryDirectory("copy");
  const [from, to] = [join(directory.path, "from"), join(directory.path, "to")];
  expect(await clonePrivately(from, to)).toBe(false);
  await writeFile(from, "some bytes");
  expect(await clonePrivately(from, "/dev/shm/etcdsafe-clone")).toBe(false);
  await writeFile(to, "somebody else's");
  expect(await clonePrivately(from, to)).toBe(false);
  expect(await readFile(to, "utf8")).toBe("somebody else's");
});
