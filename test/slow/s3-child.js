// A process of its own that puts so many megabytes into a store, or reads them back, for its memory to be measured: plain JavaScript, so that Node's
// TypeScript stripper is not. Arguments: the built src/storage/s3.js, what it is given as JSON, the bucket, megabytes or nothing.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--semi-space-growth-factor=1"); // As bin/etcdsafe.js does.
const [module, settings, bucket, megabytes] = process.argv.slice(2);
const { openS3Storage } = await import(module);
const runtime = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (delayMs) => sleep(delayMs),
  randomBytes: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
  log: () => undefined,
};
const { signal } = new AbortController();
const storage = await openS3Storage({ bucket, prefix: "" }, JSON.parse(settings), runtime);
const hash = createHash("sha256");

async function* body() {
  const chunk = new Uint8Array(1_000_000);
  for (let index = 0; index < Number(megabytes); index++) {
    chunk.fill(index);
    hash.update(chunk);
    yield chunk;
  }
}
if (megabytes !== undefined) await storage.put("large", body(), { signal });
else for await (const chunk of storage.read("large", { signal })) hash.update(chunk);
process.stdout.write(hash.digest("hex"));
