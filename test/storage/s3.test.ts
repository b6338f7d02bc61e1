// The S3 backend against versitygw; what that cannot do is in s3-scripted.test.ts.
import { afterAll, beforeAll, vi } from "vitest";
import { openS3Storage } from "../../src/storage/s3.ts";
import type { OpenedStorage } from "../conformance/objects.ts";
import { storageConformance } from "../conformance/storage.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { type S3Server, s3Settings, startVersitygw } from "../support/versitygw.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startVersitygw();
  for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

storageConformance("s3 storage", () => openIn("plain"), { versioned: () => openIn("versioned"), locking: () => openIn("locking") });

async function openIn(kind: "plain" | "versioned" | "locking"): Promise<OpenedStorage> {
  const bucket = await server.createBucket(kind);
  const open = () => openS3Storage({ bucket, prefix: "backups/etcd" }, s3Settings(server.url), testRuntime());
  return { storage: await open(), again: open, [Symbol.asyncDispose]: async () => undefined };
}
