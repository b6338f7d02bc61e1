import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { formatId } from "../../src/bytes/u64.ts";
import { rowsOf } from "../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../../src/etcd-files/bbolt/file-page-source.ts";
import { checkSnapshot } from "../../src/etcd-files/check/check-snapshot.ts";
import { applyRestore, type RestoreResult } from "../../src/restore/apply.ts";
import { type DatabasePlan, planDatabase } from "../../src/restore/database-plan.ts";
import { NO_EVIDENCE } from "../../src/restore/evidence.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { DEFAULT_POLICIES } from "../../src/restore/keyspace.ts";
import { planRestore, type RestorePlan, type RestoreRequest } from "../../src/restore/plan.ts";
import { checkWrittenDatabase } from "../../src/restore/self-check.ts";
import type { SnapshotSource } from "../../src/restore/source.ts";
import { planTargets, readTargets } from "../../src/restore/targets.ts";
import { writeSnapshotFile } from "../../src/restore/to-snapshot.ts";
import type { Progress } from "../../src/runtime.ts";
import { randomHistory } from "../support/random-history.ts";
import { text } from "../support/rows.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const signal = new AbortController().signal;
const CLUSTER = ["a", "b", "c"].map((name, index) => ({ name, peerUrls: [`http://127.0.0.1:${2380 + index}`] }));
const HISTORY = randomHistory(42, { revisions: 500, keys: 60, valueSizeBytesMax: 2000, compaction: "finished" });
// A Uint8Array, since slicing a Buffer copies nothing.
const SNAPSHOT = new Uint8Array(buildSnapshot({ ...HISTORY, alarms: [{ memberId: 5n, alarm: 1 }] }));

test("restore: every member gets the same database, with the new members, their voters, no alarm, and the old data", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const { hashKv } = await applyRestore(plan, source, { signal, runtime: testRuntime() });
  const [first, ...others] = await Promise.all(CLUSTER.map(({ name }) => readFile(join(directory.path, name, "member/snap/db"))));
  for (const other of others) expect(other.equals(first!)).toBe(true);
  const { facts, findings } = checked(join(directory.path, "a/member/snap/db"));
  expect(findings).toEqual([]);
  expect(facts).toMatchObject({ revision: BigInt(HISTORY.revision), alarms: [], consistentIndex: 3n, term: 1n });
  expect(facts!.members.map(({ id }) => formatId(id)).sort()).toEqual(plan.members.map(({ id }) => id).sort());
  expect(facts!.confState?.voters.map(formatId).sort()).toEqual(plan.members.map(({ id }) => id).sort());
  expect(facts!.hashes[0]).toMatchObject({ hash: hashKv.hash });
  expect(facts!.hashes[0]).toEqual(checkSnapshot(pages(source), { hashes: [{ revision: 0n }] }).facts!.hashes[0]);
});

test("restore: no member comes into place while the disk still takes a database, however long that is", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  await using file = await open("/dev/null");
  const handles = Object.getPrototypeOf(file) as FileHandle;
  const plain = handles.sync;
  const inPlace: boolean[] = [];
  const sync = vi.spyOn(handles, "sync").mockImplementation(async function (this: FileHandle) {
    await plain.call(this);
    if (!readlinkSync(`/proc/self/fd/${this.fd}`).endsWith("/snap/db")) return;
    await sleep(500);
    inPlace.push(CLUSTER.some(({ name }) => existsSync(join(directory.path, name, "member"))));
  });
  await applyRestore(plan, source, { signal, runtime: testRuntime() }).finally(() => sync.mockRestore());
  // The first one's twice: before it gets its meta pages, and with them.
  expect(inPlace).toEqual([false, false, false, false]);
});

test("restore: a bump moves the revision ahead and schedules the compaction of all before it", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path, { bumpRevision: "1000000" });
  await applyRestore(plan, source, { signal, runtime: testRuntime() });
  const after = BigInt(HISTORY.revision) + 1_000_000n;
  expect(checked(join(directory.path, "b/member/snap/db")).facts).toMatchObject({
    revision: after,
    scheduledCompactRevision: after,
    compactRevision: BigInt(HISTORY.compactRevision!),
  });
});

