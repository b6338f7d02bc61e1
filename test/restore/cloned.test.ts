// File systems whose files can share blocks are none that every machine has: what asks for that is told that it was done, and gets a copy.
import { constants } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { planDatabase } from "../../src/restore/database-plan.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const clones = vi.hoisted(() => ({ made: 0, harmed: false }));

vi.mock("node:fs/promises", async (original) => {
  const plain = await original<typeof import("node:fs/promises")>();
  const copyFile = async (from: string, to: string, mode: number): Promise<void> => {
    expect(mode & constants.COPYFILE_FICLONE_FORCE).not.toBe(0);
    clones.made += 1;
    await plain.copyFile(from, to, mode & ~constants.COPYFILE_FICLONE_FORCE);
    if (!clones.harmed) return;
    await using file = await plain.open(to, "r+");
    await file.write("harmed", 3 * 4096);
  };
  return { ...plain, copyFile };
});

const signal = new AbortController().signal;
const SNAPSHOT = new Uint8Array(buildSnapshot(randomHistory(42, { revisions: 500, keys: 60, valueSizeBytesMax: 2000 })));

test("restore where files share blocks: the clone is edited and checked as a copy is", async () => {
  await using directory = await temporaryDirectory("cloned");
  for (const [name, bumpRevision] of [
    ["same.db", "none"],
    ["bumped.db", "1000"],
  ] as const) {
    await restoreTo(join(directory.path, name), SNAPSHOT, bumpRevision);
    expect((await stat(join(directory.path, name))).mode & 0o777).toBe(0o600);
  }
  expect((await readFile(join(directory.path, "same.db"))).equals(SNAPSHOT)).toBe(true);
  expect(snapshotFileSource(join(directory.path, "bumped.db")).facts.revision).toBe("1501");
  const damaged = SNAPSHOT.slice();
  damaged[damaged.length - 40]! ^= 1;
  await expect(restoreTo(join(directory.path, "damaged.db"), damaged, "none")).rejects.toMatchObject({ code: "SNAPSHOT_HASH_MISMATCH" });
  expect(clones.made).toBe(3);
  expect((await readdir(directory.path)).sort()).toEqual(["bumped.db", "same.db", "source.db"]);
});

test("restore where files share blocks: what only the clone's bytes lack is not told of the source", async () => {
  await using directory = await temporaryDirectory("cloned");
  clones.harmed = true;
  await expect(restoreTo(join(directory.path, "new.db"), SNAPSHOT, "none")).rejects.toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringMatching(/new\.db\S*part does not hold what was written to it/),
  });
});

async function restoreTo(path: string, bytes: Uint8Array, bumpRevision: string): Promise<void> {
  const from = join(path, "../source.db");
  await writeFile(from, bytes);
  const source = snapshotFileSource(from);
  const plan = planDatabase({ source: source.facts, bumpRevision, evidence: NO_EVIDENCE, skipHashCheck: false });
  await writeSnapshotFile(source, path, plan, { signal, runtime: testRuntime() });
}
