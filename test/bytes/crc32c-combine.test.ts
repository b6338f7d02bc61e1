import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../src/bytes/crc32c.ts";
import { combineCrc32c, RunningCrc32c } from "../../src/bytes/crc32c-combine.ts";
import { runs, SEED } from "../support/counts.ts";

test("crc32c: the checksums of two ranges join to that of both", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(combineCrc32c(crc32c(a), crc32c(b), b.length)).toBe(crc32c(Buffer.concat([a, b])));
    }),
    { seed: SEED, numRuns: runs(200, 5000) },
  );
});

test.each([65_535, 65_536, 65_537, 1_000_003])("crc32c: joins ranges of %i bytes", (sizeBytes) => {
  const bytes = Uint8Array.from({ length: sizeBytes }, (_, index) => index * 31);
  expect(combineCrc32c(crc32c(bytes), crc32c(bytes), sizeBytes)).toBe(crc32c(Buffer.concat([bytes, bytes])));
});

test("crc32c: joins lengths beyond 32 bits", () => {
  // 2^32 + 5 zero bytes after "a", by doubling the checksum of zeros.
  const zeros = new RunningCrc32c();
  zeros.append(crc32c(new Uint8Array(1 << 20)), 1 << 20);
  for (let doubling = 0; doubling < 12; doubling++) zeros.append(zeros.crc, zeros.lengthBytes);
  zeros.append(crc32c(new Uint8Array(5)), 5);
  expect(zeros.lengthBytes).toBe(2 ** 32 + 5);
  const joined = new RunningCrc32c();
  joined.append(crc32c(Buffer.from("a")), 1);
  joined.append(zeros.crc, zeros.lengthBytes);
  let stepwise = crc32c(Buffer.from("a"));
  const mebibyte = new Uint8Array(1 << 20);
  for (let count = 0; count < 4096; count++) stepwise = crc32c(mebibyte, stepwise);
  expect(joined.crc).toBe(crc32c(new Uint8Array(5), stepwise));
});