test("restore: a source with any byte changed is refused, and nothing is left in the targets", async () => {
  for (const at of [0, 5000, Math.floor(SNAPSHOT.length / 2), SNAPSHOT.length - 40, SNAPSHOT.length - 1]) {
    await using directory = await temporaryDirectory("restore");
    const damaged = SNAPSHOT.slice();
    damaged[at]! ^= 1;
    const attempt = async () => {
      const { source, plan } = await planned(directory.path, {}, damaged);
      await applyRestore(plan, source, { signal, runtime: testRuntime() });
    };
    await expect(attempt(), `byte ${at}`).rejects.toMatchObject({ code: expect.stringMatching(/^(SNAPSHOT_HASH_MISMATCH|SNAPSHOT_DAMAGED|BBOLT_\w+)$/) });
    expect(await readdir(directory.path)).toEqual(["source.db"]);
  }
});

test("restore: a source that was exchanged for another good one after it was planned is refused", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  await writeFile(join(directory.path, "source.db"), buildSnapshot({ ...HISTORY, term: 7 }));
  const restoring = applyRestore(plan, source, { signal, runtime: testRuntime() });
  await expect(restoring).rejects.toMatchObject({ code: "PLAN_MISMATCH", message: expect.stringContaining("has changed since it was planned") });
  for (const { name } of CLUSTER) expect(existsSync(join(directory.path, name, "member"))).toBe(false);
});

test("restore: a hash that cannot be computed fails it with its cause, whatever the structure says", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path, { policies: { ...DEFAULT_POLICIES, keepAlarms: true } });
  const path = join(directory.path, "written.db");
  await writeFile(path, SNAPSHOT.slice(0, -32));
  const whole = {
    path,
    plan,
    edit: { originalMetaPages: SNAPSHOT.slice(0, 8192), metaPages: SNAPSHOT.slice(0, 8192) },
    trailer: Buffer.from(SNAPSHOT.slice(-32)).toString("hex"),
    proof: "none" as const,
  };
  await checkWrittenDatabase(whole, { signal, runtime: testRuntime() });
  // The pages are all there, so that only the hash finds the file too short.
  const longer = { ...plan, source: { ...source.facts, databaseSizeBytes: source.facts.databaseSizeBytes + 4096 } };
  await expect(checkWrittenDatabase({ ...whole, plan: longer }, { signal, runtime: testRuntime() })).rejects.toMatchObject({
    code: "FILE_FAILED",
    message: expect.stringContaining("it became shorter meanwhile"),
  });
});

test("restore: a page damaged under a right hash is refused by the check of what was written", async () => {
  await using directory = await temporaryDirectory("restore");
  const image = SNAPSHOT.slice(0, -32);
  image[4096 * 3 + 8] = 0x77; // A page's type flags.
  const { source, plan } = await planned(directory.path, { skipHashCheck: true }, image);
  await expect(applyRestore(plan, source, { signal, runtime: testRuntime() })).rejects.toMatchObject({
    code: "SNAPSHOT_DAMAGED",
    message: expect.stringContaining("byte"),
  });
  expect(await readdir(directory.path)).toEqual(["source.db"]);
});

test("restore: a HashKV other than the manifest's fails the self-check, also where the revision is moved ahead, and nothing is put in place", async () => {
  await using directory = await temporaryDirectory("restore");
  for (const bumpRevision of ["none", "1000"]) {
    const { source, plan } = await planned(directory.path, { bumpRevision });
    const wrong = { revision: plan.source.revision, compactRevision: plan.source.compactRevision, hash: 1 };
    const altered: RestorePlan = { ...plan, source: { ...plan.source, hashKv: wrong } };
    await expect(applyRestore(altered, source, { signal, runtime: testRuntime() })).rejects.toMatchObject({ code: "SELF_CHECK_FAILED" });
  }
  expect(await readdir(directory.path)).toEqual(["source.db"]);
});

test("restore: a revision other than the plan's fails the self-check", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const altered: RestorePlan = { ...plan, revision: { ...plan.revision, after: `${BigInt(plan.revision.after) + 1n}` } };
  await expect(applyRestore(altered, source, { signal, runtime: testRuntime() })).rejects.toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringContaining(`has the revision ${plan.revision.after} instead of ${altered.revision.after}`),
  });
  expect(await readdir(directory.path)).toEqual(["source.db"]);
});

