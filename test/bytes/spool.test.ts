import { type FileHandle, open, readdir, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { openNamedSpool, openSpool } from "../../src/bytes/spool.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const chunks = [Buffer.from("one"), Buffer.from("two"), Buffer.alloc(100_000, 3)];
const MIB = 1024 * 1024;

afterEach(() => void vi.restoreAllMocks());

/** What all files that are opened do their work with. */
async function fileHandles(): Promise<FileHandle> {
  await using file = await open("/dev/null");
  return Object.getPrototypeOf(file) as FileHandle;
}

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

test("spool: the disk is given what comes in steps of 16 MiB, the next when the last is done, and the rest when it is flushed", async () => {
  await using directory = await temporaryDirectory("spool");
  await using spool = await openSpool(directory.path, 1);
  const handles = await fileHandles();
  const log: string[] = [];
  let appendedMib = 0;
  vi.spyOn(handles, "datasync").mockImplementation(async () => {
    log.push(`begins at ${appendedMib}`);
    await sleep(50);
    log.push("ends");
  });
  while (appendedMib < 36) {
    appendedMib += 4;
    await spool.append([Buffer.alloc(4 * MIB)]);
  }
  await spool.flush();
  expect(log).toEqual(["begins at 16", "ends", "begins at 32", "ends", "begins at 36", "ends"]);
});

test("spool: a step that fails fails what is appended or flushed next", async () => {
  await using directory = await temporaryDirectory("spool");
  await using spool = await openSpool(directory.path, 1);
  vi.spyOn(await fileHandles(), "datasync").mockRejectedValueOnce(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  await spool.append([Buffer.alloc(16 * MIB)]);
  await expect(spool.flush()).rejects.toMatchObject({ code: "FILE_FAILED", message: expect.stringContaining("EIO") });
});

test("spool: a write that took only a part is gone on with, wherever it stopped", async () => {
  const text = "a,bcd,,efghij".split(",").map((part) => Buffer.from(part));
  for (let takes = 1; takes <= 10; takes++) {
    await using directory = await temporaryDirectory("spool");
    await using spool = await openSpool(directory.path, 1);
    const handles = await fileHandles();
    const short = vi.spyOn(handles, "writev").mockImplementation(async function (this: FileHandle, buffers) {
      if (short.mock.calls.length > 10) throw new Error("the same bytes were written again and again");
      const { bytesWritten } = await this.write(Buffer.concat(buffers as Uint8Array[]).subarray(0, takes));
      return { bytesWritten, buffers };
    });
    await spool.append(text);
    expect(short.mock.calls.length, `writes of ${takes} bytes`).toBe(Math.ceil(10 / takes));
    expect(await readFile(spool.path, "latin1"), `writes of ${takes} bytes`).toBe("abcdefghij");
    short.mockRestore();
  }
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
