// What `list` and `show` tell besides the backups themselves, what they leave out when asked to, and what they remember from one run to the next.
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { encodeManifest, type Manifest } from "../../../src/repository/manifest.ts";
import { backupObjectKey, manifestKey } from "../../../src/repository/names.ts";
import { writePin } from "../../../src/repository/pins.ts";
import { openOrCreateRepository } from "../../../src/repository/repository.ts";
import { writeAttempt } from "../../../src/repository/sidecars.ts";
import { openFileStorage } from "../../../src/storage/file.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import { sampleManifest } from "../../repository/sample-manifest.ts";
import { runCli } from "../../support/cli.ts";
import { quietRuntime as runtime } from "../../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const DAY_MS = 86_400_000;
const { signal } = new AbortController(); // Each test has its time-out.
let directory: TemporaryDirectory;
let storage: Storage;

beforeEach(async () => {
  directory = await temporaryDirectory("list");
  storage = openFileStorage(join(directory.path, "repository"), runtime);
  await openOrCreateRepository(storage, author, { signal, runtime });
});
afterEach(() => directory.remove());

const put = async (key: string, bytes: Uint8Array) => void (await storage.put(key, streamOf(bytes), { signal }));
const ago = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();

async function store(days: number, changes: Partial<Manifest> = {}): Promise<Manifest> {
  const manifest = sampleManifest({ createdAt: ago(days), revision: String(1000 - days), ...changes });
  await put(backupObjectKey(manifest.cluster, manifest.id, "snapshot.db.zst"), new Uint8Array(100));
  await put(manifestKey(manifest.cluster, manifest.id), encodeManifest(manifest));
  return manifest;
}

