import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { collect, streamOf } from "../../src/bytes/stream.ts";
import { openGsStorage } from "../../src/storage/gs.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageConformance } from "../conformance/storage.ts";
import { startFakeGcsServer } from "../support/fake-gcs-server.ts";
import { testRuntime } from "../support/test-runtime.ts";

const server = await startFakeGcsServer();
afterAll(() => server.stop());
const { signal } = new AbortController();
let buckets = 0;

async function openBucket(options: { readonly versioned?: boolean } = {}): Promise<() => Promise<Storage>> {
  const bucket = `bucket-${buckets++}`;
  await server.createBucket(bucket, options);
  return () => open(bucket);
}

function open(bucket: string, endpoint = server.url): Promise<Storage> {
  const connection = { caFile: undefined, proxy: undefined, idleLimitMs: 5_000, triesMax: 4 };
  const gs = { endpoint, storageClass: undefined, kmsKey: undefined, credentials: undefined };
  return openGsStorage({ bucket, prefix: "etcd/prod" }, { connection, gs }, testRuntime());
}

storageConformance("gs storage", async () => {
  const again = await openBucket();
  return { storage: await again(), again, [Symbol.asyncDispose]: async () => undefined };
});

test("gs storage: of a versioned bucket, what was overwritten or deleted is listed and read", async () => {
  const storage = await (await openBucket({ versioned: true }))();
  const versions = storage.versions!;
  expect(await versions.isEnabled({ signal })).toBe(true);
  expect(await (await (await openBucket())()).versions!.isEnabled({ signal })).toBe(false);
  const put = (key: string, content: string) => storage.put(key, streamOf(Buffer.from(content)), { signal });
  const first = await put("a/1", "one");
  const second = await put("a/1", "two");
  const other = await put("a/2", "other");
  await storage.remove("a/1", { signal });
  await sleep(1_200); // What takes the place of another within a second is taken to have overwritten it.
  const third = await put("a/1", "three");
  const listed = await Array.fromAsync(versions.list("a/", { signal }));
  expect(listed.map(({ key, versionId, isDeleteMarker }) => [key, versionId, isDeleteMarker])).toEqual([
    ["a/1", third.versionId, false],
    ["a/1", `${second.versionId}-deleted`, true],
    ["a/1", second.versionId, false],
    ["a/1", first.versionId, false],
    ["a/2", other.versionId, false],
  ]);
  for (const [info, content] of [
    [first, "one"],
    [second, "two"],
    [third, "three"],
  ] as const) {
    const bytes = await collect(versions.read("a/1", info.versionId!, { signal }), 100, () => new Error("too long"));
    expect(Buffer.from(bytes).toString()).toBe(content);
  }
  await expect(Array.fromAsync(versions.read("a/1", "1", { signal }))).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
});