test.each([
  ["a SHA-256 at its end", true],
  ["none", false],
])("restore: a copy for another member that is not as the first one is the disk's fault, not that of a source with %s", async (_, hasHash) => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path, { skipHashCheck: !hasHash }, hasHash ? SNAPSHOT : SNAPSHOT.slice(0, -32));
  const value = HISTORY.rows.findLast((row) => row.value.length > 1000)!.value;
  let harmed = 0;
  const harmFirst = ({ step, done }: Progress) => {
    if (step !== "check" || !done || harmed++ > 0) return;
    const databases = readdirSync(directory.path, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("/snap/db"));
    expect(databases).toHaveLength(1);
    const path = join(directory.path, databases[0]!);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf(value) + 900]! ^= 1; // In what a client has put.
    writeFileSync(path, bytes);
  };
  const runtime = { ...testRuntime(), progress: harmFirst };
  await expect(applyRestore(plan, source, { signal, runtime })).rejects.toMatchObject({
    code: "SELF_CHECK_FAILED",
    message: expect.stringMatching(/\/b\/member\S*\/snap\/db (does not hold what was written to it|has the HashKV)/),
    hint: expect.stringContaining("not to be trusted"),
  });
  expect(harmed).toBeGreaterThan(0);
  expect(await readdir(directory.path)).toEqual(["source.db"]);
});

test("restore: members that the old cluster removed are not remembered: their ids may come again", async () => {
  await using directory = await temporaryDirectory("restore");
  const removed = [{ key: text("8e9e05c52164694d"), value: text("removed") }];
  const { source, plan } = await planned(directory.path, {}, buildSnapshot({ ...HISTORY, buckets: { members_removed: removed } }));
  await applyRestore(plan, source, { signal, runtime: testRuntime() });
  const file = openFilePageSource(join(directory.path, "a/member/snap/db"));
  try {
    expect([...rowsOf(openDatabase(file), "members_removed")]).toEqual([]);
  } finally {
    file.close();
  }
});

test("restore: one target that is not empty refuses all of them before anything is written", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  await mkdir(join(directory.path, "c"));
  await writeFile(join(directory.path, "c/notes"), "mine");
  await expect(applyRestore(plan, source, { signal, runtime: testRuntime() })).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
  expect((await readdir(directory.path)).sort()).toEqual(["c", "source.db"]);
});

/** A plan that replaces member a, which is there, and the options of its restore. */
async function replacing(directory: string) {
  const database = join(directory, "a/member/snap/db");
  await mkdir(join(database, ".."), { recursive: true });
  await writeFile(database, SNAPSHOT.subarray(0, -32));
  const { source, plan: unseen } = await planned(directory);
  const plan = planTargets(unseen, await readTargets(unseen), { replace: true, owner: null });
  return { source, plan, database, options: { signal, liveness: { etcdIsStopped: true, hostRoot: join(directory, "no host") } } };
}

/** As etcd locks its database; taken when it returns. The process ends with the test. */
function lockNow(database: string, marker: string): void {
  const holder = spawn("flock", ["-x", database, "sh", "-c", 'echo > "$0"; cat', marker], { stdio: ["pipe", "ignore", "ignore"] });
  onTestFinished(() => void holder.stdin?.end());
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (const giveUpAt = performance.now() + 10_000; !existsSync(marker); Atomics.wait(pause, 0, 0, 10))
    if (performance.now() > giveUpAt) throw new Error(`${database} could not be locked`);
}

test("restore: what is replaced has to stay as it was planned until everything is staged", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan, database, options } = await replacing(directory.path);
  let hasGrown = false;
  const progress = () => {
    if (!hasGrown) appendFileSync(database, new Uint8Array(4096));
    hasGrown = true;
  };
  const restoring = applyRestore(plan, source, { ...options, runtime: { ...testRuntime(), progress } });
  await expect(restoring).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY", message: expect.stringMatching(/\/a has changed since the restore was planned$/) });
  expect(hasGrown).toBe(true);
  expect((await readdir(directory.path)).sort()).toEqual(["a", "source.db"]);
  expect(await readdir(join(directory.path, "a"))).toEqual(["member"]);
});

test("restore: an etcd that was started while the files were written is seen before any guard is set", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan, database, options } = await replacing(directory.path);
  let isLocked = false;
  const progress = () => {
    if (!isLocked) lockNow(database, join(directory.path, "locked"));
    isLocked = true;
  };
  // The journal of what is put in place says when that began.
  const now = vi.fn(() => new Date());
  const restoring = applyRestore(plan, source, { ...options, runtime: { ...testRuntime(), now, progress } });
  await expect(restoring).rejects.toMatchObject({ code: "ETCD_MAY_BE_ALIVE", message: expect.stringContaining("lock") });
  expect(isLocked).toBe(true);
  expect(now).not.toHaveBeenCalled();
  expect(await readdir(join(directory.path, "a"))).toEqual(["member"]);
});

