// list and show, of a repository made by hand: good, suspect, unreadable and damaged backups in two clusters.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { encodeManifest, type Manifest } from "../../../src/repository/manifest.ts";
import { backupObjectKey, clusterFileKey, manifestKey } from "../../../src/repository/names.ts";
import { openOrCreateRepository } from "../../../src/repository/repository.ts";
import { writeVerification } from "../../../src/repository/sidecars.ts";
import { openFileStorage } from "../../../src/storage/file.ts";
import { sampleManifest } from "../../repository/sample-manifest.ts";
import { runCli } from "../../support/cli.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

const counts = { keys: 42, revisions: 99, tombstones: 3, leases: 2, users: 1, roles: 1, alarms: 0, totalRows: 120, keysByPrefix: [] };
const GOOD = sampleManifest({ counts, createdAt: "2026-11-20T09:30:00.000Z", revision: "1000" });
const SUSPECT = sampleManifest({ state: "suspect", stateWhy: "1 of 3 members agrees", createdAt: "2026-11-21T09:30:00.000Z", revision: "2000" });
const DAMAGED = sampleManifest({ createdAt: "2026-11-19T09:30:00.000Z", revision: "500" });
/** Of a big cluster, and stored longer ago than any clock is wrong. */
const BIG = sampleManifest({
  ...{ cluster: "big", createdAt: "2020-01-01T09:30:00.000Z", revision: "123456789", state: "unconfirmed", counts: { ...counts, keys: 1_234_567 } },
  snapshot: { ...GOOD.snapshot, dataSizeBytes: 876_544_000 },
  objects: GOOD.objects.map((object) => ({ ...object, rawSizeBytes: 876_544_032, storedSizeBytes: 123_456 })),
});
const OTHER = sampleManifest({ cluster: "staging", createdAt: "2026-11-18T09:30:00.000Z", revision: "7" });
const OLDER = sampleManifest({ cluster: "staging", createdAt: "2026-11-17T09:30:00.000Z", revision: "6" });

let directory: TemporaryDirectory;
const { signal } = new AbortController(); // Each test has its time-out.

beforeAll(async () => {
  directory = await temporaryDirectory("list");
  const runtime = {
    sleep: async () => undefined,
    randomBytes: (size: number) => crypto.getRandomValues(new Uint8Array(size)),
    now: () => new Date(),
    log: () => undefined,
  };
  const storage = openFileStorage(join(directory.path, "repository"), runtime);
  await openOrCreateRepository(storage, { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } }, { signal, runtime });
  const put = async (key: string, bytes: Uint8Array) => void (await storage.put(key, streamOf(bytes), { signal }));
  const store = async (manifest: Manifest, objectSizeBytes = 100) => {
    await put(backupObjectKey(manifest.cluster, manifest.id, "snapshot.db.zst"), new Uint8Array(objectSizeBytes));
    await put(manifestKey(manifest.cluster, manifest.id), encodeManifest(manifest));
  };
  await store(GOOD);
  await store(SUSPECT);
  await store(DAMAGED, 99);
  await store(OTHER);
  await store(OLDER);
  await store(BIG, 123_456);
  const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
  const times = { startedAt: "2020-01-02T09:30:00.000Z", finishedAt: "2020-01-02T09:30:05.000Z" };
  const passed = { level: "structure", outcome: "passed", ...times, readSizeBytes: 1, hashKv: null, failure: null } as const;
  await writeVerification(storage, "big", author, { backup: BIG.id, ...passed, findings: [] }, { signal });
  await put(manifestKey("default", "20261101T000000Z-0000000000000000001-aaaaaa"), Buffer.from("{"));
  // That of staging is elsewhere, or lost.
  for (const cluster of ["big", "default", "idle"]) await put(clusterFileKey(cluster), Buffer.from("{}"));
});
afterAll(() => directory.remove());

const etcdsafe = (...args: string[]) => runCli([...args, "--repository", join(directory.path, "repository")]);

test("latest: show and restore say that a newer backup is passed over, and why", async () => {
  const message = `latest is ${GOOD.id}; a newer backup is passed over: ${SUSPECT.id} (suspect: 1 of 3 members agrees)`;
  expect((await etcdsafe("show", "latest")).stderr).toBe(`warning: ${message}\n`);
  for (const operands of [[], ["latest"]]) {
    for (const target of [
      ["--data-dir", join(directory.path, "new")],
      ["--to-snapshot", join(directory.path, "new.db")],
    ]) {
      const { exitCode, stdout, stderr } = await etcdsafe("restore", ...operands, ...target, "--plan", "-o", "json");
      expect(exitCode, stderr).toBe(0);
      expect(JSON.parse(stdout).plan.warnings).toContain(`${message}.`);
    }
  }
  const { stdout } = await etcdsafe("restore", SUSPECT.id, "--data-dir", join(directory.path, "new"), "--plan");
  expect(stdout).not.toContain("passed over");
});

