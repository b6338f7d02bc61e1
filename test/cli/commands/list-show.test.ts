// list and show, of a repository made by hand: good, suspect, unreadable and damaged backups in two clusters.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { encodeManifest, type Manifest } from "../../../src/repository/manifest.ts";
import { backupObjectKey, clusterFileKey, manifestKey } from "../../../src/repository/names.ts";
import { openOrCreateRepository } from "../../../src/repository/repository.ts";
import { openFileStorage } from "../../../src/storage/file.ts";
import { sampleManifest } from "../../repository/sample-manifest.ts";
import { runCli } from "../../support/cli.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

const counts = { keys: 42, revisions: 99, tombstones: 3, leases: 2, users: 1, roles: 1, alarms: 0, totalRows: 120, keysByPrefix: [] };
const GOOD = sampleManifest({ counts, createdAt: "2026-11-20T09:30:00.000Z", revision: "1000" });
const SUSPECT = sampleManifest({ state: "suspect", stateWhy: "1 of 3 members agrees", createdAt: "2026-11-21T09:30:00.000Z", revision: "2000" });
const DAMAGED = sampleManifest({ createdAt: "2026-11-19T09:30:00.000Z", revision: "500" });
const OTHER = sampleManifest({ cluster: "staging", createdAt: "2026-11-18T09:30:00.000Z", revision: "7" });

let directory: TemporaryDirectory;
const signal = AbortSignal.timeout(60_000);

beforeAll(async () => {
  directory = await temporaryDirectory("list");
  const runtime = { sleep: async () => undefined, randomBytes: (size: number) => crypto.getRandomValues(new Uint8Array(size)), now: () => new Date() };
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
  await put(manifestKey("default", "20261101T000000Z-0000000000000000001-aaaaaa"), Buffer.from("{"));
  for (const cluster of ["default", "staging"]) await put(clusterFileKey(cluster), Buffer.from("{}"));
});
afterAll(() => directory.remove());

const etcdsafe = (...args: string[]) => runCli([...args, "--repository", join(directory.path, "repository")]);

test("list: newest first, with state, size and what is wrong", async () => {
  const { exitCode, stdout, stderr } = await etcdsafe("list");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^ID +STATE +AGE +REVISION +KEYS +SIZE +STORED +VERIFIED$/);
  expect(lines.slice(1)).toEqual([
    expect.stringMatching(/^20261121T093000Z-0{15}2000-aaaaaa +suspect .* 2000 +4\.1 kB +100 B +no$/),
    expect.stringMatching(/^20261120T093000Z-0{15}1000-aaaaaa +proven .* 1000 +42 +4\.1 kB +100 B +no$/),
    expect.stringMatching(/^20261119T093000Z-.* +damaged .* snapshot\.db\.zst holds 99 bytes instead of 100$/),
    expect.stringMatching(/^20261101T000000Z-.* +unreadable /),
  ]);
});

test("list: the same as JSON, and of every cluster", async () => {
  const { backups } = JSON.parse((await etcdsafe("list", "--all-clusters", "-o", "json")).stdout);
  expect(backups.map(({ cluster, state }: { cluster: string; state: string }) => `${cluster} ${state}`)).toEqual([
    "default suspect",
    "default proven",
    "default damaged",
    "default unreadable",
    "staging proven",
  ]);
  expect(backups[1]).toEqual({
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
    verified: null,
    faults: [],
  });
  expect(backups[3]).toMatchObject({ createdAt: null, faults: [expect.any(String)] });
});

test("list: a cluster without backups is told so", async () => {
  const { exitCode, stdout } = await etcdsafe("list", "--cluster", "nothing");
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^There are no backups of nothing in \//) });
});

test("show: latest is the newest that is fit for a restore, and its manifest is shown whole in JSON", async () => {
  const { stdout } = await etcdsafe("show", "latest", "-o", "json");
  expect(JSON.parse(stdout)).toEqual({ state: "proven", damage: [], manifest: GOOD, verifications: [] });
  const text = (await etcdsafe("show", "latest")).stdout;
  expect(text).toMatch(/^backup +20261120T093000Z-/);
  expect(text).toMatch(/\nwhy +3 of 3 members agree\n/);
  expect(text).toMatch(/\nkeys +42\n/);
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

test("show: in any cluster, where only one has it", async () => {
  expect(JSON.parse((await etcdsafe("show", "20261118", "--all-clusters", "-o", "json")).stdout).manifest.cluster).toBe("staging");
  const ambiguous = await etcdsafe("show", "latest", "--all-clusters");
  expect(ambiguous).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('"latest" may mean a backup of default, staging\nhint: Say of which one with --cluster.'),
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
