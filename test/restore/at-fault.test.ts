// A bad disk under the restored files, and bad sources: neither may be told as the other.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { type EditedFile, findingsFault } from "../../src/restore/at-fault.ts";
import { type DatabasePlan, planDatabase } from "../../src/restore/database-plan.ts";
import { editDatabaseFile } from "../../src/restore/edit.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { checkWrittenDatabase } from "../../src/restore/self-check.ts";
import type { SnapshotSource, SourceFacts } from "../../src/restore/source.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import { writeDatabaseFile } from "../../src/restore/write.ts";
import type { Progress, Runtime } from "../../src/runtime.ts";
import { expectThrown } from "../support/failures.ts";
import { randomHistory } from "../support/random-history.ts";
import { buildSnapshot, withTrailer } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: new AbortController().signal, runtime: testRuntime(), skipHashCheck: false };
const PAGE = 4096;
const HISTORY = randomHistory(42, { revisions: 500, keys: 60, valueSizeBytesMax: 2000 });
const IMAGE = new Uint8Array(buildSnapshot({ ...HISTORY, trailer: false }));
const SNAPSHOT = withTrailer(IMAGE);
const DISK_FAULT = {
  code: "SELF_CHECK_FAILED",
  message: expect.stringMatching(/new\.db\S*part does not hold what was written to it: its bytes give the SHA-256/),
  hint: expect.stringContaining("not to be trusted"),
};
/** A page's type, in its header. */
const FLAGS = 8;
/** Of what is not a page that an edit reads first: in both metas, in pages' headers, and in the middle of them. */
const PLACES = [16, PAGE + 16, 2 * PAGE + FLAGS, 3 * PAGE + FLAGS, Math.floor(IMAGE.length / 2), IMAGE.length - PAGE + FLAGS, IMAGE.length - 1];

test.each(["backup", "foreign"] as const)("at fault: what a stream wrote and the disk changed is not told of the %s", async (kind) => {
  await using directory = await temporaryDirectory("at-fault");
  for (const [index, at] of PLACES.entries()) {
    const bumpRevision = index % 2 === (kind === "backup" ? 0 : 1) ? "none" : "1000";
    const { source, plan } = await planned(directory.path, SNAPSHOT, bumpRevision);
    const streamed = { ...source, facts: { ...source.facts, kind }, content: { read: () => streamOf(SNAPSHOT) } };
    const restoring = writeSnapshotFile(streamed, join(directory.path, "new.db"), plan, { ...options, runtime: harmingAfter("write", directory.path, at) });
    await expect(restoring, `bump ${bumpRevision}, byte ${at}`).rejects.toMatchObject(DISK_FAULT);
  }
});

test("at fault: what the disk changes while the hash of a new snapshot is computed is not signed by it", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const { source, plan } = await planned(directory.path, SNAPSHOT, "none");
  const runtime = harmingAfter("check", directory.path, Math.floor(IMAGE.length / 2));
  await expect(writeSnapshotFile(source, join(directory.path, "new.db"), plan, { ...options, runtime })).rejects.toMatchObject(DISK_FAULT);
  expect(readdirSync(directory.path)).toEqual(["source.db"]);
});

test("at fault: a stream whose own hash is wrong is the source's fault, and so is one that is damaged under a right one", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const { source, plan } = await planned(directory.path, SNAPSHOT, "none");
  const restore = (bytes: Uint8Array, facts: Partial<SourceFacts>) => {
    const streamed: SnapshotSource = { ...source, facts: { ...source.facts, ...facts }, content: { read: () => streamOf(bytes) } };
    return writeSnapshotFile(streamed, join(directory.path, "new.db"), { ...plan, source: streamed.facts }, options);
  };
  const wrongData = flipped(SNAPSHOT, 3 * PAGE + FLAGS);
  await expectThrown("SNAPSHOT_HASH_MISMATCH", () => restore(wrongData, { kind: "foreign" }), /source\.db: the SHA-256 at its end is/);
  const wrongHash = flipped(SNAPSHOT, SNAPSHOT.length - 1);
  for (const kind of ["backup", "foreign"] as const)
    await expectThrown("SNAPSHOT_HASH_MISMATCH", () => restore(wrongHash, { kind }), /source\.db: the SHA-256 at its end is/);
  const damaged = withTrailer(flipped(IMAGE, 3 * PAGE + FLAGS));
  const databaseSha256 = Buffer.from(damaged.subarray(-32)).toString("hex");
  for (const kind of ["backup", "foreign"] as const)
    await expectThrown("SNAPSHOT_DAMAGED", () => restore(damaged, { kind, databaseSha256 }), /source\.db is damaged: .* at byte \d+/);
});