test("list: newest first, with state, size and what is wrong", async () => {
  const { exitCode, stdout, stderr } = await etcdsafe("list");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^ID +STATE +AGE +REVISION +KEYS +SIZE +STORED +VERIFIED$/);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^20261121T093000Z-0{15}2000-aaaaaa +suspect .* 2000 +4\.1 kB +100 B +no$/),
    expect.stringMatching(/^20261120T093000Z-0{15}1000-aaaaaa +proven .* 1000 +42 +4\.1 kB +100 B +no$/),
    expect.stringMatching(/^20261119T093000Z-.* +damaged .* no$/),
    expect.stringMatching(/^20261101T000000Z-.* +unreadable +1 B +no$/),
    "",
    expect.stringMatching(/^20261119T093000Z-\S+ is damaged: snapshot\.db\.zst holds 99 bytes instead of 100$/),
    expect.stringMatching(/^20261101T000000Z-\S+ is unreadable: .* is not JSON/),
    "",
    `Recovery points of default: one, of ${GOOD.createdAt}; nothing is recorded between backups.`,
  ]);
});

test("list: its table fits in 120 columns", async () => {
  const { stdout } = await etcdsafe("list", "--cluster", "big");
  const [, row] = stdout.trimEnd().split("\n");
  expect(row).toMatch(/^20200101T093000Z-\d+-aaaaaa +unconfirmed +\d+d +123456789 +1234567 +876\.5 MB +123\.5 kB +structure \d+d$/);
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
});

test("list: the same as JSON, and of every cluster", async () => {
  const { backups, clusters } = JSON.parse((await etcdsafe("list", "--all-clusters", "-o", "json")).stdout);
  expect(backups.map(({ cluster, state }: { cluster: string; state: string }) => `${cluster} ${state}`)).toEqual([
    "big unconfirmed",
    "default suspect",
    "default proven",
    "default damaged",
    "default unreadable",
    "staging proven",
    "staging proven",
  ]);
  expect(backups[2]).toEqual({
    cluster: "default",
    id: GOOD.id,
    state: "proven",
    createdAt: GOOD.createdAt,
    timeline: GOOD.timeline,
    revision: "1000",
    keys: 42,
    etcdVersion: "3.6.16",
    rawSizeBytes: 4128,
    storedSizeBytes: 100,
    encryption: null,
    verified: null,
    signed: false,
    pin: null,
    tags: {},
    faults: [],
  });
  expect(backups[4]).toMatchObject({ createdAt: null, storedSizeBytes: 1, faults: [expect.any(String)] });
  const points = (count: number, from: string, to: string) => ({ windows: [], gaps: [], single: { count, from, to } });
  const known = { more: 0, failed: [], failedTotal: 0 };
  expect(clusters).toEqual([
    { cluster: "big", recovery: points(1, BIG.createdAt, BIG.createdAt), ...known },
    { cluster: "default", recovery: points(1, GOOD.createdAt, GOOD.createdAt), ...known },
    { cluster: "idle", recovery: { windows: [], gaps: [], single: null }, ...known },
    { cluster: "staging", recovery: points(2, OLDER.createdAt, OTHER.createdAt), ...known },
  ]);
});

test("list, verify --all: a name that is mistyped is not found, and the names are told", async () => {
  for (const args of [["list"], ["verify", "--all"]]) {
    const { exitCode, stdout, stderr } = await etcdsafe(...args, "--cluster", "defualt");
    expect({ exitCode, stdout }).toEqual({ exitCode: 8, stdout: "" });
    expect(stderr).toMatch(
      /^error: there is no cluster defualt in \/.*\nhint: Other clusters there are big, default, idle, staging: name one with --cluster\.\ncode: CLUSTER_NOT_FOUND /,
    );
  }
});

test("list: a cluster without backups is told so, and a repository without any", async () => {
  const location = join(directory.path, "empty");
  await runCli(["repo", "init", "--repository", location]);
  expect((await runCli(["list", "--all-clusters", "--repository", location])).stdout).toBe(`There are no backups of any cluster in ${location}.\n`);
  expect((await runCli(["list", "--repository", location])).stdout).toBe(`There are no backups of default in ${location}.\n`);
  const { exitCode, stdout } = await etcdsafe("list", "--cluster", "idle");
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^There are no backups of idle in \//) });
});

test("show: latest is the newest that is fit for a restore, and its manifest is shown whole in JSON", async () => {
  const { stdout } = await etcdsafe("show", "latest", "-o", "json");
  expect(JSON.parse(stdout)).toEqual({ state: "proven", damage: [], storedSizeBytes: 100, signed: false, pin: null, manifest: GOOD, verifications: [] });
  const text = (await etcdsafe("show", "latest")).stdout;
  expect(text).toMatch(/^backup +20261120T093000Z-/);
  expect(text).toMatch(/\nwhy +3 of 3 members agree\n/);
  expect(text).toMatch(/\nkeys +42\n/);
  expect(text).toMatch(/\nsigned +no\n/);
  expect(text).toMatch(/\npinned +no\n/);
  expect(text).toContain("Members were not compared: a test.\n");
  expect(text).toContain("Never verified since it was stored.\n");
});

