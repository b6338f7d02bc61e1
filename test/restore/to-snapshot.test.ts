// What apply.test.ts does not show of `restore --to-snapshot`: what is in its way, and how far it says it is.
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planDatabase } from "../../src/restore/database-plan.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { putRow, text } from "../support/rows.ts";
import { buildSnapshot, writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const signal = new AbortController().signal;

test("restore to a snapshot: a link is refused before anything is read, even one that leads nowhere, and is named with its target", async () => {
  await using directory = await temporaryDirectory("to-snapshot");
  const sourcePath = join(directory.path, "source.db");
  await writeFile(sourcePath, buildSnapshot());
  await writeFile(join(directory.path, "kept"), "kept");
  const ways = [
    ["gone", `is a symbolic link to gone, where nothing is`],
    ["kept", "exists already"],
  ] as const;
  for (const [target, message] of ways) {
    const path = join(directory.path, `link-to-${target}`);
    await symlink(target, path);
    const runtime = testRuntime();
    await expect(write(sourcePath, path, runtime)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY", message: `${path} ${message}` });
    expect(runtime.reported).toEqual([]);
  }
  expect((await readdir(directory.path)).sort()).toEqual(["kept", "link-to-gone", "link-to-kept", "source.db"]);
  expect(await readFile(join(directory.path, "kept"), "utf8")).toBe("kept");
});

test("restore to a snapshot: the hash, for which a big file is read once more, says how far it is", async () => {
  await using directory = await temporaryDirectory("to-snapshot");
  const sourcePath = join(directory.path, "source.db");
  const rows = Array.from({ length: 20 }, (_, index) => {
    const revision = index + 2;
    return putRow({ key: text(`key${index}`), createRevision: revision, modRevision: revision, version: 1, value: new Uint8Array(1024 * 1024), lease: 0n });
  });
  const totalBytes = writeSnapshot(sourcePath, { rows }) - 32;
  const runtime = testRuntime();
  await write(sourcePath, join(directory.path, "plain.db"), runtime);
  const reports = runtime.reported.filter(({ step }) => step === "hash");
  expect(reports).toEqual([
    { step: "hash", doneBytes: 16 * 1024 * 1024, totalBytes },
    { step: "hash", doneBytes: totalBytes, totalBytes, done: true },
  ]);
});

test("restore to a snapshot: who has to know of the file is told when it is whole, before it has its name", async () => {
  await using directory = await temporaryDirectory("to-snapshot");
  const sourcePath = join(directory.path, "source.db");
  writeSnapshot(sourcePath, {});
  const told: string[][] = [];
  const onWhole = async () => void told.push(await readdir(directory.path));
  await write(sourcePath, join(directory.path, "new.db"), testRuntime(), onWhole);
  expect(told).toEqual([[expect.stringMatching(/^new\.db\..*part$/), "source.db"]]);
});

function write(sourcePath: string, path: string, runtime: ReturnType<typeof testRuntime>, onWhole?: () => Promise<void>) {
  const source = snapshotFileSource(sourcePath);
  const plan = planDatabase({ source: source.facts, bumpRevision: "none", evidence: NO_EVIDENCE, skipHashCheck: false });
  return writeSnapshotFile(source, path, plan, { signal, runtime, ...(onWhole === undefined ? {} : { onWhole }) });
}
