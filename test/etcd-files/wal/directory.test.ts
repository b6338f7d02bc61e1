import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileSegments } from "../../../src/etcd-files/wal/directory.ts";
import { readWal } from "../../../src/etcd-files/wal/read.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { segmentOf } from "./live-log.ts";

test("WAL directory: lists the segments in sequence and leaves other files out", async () => {
  await using directory = await temporaryDirectory("wal");
  for (const name of [
    "0000000000000002-0000000000000010.wal",
    "0000000000000001-0000000000000008.wal",
    "0.tmp",
    "0000000000000001-0000000000000008.wal.broken",
  ]) {
    await writeFile(join(directory.path, name), "123");
  }
  expect(fileSegments(directory.path).map(({ name, sequence, firstIndex, sizeBytes }) => [name, sequence, firstIndex, sizeBytes])).toEqual([
    ["0000000000000001-0000000000000008.wal", 1n, 8n, 3],
    ["0000000000000002-0000000000000010.wal", 2n, 16n, 3],
  ]);
});

test("WAL directory: reads records that are smaller and larger than its window, from several files", async () => {
  await using directory = await temporaryDirectory("wal");
  const sizes = [0, 1, 500_000, 1_048_560, 1_048_576, 3_000_000, 7, 900_000];
  const records = sizes.map((sizeBytes, position) => ({ type: 2, data: new Uint8Array(sizeBytes).fill(position + 1) }));
  await writeFile(join(directory.path, "0000000000000000-0000000000000000.wal"), segmentOf(records));
  const lengths: number[] = [];
  for (const { data } of readWal(fileSegments(directory.path))) {
    lengths.push(data.length);
    expect(Buffer.compare(data, Buffer.alloc(data.length, lengths.length - 1))).toBe(0);
  }
  expect(lengths).toEqual([0, ...sizes]);
});

test("WAL directory: reads nothing beyond the size a file had when it was listed", async () => {
  await using directory = await temporaryDirectory("wal");
  const path = join(directory.path, "0000000000000000-0000000000000000.wal");
  await writeFile(path, "12345678");
  const [segment] = fileSegments(directory.path);
  await writeFile(path, "1234567890");
  expect(segment?.read(4, 100)).toHaveLength(4);
  await truncate(path, 2);
  expect(fileSegments(directory.path)[0]?.read(0, 100)).toHaveLength(2);
});

test("WAL directory: what cannot be listed or read is FILE_FAILED with the path", async () => {
  await using directory = await temporaryDirectory("wal");
  expect(() => fileSegments(join(directory.path, "none"))).toThrow(
    expect.objectContaining({ code: "FILE_FAILED", message: expect.stringContaining("cannot list") }),
  );
  await writeFile(join(directory.path, "0000000000000000-0000000000000000.wal"), "12345678");
  const segments = fileSegments(directory.path);
  await directory.remove();
  expect(() => [...readWal(segments)]).toThrow(
    expect.objectContaining({ code: "FILE_FAILED", message: expect.stringContaining("0000000000000000-0000000000000000.wal") }),
  );
});
