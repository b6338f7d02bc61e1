import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, readerOf, release, streamOf } from "../../src/bytes/stream.ts";
import { runs, SEED } from "../support/counts.ts";

test("reading a stream into buffers: gives all bytes in order, whatever the chunks and the buffers are", async () => {
  const chunk = fc.uint8Array({ maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.array(chunk), fc.integer({ min: 1, max: 30 }), async (chunks, bufferSizeBytes) => {
      const reader = readerOf(streamOf(...chunks));
      const found: Buffer[] = [];
      const into = new Uint8Array(bufferSizeBytes);
      for (;;) {
        const sizeBytes = await reader.read(into);
        found.push(Buffer.from(into.subarray(0, sizeBytes)));
        if (sizeBytes < into.length) break;
      }
      expect(Buffer.concat(found)).toEqual(Buffer.concat(chunks));
      expect(await reader.read(into)).toBe(0);
    }),
    { seed: SEED, numRuns: runs(100, 5_000) },
  );
});

test("reading a stream into buffers: ends the stream when it is not read to its end", async () => {
  let ended = false;
  const source = async function* () {
    try {
      for (;;) yield Buffer.from("more");
    } finally {
      ended = true;
    }
  };
  {
    await using reader = readerOf(source());
    await reader.read(new Uint8Array(3));
  }
  expect(ended).toBe(true);
});

test("collecting: keeps the bytes of chunks that are gone once the next is asked for", async () => {
  const overwritten = async function* () {
    const chunk = Buffer.from("one");
    yield chunk;
    chunk.write("two");
    yield chunk;
    chunk.fill(0);
  };
  expect(Buffer.from(await collect(overwritten(), 10, () => new Error("too long"))).toString()).toBe("onetwo");
});

test("a released chunk gives its memory back, unless it is small and may share it", () => {
  const large = Buffer.alloc(2 * 1024 * 1024);
  release(large.subarray(0, 100));
  expect(large).toHaveLength(0);
  const small = Buffer.from("in the pool that Node keeps");
  release(small);
  expect(small.toString()).toBe("in the pool that Node keeps");
});
