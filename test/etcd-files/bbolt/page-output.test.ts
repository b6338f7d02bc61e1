import { expect, test } from "vitest";
import { PageOutput } from "../../../src/etcd-files/bbolt/page-output.ts";
import { memoryPageFile } from "../../support/memory-page-file.ts";

test("page output: pages lie one after another whatever their sizes, and each knows its overflow", () => {
  const file = memoryPageFile();
  const output = new PageOutput(file, 4096, 2);
  // One page, exactly one, one byte more, more than the window of 1 MiB, exactly the window, and a small one behind it.
  const sizes = [1, 4096, 4097, 1024 * 1024 + 1, 1024 * 1024, 3000 * 4096 - 5, 10];
  const expected: [number, number][] = [];
  let next = 2;
  for (const [index, sizeBytes] of sizes.entries()) {
    const pages = Math.ceil(sizeBytes / 4096);
    const id = output.add(sizeBytes, (target, pageId, overflow) => {
      expect([pageId, overflow, target.length]).toEqual([next, pages - 1, pages * 4096]);
      target.fill(index + 1);
    });
    expect(id).toBe(next);
    expected.push([next, pages]);
    next += pages;
    expect(output.nextPageId).toBe(next);
  }
  output.flush();
  output.flush();
  expect(file.sizeBytes).toBe(next * 4096);
  expected.forEach(([id, pages], index) => {
    const bytes = file.bytes().subarray(id * 4096, (id + pages) * 4096);
    expect(bytes.every((byte) => byte === index + 1)).toBe(true);
  });
});

test("page output: small pages reach the file in few writes", () => {
  const writes: number[] = [];
  const output = new PageOutput({ write: (_, bytes) => void writes.push(bytes.length) }, 4096, 2);
  for (let page = 0; page < 1000; page++) output.add(100, (target) => target.fill(0));
  output.flush();
  expect(writes.reduce((sum, sizeBytes) => sum + sizeBytes, 0)).toBe(1000 * 4096);
  expect(writes.length).toBe(4);
});
