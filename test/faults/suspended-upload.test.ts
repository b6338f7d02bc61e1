// A writer that stands still (SIGSTOP) with a backup half written, until another process or a garbage collection has taken it for dead, and then goes on.
import { readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { readerOf, streamOf } from "../../src/bytes/stream.ts";
import { isProcessGone } from "../../src/cli/process-gone.ts";
import { applyGc, planGc } from "../../src/maintenance/gc.ts";
import { SNAPSHOT_OBJECT, uploadKey } from "../../src/repository/names.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import { readUploadMarker } from "../../src/repository/upload-marker.ts";
import { openFileStorage } from "../../src/storage/file.ts";
import { sampleManifest } from "../repository/sample-manifest.ts";
import { NODE } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";
import { filesBelow, quietRuntime } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CHILD = fileURLToPath(new URL("upload-child.ts", import.meta.url));
const AUTHOR = { tool: { name: "test", version: "0" }, writer: { host: "test", pid: 1 } };
const ID = "20261121T093000Z-0000000000000012345-k3jv2a";
const { signal } = new AbortController();
const directory = await temporaryDirectory("suspended-upload");
afterAll(() => directory.remove());

test.each(["save", "copy", "rekey"])(
  "a %s that stood still until another process has published the same backup fails, and leaves that whole",
  async (action) => {
    const { repository, path, child } = await suspendedIn(action);
    const options = { signal, runtime: quietRuntime };
    const found = await readUploadMarker(repository.storage, uploadKey("default", ID), options);
    // It stands still, and is there.
    expect(isProcessGone(found!.upload!.writer)).toBe(false);
    const heir = await beginUpload(repository, AUTHOR, { cluster: "default", id: ID, action: "copy" }, { ...options, replacing: found!.version });
    await heir.discard([`default/backups/${ID}/${SNAPSHOT_OBJECT}`], { signal });
    const object = await heir.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(Buffer.alloc(4128, "of the heir"))), { signal });
    await heir.publish({ ...sampleManifest(), id: ID, objects: [object] }, { signal });
    const before = await filesBelow(path);
    child.signal("SIGCONT");
    child.child.stdin?.write("go\n");
    expect((await child.finished).stdout).toBe("stored\nWRITER_LEASE_LOST\n");
    expect(await filesBelow(path)).toEqual(before);
  },
);

test("a save that stood still until a garbage collection took it for dead fails, and leaves nothing", async () => {
  const { repository, path, child } = await suspendedIn("save", "collected");
  const old = new Date(Date.now() - 200_000);
  await utimes(join(path, uploadKey("default", ID)), old, old);
  const options = { signal, runtime: quietRuntime };
  expect(await applyGc(repository, await planGc(repository, options), AUTHOR, options)).toMatchObject({ removed: [{ backup: ID }], leave: [], failed: [] });
  child.signal("SIGCONT");
  child.child.stdin?.write("go\n");
  expect((await child.finished).stdout).toBe("stored\nWRITER_LEASE_LOST\n");
  expect(Object.keys(await filesBelow(path)).sort()).toEqual(["default/writer.json", "etcdsafe-repository.json"]);
});

async function suspendedIn(action: string, name = action) {
  const path = join(directory.path, name);
  const repository = await openOrCreateRepository(openFileStorage(path, quietRuntime), AUTHOR, { signal, runtime: quietRuntime });
  const child = startCommand(NODE, [CHILD, path, ID, action], { stdin: "open", limitMs: 60_000 });
  await child.printed(/stored\n/);
  child.signal("SIGSTOP");
  await expect.poll(async () => (await readFile(`/proc/${child.pid}/stat`, "utf8")).split(") ")[1]![0]).toBe("T");
  return { repository, path, child };
}
