import { expect, test } from "vitest";
import { FormatError } from "../../../src/errors.ts";
import { openDatabase } from "../../../src/etcd-files/bbolt/database.ts";
import { encodeMetaPage, type Meta } from "../../../src/etcd-files/bbolt/meta.ts";
import { bufferPageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { buildSnapshot } from "../../support/snapshots.ts";

const meta: Meta = { pageSizeBytes: 4096, rootPageId: 2, rootSequence: 0n, freelistPageId: 2n ** 64n - 1n, highWaterMark: 3, txid: 8n };

function file(first: Meta, second: Meta, pages = 3): Uint8Array {
  const bytes = new Uint8Array(pages * first.pageSizeBytes);
  bytes.set(encodeMetaPage(first, 0));
  bytes.set(encodeMetaPage(second, 1), first.pageSizeBytes);
  return bytes;
}

test("database: takes the meta with the higher txid, in whichever slot", () => {
  expect(openDatabase(bufferPageSource(file(meta, { ...meta, txid: 7n }))).meta.txid).toBe(8n);
  expect(openDatabase(bufferPageSource(file({ ...meta, txid: 7n }, meta))).meta.txid).toBe(8n);
});

test("database: falls back to the other meta when one is damaged, and says which", () => {
  const first = file(meta, { ...meta, txid: 7n });
  first[16 + 40] = 9;
  const opened = openDatabase(bufferPageSource(first));
  expect([opened.meta.txid, opened.metas[0]]).toEqual([7n, "checksum"]);
  const second = file(meta, { ...meta, txid: 9n });
  second.fill(0, 4096, 8192);
  expect(openDatabase(bufferPageSource(second)).meta.txid).toBe(8n);
});

test.each([1024, 4096, 16384, 65536])("database: finds pages of %i bytes, even when the first meta is gone", (pageSizeBytes) => {
  const bytes = buildSnapshot({ pageSizeBytes });
  const opened = openDatabase(bufferPageSource(bytes));
  expect(opened.pageSizeBytes).toBe(pageSizeBytes);
  expect(opened.sizeBytes).toBe(bytes.length - 32);
  bytes.fill(0, 0, 100);
  expect(openDatabase(bufferPageSource(bytes)).pageSizeBytes).toBe(pageSizeBytes);
});

test("database: refuses a file without a valid meta, saying what is wrong with each", () => {
  const bytes = file(meta, meta);
  bytes[16 + 4] = 1;
  bytes[4096 + 16 + 56] = (bytes[4096 + 16 + 56] ?? 0) ^ 1;
  const open = (): unknown => openDatabase(bufferPageSource(bytes));
  expect(open).toThrow(FormatError);
  expect(open).toThrow(/neither meta page is valid: the first has another format version, the second a checksum that does not match at byte 0$/);
  expect(() => openDatabase(bufferPageSource(new Uint8Array(0)))).toThrow(/^neither meta page is valid: the file is too short to have one at byte 0$/);
});

test("database: refuses a file that ends before its high-water mark, with both sizes", () => {
  expect(() => openDatabase(bufferPageSource(file(meta, meta).subarray(0, 3 * 4096 - 1)))).toThrow(/ends after 12287 of the database's 12288 bytes/);
});