test("at fault: what is wrong in the pages that the edit wrote is not told of the source", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const file = await edited(directory.path, SNAPSHOT, "written.db");
  expect(readFileSync(file.path).length).toBeGreaterThan(IMAGE.length);
  flip(file.path, IMAGE.length + FLAGS);
  const checking = checkWrittenDatabase(file, options);
  await expect(checking).rejects.toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringMatching(/written\.db is not what was written to it: .*, at byte \d+/),
  });
});

test("at fault: a page that is damaged under a right hash is the source's, and so is one that is damaged in a file without a hash", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const damaged = flipped(IMAGE, 3 * PAGE + FLAGS);
  const signed = await edited(directory.path, withTrailer(damaged), "signed.db");
  await expectThrown("SNAPSHOT_DAMAGED", () => checkWrittenDatabase(signed, options), /source\.db is damaged: .* at byte \d+/);
  const unsigned = await edited(directory.path, damaged, "unsigned.db");
  await expectThrown("SNAPSHOT_DAMAGED", () => checkWrittenDatabase(unsigned, options), /source\.db is damaged: .* at byte \d+/);
});

test("at fault: what only the copy of a file without a hash has is the disk's; of a stream without one nothing tells, and both are named", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const { copyOf, ...copied } = await edited(directory.path, IMAGE, "unsigned.db");
  flip(copied.path, 3 * PAGE + FLAGS);
  await expectThrown("SELF_CHECK_FAILED", () => checkWrittenDatabase({ ...copied, copyOf: copyOf! }, options), /unsigned\.db is not what was written to it: /);
  await expect(checkWrittenDatabase(copied, options)).rejects.toMatchObject({
    code: "SNAPSHOT_DAMAGED",
    message: expect.stringMatching(/source\.db is damaged, or what was read back of its copy \S*unsigned\.db is: .*, at byte \d+/),
    hint: expect.stringMatching(/another host.* not to be trusted/),
  });
});

test("at fault: what the disk changes after it was hashed, and before it is walked, is not told of a stream's source", async () => {
  await using directory = await temporaryDirectory("at-fault");
  const streamed = await edited(directory.path, SNAPSHOT, "streamed.db", { isStream: true });
  flip(streamed.path, 3 * PAGE + FLAGS);
  const found = [{ severity: "error", offset: 3 * PAGE, text: "a bad page" }] as const;
  const fault = (file: EditedFile) => findingsFault({ ...file, proof: "hash" }, found, options);
  expect(await fault(streamed)).toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringMatching(/streamed\.db is not what was written to it: a bad page/),
  });
  const damaged = await edited(directory.path, withTrailer(flipped(IMAGE, 3 * PAGE + FLAGS)), "damaged.db", { isStream: true });
  expect(await fault(damaged)).toMatchObject({ code: "SNAPSHOT_DAMAGED", message: expect.stringMatching(/source\.db is damaged: /) });
});

test("at fault: a file that is whole has to hold both of its meta pages", async () => {
  await using directory = await temporaryDirectory("at-fault");
  for (const at of [16, PAGE + 16]) {
    const { source, plan } = await planned(directory.path, IMAGE, "1000");
    const file = await writeDatabaseFile(source, join(directory.path, `${at}.db`), { ...options, skipHashCheck: true });
    const edit = await editDatabaseFile(file, plan, undefined, options);
    flip(file.path, at);
    await expectThrown("SELF_CHECK_FAILED", () => checkWrittenDatabase({ ...file, plan, edit }, options), /\d\.db (does not hold|is not) what was written/);
  }
});

/** Written and edited, and not checked yet. */
async function edited(directory: string, bytes: Uint8Array, name: string, { isStream = false } = {}): Promise<EditedFile> {
  const { source, plan } = await planned(directory, bytes, "1000");
  const path = join(directory, name);
  const given: SnapshotSource = isStream ? { ...source, content: { read: () => streamOf(bytes) } } : source;
  const file = await writeDatabaseFile(given, path, { ...options, skipHashCheck: true });
  return { ...file, plan, edit: await editDatabaseFile(file, plan, undefined, options) };
}

async function planned(directory: string, bytes: Uint8Array, bumpRevision: string): Promise<{ source: SnapshotSource; plan: DatabasePlan }> {
  const path = join(directory, "source.db");
  await writeFile(path, bytes);
  const source = snapshotFileSource(path);
  return { source, plan: planDatabase({ source: source.facts, bumpRevision, evidence: NO_EVIDENCE, skipHashCheck: true }) };
}

/** A runtime under which one byte of what is being written turns over when a step is done. */
function harmingAfter(step: string, directory: string, at: number): Runtime {
  const progress = (report: Progress) => {
    if (report.step === step && report.done) flip(partIn(directory), at);
  };
  return { ...testRuntime(), progress };
}

function partIn(directory: string): string {
  return join(directory, readdirSync(directory).find((name) => name.endsWith(".part"))!);
}

function flip(path: string, at: number): void {
  writeFileSync(path, flipped(readFileSync(path), at));
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[at]! ^= 1;
  return changed;
}
