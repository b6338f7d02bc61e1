import fc from "fast-check";
import { expect, test } from "vitest";
import { withMissingPages } from "../../../src/etcd-files/bbolt/missing-pages.ts";
import { bufferPageSource, type PageSource } from "../../../src/etcd-files/bbolt/page-source.ts";
import { runs, SEED } from "../../support/counts.ts";

/** As a source may: what it gives is overwritten by its next read. */
function reusing(bytes: Uint8Array): PageSource {
  const window = new Uint8Array(bytes.length);
  return {
    sizeBytes: bytes.length,
    read(offset, sizeBytes) {
      window.fill(0xff);
      const found = bytes.subarray(offset, offset + sizeBytes);
      window.set(found);
      return window.subarray(0, found.length);
    },
  };
}

test("missing pages: any read gives what the whole file will hold, wherever it begins and ends", () => {
  const size = 64;
  const whole = Uint8Array.from({ length: size }, (_, index) => index + 1);
  const range = fc.tuple(fc.nat(size), fc.nat(size)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  const property = fc.property(range, range, ([from, to], [start, end]) => {
    const file = whole.slice().fill(0, from, to);
    const source = whole.slice(0, to).fill(0xee, 0, from);
    const joined = withMissingPages(reusing(file), { source: reusing(source), from, to });
    expect(joined.sizeBytes).toBe(size);
    expect([...joined.read(start, end - start)]).toEqual([...whole.subarray(start, end)]);
  });
  fc.assert(property, { seed: SEED, numRuns: runs(500, 20_000) });
});

test("missing pages: a read beyond the end is short", () => {
  const joined = withMissingPages(bufferPageSource(Uint8Array.of(0, 0, 3)), { source: bufferPageSource(Uint8Array.of(1, 2)), from: 0, to: 2 });
  expect([...joined.read(1, 10)]).toEqual([2, 3]);
});