test("show: a damaged backup is found by its id, and says why", async () => {
  expect((await etcdsafe("show", DAMAGED.id)).stdout).toMatch(/\nstate +damaged\nwhy +snapshot\.db\.zst holds 99 bytes instead of 100\n/);
});

test("show: an unreadable manifest, an ambiguous and an unknown id end with their own exit codes", async () => {
  expect(await etcdsafe("show", "20261101")).toMatchObject({ exitCode: 6, stderr: expect.stringContaining("code: MANIFEST_INVALID") });
  expect(await etcdsafe("show", "2026112")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("code: BACKUP_AMBIGUOUS") });
  expect(await etcdsafe("show", "2025")).toMatchObject({ exitCode: 8, stderr: expect.stringContaining("code: BACKUP_NOT_FOUND") });
});

test("show, verify, restore: what is not there is not found, and what is there is told", async () => {
  const mistyped = `${GOOD.id.slice(0, -2)}zz`;
  for (const verb of ["show", "verify", "restore"]) {
    const { exitCode, stderr } = await etcdsafe(verb, mistyped);
    expect(exitCode).toBe(8);
    expect(stderr).toMatch(
      new RegExp(`^error: there is no backup "${mistyped}" in cluster default of /.*\nhint: The nearest are ${GOOD.id}, .*shows all 4\\.\n`),
    );
    const elsewhere = await etcdsafe(verb, GOOD.id.slice(0, -1), "--cluster", "other");
    expect(elsewhere.exitCode).toBe(8);
    expect(elsewhere.stderr).toContain("hint: Other clusters there are big, default, idle, staging: name one with --cluster.\n");
    for (const cluster of ["other", "staging"])
      expect((await etcdsafe(verb, GOOD.id, "--cluster", cluster)).stderr).toContain("hint: It is a backup of default: give --cluster default.\n");
  }
  await writeFile(join(directory.path, "20990101"), "");
  const { stderr } = await runCli(["verify", "20990101", "--repository", join(directory.path, "repository")], { cwd: directory.path });
  expect(stderr).toContain("hint: There is a file of that name: give it as ./20990101.\ncode: BACKUP_NOT_FOUND (exit code 8)");
});

test("restore: a backup that turns out to be bad stays latest until it is verified, so the hint names the way on", async () => {
  const restored = async (reference: string, cluster: string) =>
    (await etcdsafe("restore", reference, "--cluster", cluster, "--data-dir", join(directory.path, "data"))).stderr;
  const marks = (id: string) => `\`etcdsafe verify ${id}\` marks this one as damaged, so that latest passes over it`;
  expect(await restored("latest", "staging")).toContain(
    `; use another backup. ${marks(OTHER.id)}; the newest good one beside it is ${OLDER.id}.\ncode: OBJECT_`,
  );
  expect(await restored("latest", "default")).toContain(`${marks(GOOD.id)}; there is no other good backup.\ncode: OBJECT_`);
});

test("list: a file given for a repository is said to be one", async () => {
  const file = join(directory.path, "snapshot.db");
  await writeFile(file, "");
  const { exitCode, stderr } = await runCli(["list", "--repository", file]);
  expect(exitCode).toBe(8);
  expect(stderr).toBe(
    `error: ${file} is a file, not a repository\nhint: A repository is a directory. To look at a snapshot file: ` +
      `\`etcdsafe verify ${file}\` or \`etcdsafe inspect ${file}\`.\ncode: REPOSITORY_NOT_FOUND (exit code 8)\n`,
  );
});

test("show: in any cluster, where only one has it", async () => {
  expect(JSON.parse((await etcdsafe("show", "20261118", "--all-clusters", "-o", "json")).stdout).manifest.cluster).toBe("staging");
  const ambiguous = await etcdsafe("show", "latest", "--all-clusters");
  expect(ambiguous).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('"latest" may mean a backup of big, default, staging\nhint: Say of which one with --cluster.'),
  });
  expect((await etcdsafe("show", "2025", "--all-clusters")).exitCode).toBe(8);
});

test("repo init: creates a repository once", async () => {
  const location = join(directory.path, "new");
  const init = async () => JSON.parse((await runCli(["repo", "init", "--repository", location, "-o", "json"])).stdout);
  const first = await init();
  expect(first).toMatchObject({ created: true, location, repository: { format: 1 } });
  expect(await init()).toEqual({ ...first, created: false });
});

test("repository commands: without a repository, they say how to name one", async () => {
  expect(await runCli(["list"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("ETCDSAFE_REPOSITORY") });
  expect(await runCli(["list", "--repository", join(directory.path, "absent")])).toMatchObject({
    exitCode: 8,
    stderr: expect.stringContaining("code: REPOSITORY_NOT_FOUND"),
  });
});
