import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { hasTrailer, isWholeSectors, TrailingHash } from "../../src/bytes/trailing-hash.ts";
import { runs, SEED } from "../support/counts.ts";

test("trailing hash: any chunking gives the hash of all but the last 32 bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (chunks) => {
      const all = Buffer.concat(chunks);
      const data = all.subarray(0, Math.max(0, all.length - 32));
      const hash = new TrailingHash();
      for (const chunk of chunks) hash.update(chunk);
      const result = hash.finish();
      expect(result).toEqual({
        dataSha256: sha256(data),
        trailer: all.subarray(data.length).toString("hex"),
        dataSizeBytes: data.length,
        rawSha256: sha256(all),
        rawSizeBytes: all.length,
      });
    }),
    { seed: SEED, numRuns: runs(200, 5_000) },
  );
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("trailing hash: by its size alone a file has one, is whole sectors, or neither", () => {
  const sizes = [0, 32, 512, 544, 4096, 4128, 4100, 4127];
  expect(sizes.filter(hasTrailer)).toEqual([32, 544, 4128]);
  expect(sizes.filter(isWholeSectors)).toEqual([0, 512, 4096]);
});
