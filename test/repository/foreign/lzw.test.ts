// The decoder against Go's own writer, an encoder of the same rules, and bytes that are no LZW.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { FormatError } from "../../../src/errors.ts";
import { decodeLzw } from "../../../src/repository/foreign/lzw.ts";
import { runs, SEED } from "../../support/counts.ts";
import { expectThrown } from "../../support/failures.ts";
import { encodeLzw } from "../../support/lzw.ts";

const GOLDEN = new URL("../../golden/etcdbr-v2/", import.meta.url);
const NAME = "Full-00000000-00000302-1795248092";

async function decode(...chunks: Uint8Array[]): Promise<Buffer> {
  const decoded: Uint8Array[] = [];
  for await (const chunk of decodeLzw("x.Z", streamOf(...chunks))) decoded.push(chunk);
  return Buffer.concat(decoded);
}

test("lzw: what Go's compress/lzw wrote decodes to the snapshot, and the tests' encoder writes the same bytes", async () => {
  const packed = readFileSync(new URL(`${NAME}.Z`, GOLDEN));
  const snapshot = gunzipSync(readFileSync(new URL(`bucket/etcd-main/v2/${NAME}.gz`, GOLDEN)));
  expect((await decode(packed)).equals(snapshot)).toBe(true);
  expect(Buffer.from(encodeLzw(snapshot)).equals(packed)).toBe(true);
});

test("lzw: any bytes come back, in chunks of any size, whether a full table is cleared or kept", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 5000 }),
    fc.array(fc.constantFrom(0, 1, 255), { maxLength: 30_000 }).map((values) => Uint8Array.from(values)),
    fc.nat(200_000).map((length) => new Uint8Array(length)),
  );
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), fc.integer({ min: 1, max: 3000 }), async (raw, clears, chunkSize) => {
      const packed = encodeLzw(raw, { clears });
      const chunks = Array.from({ length: Math.ceil(packed.length / chunkSize) }, (_, index) => packed.subarray(index * chunkSize, (index + 1) * chunkSize));
      expect((await decode(...chunks)).equals(raw)).toBe(true);
    }),
    { numRuns: runs(60, 1000), seed: SEED },
  );
});

test("lzw: a table that is full and never cleared", async () => {
  const raw = Uint8Array.from({ length: 60_000 }, (_, index) => (index * 7919) >>> 5);
  expect((await decode(encodeLzw(raw, { clears: false }))).equals(raw)).toBe(true);
});

test("lzw: data that end early, and codes that are not defined, are said with their place", async () => {
  const packed = encodeLzw(Buffer.from("a snapshot, a snapshot, a snapshot"));
  await expectThrown("OBJECT_TRUNCATED", () => decode(packed.subarray(0, -2)), /^x\.Z ends before the code that ends LZW data/);
  await expectThrown("OBJECT_TRUNCATED", () => decode(), /at byte 0$/);
  await expectThrown("OBJECT_CORRUPT", () => decode(Uint8Array.of(0xff, 0xff, 0xff)), /^x\.Z has an LZW code that is not defined yet/);
});

test("lzw: whatever is changed, it decodes to something or says what is wrong", async () => {
  const packed = encodeLzw(Uint8Array.from({ length: 20_000 }, (_, index) => (index * index) >>> 7));
  await fc.assert(
    fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      await decode(packed.with(at, packed[at]! ^ mask)).catch((error: unknown) => expect(error).toBeInstanceOf(FormatError));
    }),
    { numRuns: runs(200, 5000), seed: SEED },
  );
});
