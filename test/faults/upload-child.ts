// Child of the test of a writer that stands still: node upload-child.ts REPOSITORY ID ACTION. Begins that backup, stores its object and says "stored"; told to
// go on, publishes it. Says the error's code, or "published"; gives up what it could not publish.
import { once } from "node:events";
import { hostname } from "node:os";
import { readerOf, streamOf } from "../../src/bytes/stream.ts";
import { processIdentity } from "../../src/cli/process-gone.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { SNAPSHOT_OBJECT } from "../../src/repository/names.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { quietRuntime } from "../support/saving.ts";

const [url = "", id = "", action = ""] = process.argv.slice(2);
const signal = AbortSignal.timeout(60_000);
const repository = await openRepository(await openStorage(url, DEFAULT_SETTINGS, quietRuntime), { signal });
const writer = { host: hostname(), pid: process.pid, process: processIdentity() };
const author = { tool: { name: "test", version: "0" }, writer };
const backup = { cluster: "default", id, action: action as "save" | "copy" | "rekey" };
const upload = await beginUpload(repository, author, backup, { runtime: quietRuntime, signal });
try {
  const raw = readerOf(streamOf(Buffer.alloc(4128, `of process ${process.pid}`)));
  const object = await upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, raw, { signal });
  process.stdout.write("stored\n");
  await once(process.stdin, "data");
  await upload.publish({ ...sampleManifest(), id, objects: [object] }, { signal });
  process.stdout.write("published\n");
} catch (error) {
  await upload.abandon(10_000);
  process.stdout.write(`${upload.lost.aborted ? upload.lost.reason.code : error instanceof EtcdsafeError ? error.code : String(error)}\n`);
}
process.stdin.destroy();
