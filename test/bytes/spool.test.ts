import { readdir, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNamedSpool, openSpool } from "../../src/bytes/spool.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const chunks = [Buffer.from("one"), Buffer.from("two"), Buffer.alloc(100_000, 3)];

test("spool: holds what was appended, and has no name in its directory", async () => {
  await using directory = await temporaryDirectory("spool");
  const spool = await openSpool(directory.path, 1);
  await spool.append(chunks);
  await spool.flush();
  expect(await readdir(directory.path)).toEqual([]);
  expect(await readFile(spool.path)).toEqual(Buffer.concat(chunks));
  const into = Buffer.alloc(10);
  expect(await spool.read(into, 2)).toBe(10);
  expect(into.toString("latin1")).toBe(`etwo${"\x03".repeat(6)}`);
  expect(await spool.read(into, 100_003)).toBe(3);
  await spool.close();
});

test("spool: a named one stays under its name, for its owner alone", async () => {
  await using directory = await temporaryDirectory("spool");
  const path = join(directory.path, "snapshot.db.part");
  const spool = await openNamedSpool(path, 1);
  await spool.append(chunks);
  await spool.close();
  expect(await readFile(path)).toEqual(Buffer.concat(chunks));
});

test("spool: too little space is refused with the exact figures before anything is written", async () => {
  await using directory = await temporaryDirectory("spool");
  const { bavail, bsize } = await statfs(directory.path);
  await expect(openSpool(directory.path, 2 ** 50)).rejects.toMatchObject({
    code: "SPOOL_NO_SPACE",
    message: expect.stringContaining(String(2 ** 50 + 64 * 2 ** 20)),
  });
  expect(bavail * bsize).toBeLessThan(2 ** 50);
});

test("spool: one that is to become the result asks for room for that alone, in its name", async () => {
  await using directory = await temporaryDirectory("spool");
  await expect(openNamedSpool(join(directory.path, "snapshot.db.part"), 2 ** 50)).rejects.toMatchObject({
    code: "TARGET_NO_SPACE",
    message: expect.stringMatching(new RegExp(`^the output file /.*/snapshot\\.db needs ${2 ** 50 + 32} bytes, but only \\d+ are free$`)),
  });
});

test("spool: a directory that cannot be written is said so", async () => {
  await using directory = await temporaryDirectory("spool");
  const file = join(directory.path, "file");
  await (await openNamedSpool(file, 1)).close();
  for (const place of [file, join(file, "below")])
    await expect(openSpool(place, 1)).rejects.toMatchObject({
      code: "FILE_FAILED",
      message: `the spool in ${place} cannot be written: ${place} is no directory, or lies below a file`,
    });
});
