import { afterAll } from "vitest";
import { openGsStorage } from "../../src/storage/gs.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageConformance } from "../conformance/storage.ts";
import { startFakeGcsServer } from "../support/fake-gcs-server.ts";
import { testRuntime } from "../support/test-runtime.ts";

const server = await startFakeGcsServer();
afterAll(() => server.stop());
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
