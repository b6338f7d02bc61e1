// What apply.test.ts does not show of `restore --to-snapshot`: what is in its way, and how far it says it is.
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { buildSnapshot } from "../support/snapshots.ts";
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

function write(sourcePath: string, path: string, runtime: ReturnType<typeof testRuntime>) {
  const source = snapshotFileSource(sourcePath);
  const revision = { before: source.facts.revision, after: source.facts.revision, bumpedBy: null, markCompacted: false };
  return writeSnapshotFile(source, path, { revision, skipHashCheck: false }, { signal, runtime });
}