test("restore: an etcd that was started at the last moment is seen once the guards are set, before anything is moved", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan, database, options } = await replacing(directory.path);
  const { ino } = await stat(join(directory.path, "a/member"));
  const now = () => {
    lockNow(database, join(directory.path, "locked"));
    return new Date();
  };
  const restoring = applyRestore(plan, source, { ...options, runtime: { ...testRuntime(), now } });
  await expect(restoring).rejects.toMatchObject({ code: "ETCD_MAY_BE_ALIVE", message: expect.stringContaining("lock") });
  expect(await readdir(join(directory.path, "a"))).toEqual(["member"]);
  expect((await stat(join(directory.path, "a/member"))).ino).toBe(ino);
});

test("restore: a plan whose ids do not follow from its members and token is refused", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  await expect(applyRestore({ ...plan, token: "another" }, source, { signal, runtime: testRuntime() })).rejects.toMatchObject({ code: "INTERNAL" });
});

test("restore: what can neither be put in place nor taken back keeps its stages: nobody else has what is in them", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const at = (path: string) => join(directory.path, path);
  const file = await open(at("source.db"));
  const handles = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
  const sync = vi.spyOn(handles, "sync").mockImplementation(async () => {
    // Once the first guard is set: the last one cannot be, and the first cannot be removed.
    if (existsSync(at("a/proxy")) && !existsSync(at("c/proxy")))
      for (const path of ["a/journal.etcdsafe-s1/mine", "c/proxy/mine"]) mkdirSync(at(path), { recursive: true });
  });
  const restoring = applyRestore(plan, source, { signal, runtime: testRuntime() }).finally(() => sync.mockRestore());
  await expect(restoring).rejects.toMatchObject({ code: "RESTORE_UNFINISHED", message: expect.stringMatching(/could not be put in place .*, nor taken back/) });
  for (const { name } of CLUSTER) expect(existsSync(at(`${name}/member.etcdsafe-s1/snap/db`))).toBe(true);
});

test("restore: a stage that another run by the same plan has made meanwhile is neither put in place nor removed", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const stage = join(directory.path, "b/member.etcdsafe-s1");
  const now = () => {
    renameSync(stage, join(directory.path, "b/member.etcdsafe-former"));
    mkdirSync(stage);
    return new Date();
  };
  const restoring = applyRestore(plan, source, { signal, runtime: { ...testRuntime(), now } });
  await expect(restoring).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY", message: expect.stringContaining("another restore by the same plan") });
  expect(await readdir(directory.path, { recursive: true })).not.toContain("b/member");
  expect(existsSync(stage)).toBe(true);
});

test.each([
  ["at once", undefined],
  ["while the first one writes", { step: "write", done: 1 }],
  ["when it has checked a member", { step: "check", done: 1 }],
  ["when it has checked two", { step: "check", done: 2 }],
])("restore: of two runs by the same plan, the second begun %s, one restores, and the other says why it does not", async (_, moment) => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const run = (progress: (report: Progress) => void) => applyRestore(plan, source, { signal, runtime: { ...testRuntime(), progress } });
  const second = Promise.withResolvers<RestoreResult>();
  const begin = () => void run(() => undefined).then(second.resolve, second.reject);
  let count = 0;
  const first = run(({ step, done }) => {
    if (moment !== undefined && step === moment.step && done && ++count === moment.done) begin();
  });
  if (moment === undefined) begin();
  const ended = await Promise.allSettled([first, second.promise]);
  const refused = ended.filter(({ status }) => status === "rejected");
  expect(refused).toMatchObject([
    { reason: { code: "TARGET_NOT_EMPTY", message: expect.stringContaining("another restore by the same plan runs on this host") } },
  ]);
  expect(ended.flatMap((each) => (each.status === "fulfilled" ? each.value.leftovers : []))).toEqual([]);
  for (const { name } of CLUSTER) {
    expect(await readdir(join(directory.path, name))).toEqual(["member"]);
    expect(checked(join(directory.path, name, "member/snap/db")).findings).toEqual([]);
  }
});

test("restore: a member that appears at the last moment is in the way, and stays as it is", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  const theirs = join(directory.path, "b/member/snap/db");
  const now = () => {
    mkdirSync(join(theirs, ".."), { recursive: true });
    writeFileSync(theirs, "theirs");
    return new Date();
  };
  await expect(applyRestore(plan, source, { signal, runtime: { ...testRuntime(), now } })).rejects.toMatchObject({
    code: "TARGET_NOT_EMPTY",
    message: expect.stringContaining("/b/member exists already"),
  });
  expect(readFileSync(theirs, "utf8")).toBe("theirs");
  expect(await readdir(join(directory.path, "b"))).toEqual(["member"]);
  for (const name of ["a", "c"]) expect(existsSync(join(directory.path, name))).toBe(false);
});

