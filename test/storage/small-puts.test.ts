// Most objects of a repository are documents of a few kilobytes: many at once take no more memory than they need.
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openStorage } from "../../src/storage/open.ts";
import { runs } from "../support/counts.ts";
import { quietRuntime } from "../support/saving.ts";
import { REMOTE_KINDS, startStore } from "../support/stores.ts";

const { signal } = new AbortController();
const OBJECTS = runs(200, 1_000);
const OBJECT_SIZE_BYTES = 2_000;
/** Of what they hold themselves, and of requests and answers. */
const MEMORY_PER_OBJECT_BYTES = 64 * 1024;

test.each(REMOTE_KINDS)(
  "%s storage: puts many small objects at once in little memory",
  async (kind) => {
    await using store = await startStore(kind);
    const storage = await openStorage(await store.newRepository(), store.settings(), quietRuntime);
    await storage.put("first", streamOf(Buffer.alloc(OBJECT_SIZE_BYTES)), { signal });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const put = async (index: number) => {
      await storage.put(`small/${index}`, streamOf(Buffer.alloc(OBJECT_SIZE_BYTES, index)), { signal });
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    };
    await Promise.all(Array.from({ length: OBJECTS }, (_, index) => put(index)));
    expect(most).toBeLessThan(OBJECTS * MEMORY_PER_OBJECT_BYTES);
    expect((await Array.fromAsync(storage.list("small/", { signal }))).map(({ sizeBytes }) => sizeBytes)).toEqual(Array(OBJECTS).fill(OBJECT_SIZE_BYTES));
  },
  60_000,
);
