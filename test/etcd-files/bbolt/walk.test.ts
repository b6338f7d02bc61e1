import { expect, test } from "vitest";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { PAGE_IMAGE_SIZE_BYTES_MAX, runWalk, walkPage } from "../../../src/etcd-files/bbolt/walk.ts";
import { plainRows } from "../../support/random-history.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

const bytes = buildSnapshot({ rows: plainRows(3, { valueSizeBytes: 20_000 }) });
const { meta, pageSizeBytes } = openDatabase(bufferPageSource(bytes));
const pages = { pageSizeBytes, highWaterMark: meta.highWaterMark };

test("walk: asks for a page, and again for all of it when it has overflow", () => {
  const walk = walkPage(pages, 2, 16);
  const first = walk.next().value;
  expect(first).toEqual({ offset: 8192, sizeBytes: 4096 });
  expect(walk.next(bytes.subarray(8192, 12288)).value).toEqual({ offset: 8192, sizeBytes: 4096 * 5 });
  expect(runWalk(walkPage(pages, 2, 16), bufferPageSource(bytes)).count).toBe(1);
});

test.each([0, 1, meta.highWaterMark, 2 ** 53])("walk: refuses page id %i", (id) => {
  expect(() => runWalk(walkPage(pages, id, 16), bufferPageSource(bytes))).toThrow(/is outside the database/);
});

test("walk: allocates nothing for an overflow that cannot be", () => {
  const damaged = bytes.slice();
  new DataView(damaged.buffer).setUint32(2 * 4096 + 12, 0xffff_ffff, true);
  expect(() => runWalk(walkPage(pages, 2, 16), bufferPageSource(damaged))).toThrow(/page 2 claims 4294967295 overflow pages at byte 8204/);
  const asked: number[] = [];
  const large = { pageSizeBytes, highWaterMark: 2 ** 33 };
  const read = (offset: number, sizeBytes: number): Uint8Array => {
    asked.push(sizeBytes);
    return damaged.subarray(offset, offset + sizeBytes);
  };
  expect(() => runWalk(walkPage(large, 2, 16), { sizeBytes: 2 ** 45, read })).toThrow(/page 2 claims/);
  expect(Math.max(...asked)).toBeLessThan(PAGE_IMAGE_SIZE_BYTES_MAX);
});