async function etcdsafe(...args: readonly string[]): Promise<string> {
  const env = { XDG_CACHE_HOME: join(directory.path, "cache") };
  const { exitCode, stdout, stderr } = await runCli([...args, "--repository", join(directory.path, "repository")], { env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
}
const listed = async (...args: readonly string[]) => JSON.parse(await etcdsafe("list", ...args, "-o", "json"));

const cached = () => readdir(join(directory.path, "cache", "etcdsafe", "catalogue")).catch(() => []);
const cacheFile = async () => join(directory.path, "cache", "etcdsafe", "catalogue", (await cached())[0]!);

test("list, show: signed, pinned, tagged, and on which timeline", async () => {
  const [pinned, plain] = [await store(1, { tags: { env: "prod", reason: "upgrade" }, timeline: "ddddeeeeffff" }), await store(2)];
  await put(`${manifestKey("default", pinned.id)}.sig`, new Uint8Array(1));
  const pin = { reason: "before 3.7", pinnedAt: "2026-11-21T10:00:00.000Z" };
  await writePin(storage, "default", author, { backup: pinned.id, ...pin }, { signal });
  const [titles, first, second] = (await etcdsafe("list")).split("\n");
  expect(titles).toMatch(/ VERIFIED +SIGNED +PINNED +TIMELINE +TAGS$/);
  expect(first).toMatch(/ no +yes +pinned +dddde +env=prod, reason=upgrade$/);
  expect(second).toMatch(/ no +no +aaaab$/);
  const { backups } = await listed();
  expect(backups[0]).toMatchObject({ id: pinned.id, signed: true, pin, tags: pinned.tags, timeline: "ddddeeeeffff" });
  expect(JSON.parse(await etcdsafe("show", pinned.id, "-o", "json"))).toMatchObject({ signed: true, pin, manifest: { tags: pinned.tags } });
  const text = await etcdsafe("show", pinned.id);
  expect(text).toMatch(/\nsigned +yes\n.*\npinned +2026-11-21T10:00:00\.000Z: before 3\.7\n(.*\n)*tag env +prod\n/);
  await put(`default/pins/${plain.id}.json`, Buffer.from("{"));
  expect(await etcdsafe("show", plain.id)).toMatch(/\npinned +its pin cannot be read\n/);
  expect((await listed()).backups[1]).toMatchObject({ pin: { reason: "its pin cannot be read", pinnedAt: null } });
});

test("list: only the newest, or the newer ones, and how many there are besides; the points are those of all", async () => {
  const [today, yesterday, old] = [await store(0), await store(1), await store(30)];
  await put(manifestKey("default", "20000101T000000Z-0000000000000000001-aaaaaa"), Buffer.from("{"));
  const ids = async (...args: string[]) => (await listed(...args)).backups.map(({ id }: { id: string }) => id);
  expect(await ids("--limit", "2")).toEqual([today.id, yesterday.id]);
  expect(await ids("--since", "7d")).toEqual([today.id, yesterday.id]);
  expect(await ids("--since", old.createdAt)).toEqual([today.id, yesterday.id, old.id]);
  expect(await ids("--since", "7d", "--limit", "1")).toEqual([today.id]);
  const text = await etcdsafe("list", "--limit", "1");
  expect(text).toContain("\n3 more backups of default not shown.\n");
  expect(text).toContain(
    `\n\nRecovery points of default: single ones only, of 3 backups from ${old.createdAt} to ${today.createdAt}; nothing is recorded between backups.\n`,
  );
  expect((await listed("--limit", "1")).clusters).toMatchObject([{ more: 3, recovery: { single: { count: 3 } } }]);
  expect(await etcdsafe("list", "--since", "2099-01-01T00:00:00Z")).toMatch(/^4 more backups of default not shown\.\n\nRecovery points/);
});

test("list: what can be rebuilt from segments, and where there is a gap", async () => {
  const [first, second] = [await store(3, { revision: "100" }), await store(1, { revision: "300" })];
  const alone = await store(2, { revision: "250" });
  const padded = (revision: number) => String(revision).padStart(19, "0");
  for (const key of [`segments/aaaabbbbcccc/${padded(101)}.seg.zst`, `segments/aaaabbbbcccc/${padded(301)}-${padded(400)}.seg.zst`])
    await put(`default/${key}`, new Uint8Array(1));
  await put(`default/gaps/aaaabbbbcccc/${padded(200)}.json`, Buffer.from("{}"));
  const recovery = (await listed()).clusters[0].recovery;
  const window = { timeline: "aaaabbbbcccc", isOpen: false, to: expect.any(String) };
  expect(recovery.windows).toHaveLength(2);
  expect(recovery.windows).toEqual(
    expect.arrayContaining([
      { ...window, backup: first.id, firstRevision: "100", lastRevision: "199", from: first.createdAt },
      { ...window, backup: second.id, firstRevision: "300", lastRevision: "400", from: second.createdAt },
    ]),
  );
  expect(recovery).toMatchObject({ gaps: [{ firstRevision: "200", lastRevision: "299" }], single: { count: 1, from: alone.createdAt } });
  const text = await etcdsafe("list");
  expect(text).toContain("\nRecovery points of default:\n  every revision from ");
  expect(text).toContain("\n  gap: revisions 200 to 299 of timeline aaaabbbbcccc\n  1 backup beside these, each a point by itself, from ");
});

test("list: what failed in the last seven days, newest first, and nothing older", async () => {
  await store(1);
  const failed = (days: number, message: string) => {
    const failure = { code: "STORAGE_FULL", message, hint: "h" };
    const facts = { action: "save", phase: "upload", backup: null, startedAt: ago(days), finishedAt: ago(days), failure } as const;
    return writeAttempt(storage, "default", author, facts, { signal, runtime });
  };
  for (const [days, message] of [
    [8, "too old"],
    [6, "older"],
    [2, "newer\x1b[2J"],
  ] as const)
    await failed(days, message);
  const { failed: attempts, failedTotal } = (await listed()).clusters[0];
  expect(attempts).toMatchObject([
    { failure: { message: "newer\x1b[2J" } },
    { action: "save", phase: "upload", backup: null, failure: { code: "STORAGE_FULL", message: "older" } },
  ]);
  expect(failedTotal).toBe(2);
  expect(await etcdsafe("list")).toContain(
    "\nFailed in default in the last 7 days:\n  2d ago: save, upload: STORAGE_FULL: newer\\x1b[2J\n  6d ago: save, upload: STORAGE_FULL: older\n",
  );
});

test("list: what was read is remembered in the user's cache, for nobody else, and can be deleted or damaged at any time", async () => {
  const { id } = await store(1);
  const before = await listed();
  const [name] = await cached();
  expect(await cached()).toEqual([expect.stringMatching(/^[a-z2-7]{12}-default-[0-9a-f]{16}\.json$/)]);
  expect(name).toContain(JSON.parse(await readFile(join(directory.path, "repository", "etcdsafe-repository.json"), "utf8")).id);
  expect((await stat(await cacheFile())).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory.path, "cache", "etcdsafe", "catalogue"))).mode & 0o777).toBe(0o700);
  // It is used: what stands in a list comes from it, as its hash says that it was written so.
  const text = await readFile(await cacheFile(), "utf8");
  const { createHash } = await import("node:crypto");
  const body = text.split("\n")[1]!.replace('"proven"', '"suspect"');
  const head = { ...JSON.parse(text.split("\n")[0]!), sha256: createHash("sha256").update(body).digest("hex") };
  await writeFile(await cacheFile(), `${JSON.stringify(head)}\n${body}\n`);
  expect((await listed()).backups).toMatchObject([{ id, state: "suspect" }]);
  expect((await listed("--no-cache")).backups).toMatchObject([{ id, state: "proven" }]);
  expect((await runCli(["list", "--repository", join(directory.path, "repository"), "-o", "json"])).stdout).toContain('"state": "proven"'); // A cache that nobody can write.
  await writeFile(await cacheFile(), text.slice(0, -10));
  expect(await listed()).toEqual(before);
  expect(await readFile(await cacheFile(), "utf8")).toBe(text);
});
