// Child of the tests of two writers: node lease-child.ts REPOSITORY SETTINGS SECONDS KEY. Takes the writer lease of "default" and says "held"; told to
// go on, renews it as a writer does right before it publishes, overwrites KEY with its process id and gives the lease back. Says the error's code, or "done".
import { once } from "node:events";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { takeWriterLease } from "../../src/repository/writer-lease.ts";
import { openStorage } from "../../src/storage/open.ts";
import { quietRuntime } from "../support/saving.ts";

const [url = "", settings = "", seconds, key = ""] = process.argv.slice(2);
const signal = AbortSignal.timeout(120_000);
try {
  const storage = await openStorage(url, JSON.parse(settings), quietRuntime);
  const repository = await openRepository(storage, { signal });
  const author = { tool: { name: "test", version: "0" }, writer: { host: "test", pid: process.pid } };
  const request = { cluster: "default", purpose: "gc", author, expiresAfterSeconds: Number(seconds) };
  await using lease = await takeWriterLease(repository, request, { runtime: quietRuntime, signal });
  process.stdout.write("held\n");
  await once(process.stdin, "data");
  await lease.requireHeld({ signal });
  await storage.put(key, streamOf(Buffer.from(String(process.pid))), { signal });
  process.stdout.write("done\n");
} catch (error) {
  process.stdout.write(`${error instanceof EtcdsafeError ? error.code : String(error)}\n`);
}
process.stdin.destroy();
