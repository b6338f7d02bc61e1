// A snapshot file on its way into a restored one: what it is before all of it is there, and where its pages lie far from each other.
import { type FileHandle, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openFilePageSource } from "../../src/etcd-files/bbolt/file-page-source.ts";
import { checkSnapshot } from "../../src/etcd-files/check/check-snapshot.ts";
import { peekSnapshotFile } from "../../src/etcd-files/check/peek-file.ts";
import { unedited } from "../../src/restore/database.ts";
import { type DatabasePlan, planDatabase } from "../../src/restore/database-plan.ts";
import { editDatabaseFile } from "../../src/restore/edit.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { checkWrittenDatabase } from "../../src/restore/self-check.ts";
import type { SnapshotSource } from "../../src/restore/source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { writeDatabaseFile } from "../../src/restore/write.ts";
import { SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { randomHistory, randomNumbers } from "../support/random-history.ts";
import { shufflePages } from "../support/shuffled-pages.ts";
import { buildSnapshot, withTrailer } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: new AbortController().signal, runtime: testRuntime(), skipHashCheck: false };
const HISTORY = randomHistory(42, { revisions: 1500, keys: 60, valueSizeBytesMax: 4000, compaction: "finished" });
const SNAPSHOT = buildSnapshot({ ...HISTORY, trailer: false });

test.each(["none", "1000"])("restore of a file, bump %s: until every page is there and checked, what is written is no database", async (bumpRevision) => {
  await using directory = await temporaryDirectory("write");
  const { source, plan } = await planned(directory.path, withTrailer(SNAPSHOT), bumpRevision);
  const file = await writeDatabaseFile(source, join(directory.path, "written.db"), options);
  const edit = bumpRevision === "none" ? unedited(file) : await editDatabaseFile(file, plan, undefined, options);
  await expectThrown("SNAPSHOT_NOT_A_DATABASE", () => peekSnapshotFile(file.path), /zeros/);
  const failing = { ...file, plan: { ...plan, revision: { ...plan.revision, after: "7" } }, edit };
  await expectThrown("SELF_CHECK_FAILED", () => checkWrittenDatabase(failing, options), /has the revision/);
  await expectThrown("SNAPSHOT_NOT_A_DATABASE", () => peekSnapshotFile(file.path), /zeros/);
  await checkWrittenDatabase({ ...file, plan, edit }, options);
  expect(peekSnapshotFile(file.path).revision.toString()).toBe(plan.revision.after);
});

test("restore of a file: meta pages that the disk does not hold as they were written fail it", async () => {
  await using directory = await temporaryDirectory("write");
  const { source, plan } = await planned(directory.path, withTrailer(SNAPSHOT), "none");
  const file = await writeDatabaseFile(source, join(directory.path, "written.db"), options);
  const edit = unedited(file);
  await using any = await open("/dev/null");
  const handles = Object.getPrototypeOf(any) as FileHandle;
  const plain = handles.write;
  const write = vi.spyOn(handles, "write").mockImplementation(async function (this: FileHandle, bytes: Uint8Array, ...place: number[]) {
    const wrong = Uint8Array.from(bytes);
    wrong[4096 + 100]! ^= 1; // Behind what the meta's own checksum covers.
    return plain.call(this, wrong as never, ...(place as never[]));
  } as FileHandle["write"]);
  const checking = checkWrittenDatabase({ ...file, plan, edit }, options).finally(() => write.mockRestore());
  await expect(checking).rejects.toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringMatching(/written\.db does not hold what was written to it, below byte 8192$/),
  });
});

test("restore of a file: pages that lie far from each other are found again when they are edited", async () => {
  await using directory = await temporaryDirectory("write");
  const shuffled = withTrailer(shufflePages(SNAPSHOT, randomNumbers(SEED)));
  const { source, plan } = await planned(directory.path, shuffled, "1000");
  const path = join(directory.path, "written.db");
  await writeSnapshotFile(source, path, plan, options);
  const file = openFilePageSource(path);
  try {
    const { findings, facts } = checkSnapshot(file, { hashes: [] });
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
    // The row that moves the revision is one of a key without a name.
    expect(facts).toMatchObject({ revision: BigInt(plan.revision.after), keys: HISTORY.live.size + 1 });
  } finally {
    file.close();
  }
});

test("restore of a file that was shortened, or whose hash was exchanged, after it was planned: it has changed since", async () => {
  await using directory = await temporaryDirectory("write");
  const { source } = await planned(directory.path, withTrailer(SNAPSHOT), "none");
  const write = (name: string) => writeDatabaseFile(source, join(directory.path, name), options);
  const bytes = await readFile(source.facts.location);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(source.facts.location, bytes);
  await expectThrown("PLAN_MISMATCH", () => write("a.db"), /source\.db has changed since it was planned: its SHA-256 is [0-9a-f]{64} instead of [0-9a-f]{64}$/);
  await truncate(source.facts.location, bytes.length - 4096);
  await expectThrown("PLAN_MISMATCH", () => write("b.db"), /source\.db has changed since it was planned/);
});

async function planned(directory: string, bytes: Uint8Array, bumpRevision: string): Promise<{ source: SnapshotSource; plan: DatabasePlan }> {
  const path = join(directory, "source.db");
  await writeFile(path, bytes);
  const source = snapshotFileSource(path);
  return { source, plan: planDatabase({ source: source.facts, bumpRevision, evidence: NO_EVIDENCE, skipHashCheck: false }) };
}