test("restore: what a run of the same plan left when it died is in nobody's way", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source, plan } = await planned(directory.path);
  await mkdir(join(directory.path, "b/member.etcdsafe-s1/snap"), { recursive: true });
  await writeFile(join(directory.path, "b/member.etcdsafe-s1/snap/db"), "half");
  expect((await applyRestore(plan, source, { signal, runtime: testRuntime() })).leftovers).toEqual([]);
  expect(await readdir(join(directory.path, "b"))).toEqual(["member"]);
});

test("restore: an abort before the end leaves nothing, not even a directory that was made for several members", async () => {
  await using directory = await temporaryDirectory("restore");
  const targets = CLUSTER.map(({ name }) => ({ name, dataDir: join(directory.path, "all", name) }));
  const { source, plan } = await planned(directory.path, { targets });
  const abort = new AbortController();
  const runtime = { ...testRuntime(), progress: () => abort.abort(new Error("enough")) };
  await expect(applyRestore(plan, source, { signal: abort.signal, runtime })).rejects.toThrow("enough");
  expect(await readdir(directory.path)).toEqual(["source.db"]);
});

test("restore to a snapshot: the same bytes again, never over a file that exists", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source } = await planned(directory.path);
  const path = join(directory.path, "plain.db");
  const plan = unchanged(source);
  await writeSnapshotFile(source, path, plan, { signal, runtime: testRuntime() });
  expect((await readFile(path)).equals(SNAPSHOT)).toBe(true);
  expect((await readdir(directory.path)).sort()).toEqual(["plain.db", "source.db"]);
  await expect(writeSnapshotFile(source, path, plan, { signal, runtime: testRuntime() })).rejects.toMatchObject({
    code: "TARGET_NOT_EMPTY",
  });
});

test("restore to a snapshot: two that write the same file at once: one does, the other is refused, and what a third left is not touched", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source } = await planned(directory.path);
  const path = join(directory.path, "plain.db");
  await writeFile(`${path}.part`, "mine");
  const plan = unchanged(source);
  const write = () => writeSnapshotFile(source, path, plan, { signal, runtime: testRuntime() });
  const ended = await Promise.allSettled([write(), write()]);
  expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(ended.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "TARGET_NOT_EMPTY" } });
  expect((await readFile(path)).equals(SNAPSHOT)).toBe(true);
  expect((await readdir(directory.path)).sort()).toEqual(["plain.db", "plain.db.part", "source.db"]);
});

test("restore to a snapshot: a copied database gets its hash, without what lies behind its last page", async () => {
  await using directory = await temporaryDirectory("restore");
  const { source } = await planned(directory.path, {}, SNAPSHOT.slice(0, -32));
  await truncate(join(directory.path, "source.db"), SNAPSHOT.length - 32 + 16 * 1024 * 1024);
  const path = join(directory.path, "plain.db");
  const plan = unchanged(source);
  await writeSnapshotFile(source, path, { ...plan, skipHashCheck: true }, { signal, runtime: testRuntime() });
  expect((await readFile(path)).equals(SNAPSHOT)).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

/** The same bytes again: the one alarm of SNAPSHOT is kept. */
function unchanged({ facts }: SnapshotSource): DatabasePlan {
  const policies = { ...DEFAULT_POLICIES, keepAlarms: true };
  return planDatabase({ source: facts, bumpRevision: "none", evidence: NO_EVIDENCE, skipHashCheck: false, policies });
}

async function planned(
  directory: string,
  changes: Partial<RestoreRequest> = {},
  bytes: Uint8Array = SNAPSHOT,
): Promise<{ source: SnapshotSource; plan: RestorePlan }> {
  const path = join(directory, "source.db");
  await writeFile(path, bytes);
  const source = snapshotFileSource(path);
  const targets = CLUSTER.map(({ name }) => ({ name, dataDir: join(directory, name) }));
  return {
    source,
    plan: planRestore({
      source: source.facts,
      cluster: CLUSTER,
      targets,
      newToken: "fresh",
      command: () => "restore",
      stageId: "s1",
      bumpRevision: "none",
      evidence: NO_EVIDENCE,
      skipHashCheck: false,
      tool: "0.1.0",
      plannedAt: "2026-11-21T12:00:00.000Z",
      ...changes,
    }),
  };
}

function pages(source: SnapshotSource) {
  if (!("path" in source.content)) throw new Error("the source is a file here");
  return openFilePageSource(source.content.path);
}

function checked(path: string) {
  const file = openFilePageSource(path);
  try {
    return checkSnapshot(file, { hashes: [{ revision: 0n }] });
  } finally {
    file.close();
  }
}
