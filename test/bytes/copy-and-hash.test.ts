import { createHash } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { copyAndHash } from "../../src/bytes/copy-and-hash.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** What disks do that nobody can order. */
const faults: { flipByteAt: number | undefined; syncError: Error | null; syncs: number } = vi.hoisted(() => ({
  flipByteAt: undefined,
  syncError: null,
  syncs: 0,
}));

vi.mock("node:fs", async (original) => {
  const plain = await original<typeof import("node:fs")>();
  const writeSync = (file: number, bytes: Uint8Array, from: number, sizeBytes: number, at: number): number => {
    const wrong = Uint8Array.from(bytes);
    const flipped = faults.flipByteAt === undefined ? -1 : faults.flipByteAt - at + from;
    if (flipped >= from && flipped < from + sizeBytes) wrong[flipped]! ^= 1;
    // One of several writes is short, as any may be.
    return plain.writeSync(file, wrong, from, at % 3 === 0 ? sizeBytes : Math.ceil(sizeBytes / 2), at);
  };
  const fdatasync = (file: number, done: (error: Error | null) => void): void => {
    faults.syncs += 1;
    const told = faults.syncError;
    faults.syncError = null;
    plain.fdatasync(file, (error) => done(told ?? error));
  };
  return { ...plain, writeSync, fdatasync };
});

const signal = new AbortController().signal;
/** Several steps for the disk, and a rest. */
const CONTENT = Buffer.alloc(160 * 1024 * 1024 + 77, "content that repeats at no power of two");
const RANGE = { from: 4096, to: CONTENT.length - 33 };
const prefix = Buffer.from("before");

beforeEach(() => Object.assign(faults, { flipByteAt: undefined, syncError: null, syncs: 0 }));

async function files(directory: string) {
  const [path, toPath] = [join(directory, "from"), join(directory, "to")];
  await writeFile(path, CONTENT);
  await writeFile(toPath, "its own head");
  await truncate(toPath, CONTENT.length);
  return { path, toPath, prefix, ...RANGE };
}

test("copying and hashing: a part of a file to the same place, with progress on the way, while the disk is kept busy", async () => {
  await using directory = await temporaryDirectory("copy-and-hash");
  const input = await files(directory.path);
  const seen: number[] = [];
  const found = await copyAndHash(input, { signal, onProgress: (offset) => seen.push(offset) });
  const part = CONTENT.subarray(RANGE.from, RANGE.to);
  expect(found).toBe(createHash("sha256").update(prefix).update(part).digest("hex"));
  const written = await readFile(input.toPath);
  expect(written.subarray(RANGE.from, RANGE.to).equals(part)).toBe(true);
  expect(written.subarray(0, 12).toString()).toBe("its own head");
  expect(written.subarray(12, RANGE.from).every((byte) => byte === 0)).toBe(true);
  expect(written.subarray(RANGE.to).every((byte) => byte === 0)).toBe(true);
  expect(seen.length).toBeGreaterThan(1);
  expect(faults.syncs).toBeGreaterThan(0);
});

test("copying and hashing: what did not arrive as it was is told of the file that does not hold it", async () => {
  await using directory = await temporaryDirectory("copy-and-hash");
  const input = await files(directory.path);
  faults.flipByteAt = 70_000_001;
  await expectThrown("SELF_CHECK_FAILED", () => copyAndHash(input, { signal }), /\/to does not hold what was written to it, behind byte \d+$/);
});

test("copying and hashing: a write that the disk refuses later fails it", async () => {
  await using directory = await temporaryDirectory("copy-and-hash");
  const input = await files(directory.path);
  faults.syncError = new Error("EIO: the disk is gone"); // The first time only: the kernel tells it once.
  await expect(copyAndHash(input, { signal })).rejects.toThrow("the disk is gone");
});

test("copying and hashing: a file that ends early, one that is full, one that is missing, and work that is given up", async () => {
  await using directory = await temporaryDirectory("copy-and-hash");
  const input = await files(directory.path);
  await expect(copyAndHash({ ...input, to: CONTENT.length + 1 }, { signal })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringContaining(`it became shorter meanwhile, and ends at byte ${CONTENT.length}`),
  });
  await expect(copyAndHash({ ...input, toPath: "/dev/full" }, { signal })).rejects.toMatchObject({ code: "ENOSPC" });
  await expect(copyAndHash({ ...input, toPath: join(directory.path, "not") }, { signal })).rejects.toMatchObject({ code: "ENOENT" });
  const abort = new AbortController();
  const copying = copyAndHash(input, { signal: abort.signal, onProgress: () => abort.abort(new Error("enough")) });
  await expect(copying).rejects.toThrow("enough");
});
