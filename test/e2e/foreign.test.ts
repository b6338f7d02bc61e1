// Other tools' backups on the command line: listed, shown, verified and restored where they are, with nothing written there.
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { runCli } from "../support/cli.ts";
import { planMembers, startCluster } from "../support/etcd.ts";
import { comparable, readAll } from "../support/etcd-data.ts";
import { expectFailure, expectVerdict } from "../support/failures.ts";
import { runCliMounted } from "../support/file-systems.ts";
import { encodeLzw } from "../support/lzw.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { zipOf } from "../support/zip.ts";

const GOLDEN = fileURLToPath(new URL("../golden/etcdbr-v2/", import.meta.url));
const BUCKET = join(GOLDEN, "bucket", "etcd-main");
const FULL_302 = "Full-00000000-00000302-1795248092";
const FULL_475 = "Full-00000000-00000475-1795248120";
const FULL_762 = "Full-00000000-00000762-1795248180";
const MEBIBYTE = 1024 * 1024;

let directory: TemporaryDirectory;
let at302: Buffer;
let at762: Buffer;

beforeAll(async () => {
  directory = await temporaryDirectory("foreign");
  at302 = gunzipSync(await readFile(join(BUCKET, "v2", `${FULL_302}.gz`)));
  at762 = gunzipSync(await readFile(join(BUCKET, "v2", `${FULL_762}.gz`)));
});
afterAll(() => directory.remove());

async function succeed(...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const result = await runCli(args);
  expect(result.exitCode, `etcdsafe ${args.join(" ")}\n${result.stderr}`).toBe(0);
  return result;
}

async function json(...args: string[]) {
  return JSON.parse((await succeed(...args, "-o", "json")).stdout);
}

/** A directory with these files. */
async function location(name: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const root = join(directory.path, name);
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), bytes);
  }
  return root;
}

async function contentOf(root: string): Promise<string[]> {
  return (await readdir(root, { recursive: true })).sort();
}

test("a bucket of etcdbrctl: list, show and verify say what is there, and what its deltas hold beyond", async () => {
  const { stdout } = await succeed("list", "--repository", BUCKET);
  expect(stdout.split("\n").slice(2)).toEqual([
    expect.stringMatching(/^ID +STATE +AGE +REVISION +PACKED +STORED +NEWER DELTAS$/),
    expect.stringMatching(`^${FULL_762}.gz  unconfirmed .* ≥ 762  gzip +50.1 kB$`),
    expect.stringMatching(`^${FULL_475}.gz  unconfirmed .* ≥ 475  gzip +44.8 kB  5, up to 762$`),
    expect.stringMatching(`^${FULL_302}.gz  unconfirmed .* ≥ 302  gzip +37.9 kB  7, up to 762$`),
    "",
  ]);
  expect(await json("list", "--repository", BUCKET)).toMatchObject({ layout: "etcdbrctl", backups: [{ newerDeltas: null }, { revisionFrom: "name" }, {}] });
  expect(await json("show", "oldest", "--repository", BUCKET)).toMatchObject({
    ...{ id: `${FULL_302}.gz`, state: "unconfirmed", createdAt: "2026-11-21T08:01:32.000Z", revision: "302", revisionFrom: "content", compactRevision: "-1" },
    ...{ newerDeltas: { count: 7, lastRevision: "762" }, rawSizeBytes: at302.length, leases: 1, members: ["m1"] },
  });
  expect((await succeed("show", "oldest", "--repository", BUCKET)).stdout).toMatch(/newer deltas +7, up to 762; not applied by this version/);
  const [{ HashKV: live }] = JSON.parse(await readFile(join(GOLDEN, "hashkv.json"), "utf8"));
  const { verified } = await json("verify", "--all", "--repository", BUCKET);
  expect(verified).toMatchObject([
    { backup: `${FULL_762}.gz`, outcome: "passed", hashKv: { revision: "762", hash: live.hash }, newerDeltas: null },
    { backup: `${FULL_475}.gz`, outcome: "passed", hashKv: { revision: "475" }, newerDeltas: { count: 5, lastRevision: "762" } },
    { backup: `${FULL_302}.gz`, outcome: "passed", hashKv: { revision: "302" } },
  ]);
  expect((await succeed("verify", FULL_475, "--repository", BUCKET, "--level", "hash")).stdout).toMatch(
    /passed {2}hash, .*; 5 newer deltas, up to revision 762, not looked at/,
  );
});

test("a real etcd starts from what etcdbrctl saved: the HashKV, and every key, that the saved cluster had", async () => {
  await using own = await temporaryDirectory("foreign-start");
  const bucket = join(own.path, "bucket");
  await cp(BUCKET, bucket, { recursive: true });
  const before = await contentOf(bucket);
  const members = await planMembers(1, own.path);
  const file = join(own.path, "members.yaml");
  await writeFile(file, stringify({ members: members.map(({ name, peerUrl, dataDir }) => ({ name, peerUrls: [peerUrl], dataDir })) }));
  const { stderr } = await succeed("restore", "--repository", bucket, "--members", file, "--all-members", "--bump-revision", "none");
  expect(stderr).toMatch(/No record of this restore is written to where the backup is.*--evidence 762/);
  expect(stderr).not.toMatch(/repo adopt|could not be recorded/);
  expect(await contentOf(bucket)).toEqual(before);
  const [{ HashKV: live }] = JSON.parse(await readFile(join(GOLDEN, "hashkv.json"), "utf8"));
  const { kvs } = JSON.parse(await readFile(join(GOLDEN, "keys.json"), "utf8"));
  await using cluster = await startCluster({ minor: "3.5", members, directory: own.path, initialClusterState: "existing" });
  expect((await cluster.hashKv(762)).map(({ hash }) => hash)).toEqual([live.hash]);
  const bytes = (base64 = "") => comparable(Buffer.from(base64, "base64"));
  expect(await readAll(await cluster.client())).toEqual(
    kvs.map((each: { key: string; value?: string }) => ({ key: bytes(each.key), value: bytes(each.value) })),
  );
});

test("a plan says what is not applied, how far the cluster went, and that no record is kept; a run goes by it", async () => {
  const target = join(directory.path, "planned");
  const { plan } = await json("restore", FULL_475, "--repository", BUCKET, "--data-dir", target, "--plan");
  expect(plan.source).toMatchObject({ kind: "foreign", backupId: `${FULL_475}.gz`, state: "unconfirmed", revision: "475" });
  expect(plan.loss).toMatchObject({ revisions: "287", newest: { revision: "762" } });
  expect(plan.revision.after).toBe(String(762 + 1_000_000_000));
  expect(plan.formerMembers).toMatchObject([{ name: "m1", clientUrls: ["http://127.0.0.1:24100"] }]);
  expect(plan.warnings).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^5 newer deltas, up to revision 762, are not applied: .* ends at 475\.$/),
      expect.stringMatching(/^The backup is unconfirmed: another tool took it/),
      expect.stringMatching(/^No record of this restore is written .* --evidence 1000000762$/),
    ]),
  );
  const saved = join(directory.path, "plan.json");
  await writeFile(saved, (await succeed("restore", FULL_475, "--repository", BUCKET, "--data-dir", target, "--plan", "-o", "json")).stdout);
  const { plan: done } = await json("restore", "--from-plan", saved, "--repository", BUCKET);
  expect(done).toMatchObject({ source: { revision: "475" }, revision: { after: "1000000762" } });
  expect(await readdir(target)).toEqual(["member"]);
});

test("every packing of etcdbrctl and of k3s is restored to the bytes that were saved", async () => {
  const bucket = await location("packings", {
    [`v2/${FULL_302}.Z`]: await readFile(join(GOLDEN, `${FULL_302}.Z`)),
    "v2/Full-00000000-00000700-1795248181.Z.final": encodeLzw(at762),
    "v2/Full-00000000-00000701-1795248182.zlib": deflateSync(at762),
    "v2/Full-00000000-00000702-1795248183": at762,
    "v2/Full-00000000-00000703-1795248184.gz.final": gzipSync(at762),
  });
  const files = await location("rancher", {
    "on-demand-node-1-1795248185.zip": zipOf({ name: "on-demand-node-1-1795248185", bytes: at762 }),
    "etcd-snapshot-node-1-1795248186": at762,
    ".metadata/etcd-snapshot-node-1-1795248186": "{}",
  });
  const cases = [
    ...(await readdir(join(bucket, "v2"))).map((name) => ({ root: bucket, name, saved: name.startsWith(FULL_302) ? at302 : at762 })),
    ...["on-demand-node-1-1795248185.zip", "etcd-snapshot-node-1-1795248186"].map((name) => ({ root: files, name, saved: at762 })),
  ];
  await mkdir(join(directory.path, "unpacked"));
  expect(cases).toHaveLength(7);
  for (const { root, name, saved } of cases) {
    const file = join(directory.path, "unpacked", `${name}.db`);
    await succeed("restore", name, "--repository", root, "--to-snapshot", file, "--bump-revision", "none");
    expect((await readFile(file)).equals(saved), name).toBe(true);
  }
  const { backups } = await json("list", "--repository", bucket);
  expect(backups.map(({ final, revision }: { final: boolean; revision: string }) => [final, revision])).toEqual([
    [true, "703"],
    [false, "762"],
    [false, "701"],
    [true, "700"],
    [false, "302"],
  ]);
  // The revision is what the file says, whatever it is called.
  expect(await json("show", "latest", "--repository", bucket)).toMatchObject({ revision: "762", final: true });
  expect((await succeed("show", "latest", "--repository", bucket)).stdout).toMatch(/revision in its name +703/);
});

test("nothing is saved among another tool's backups", async () => {
  const root = await location("taken", { "snapshot.db": at302 });
  await using source = await startCluster({ minor: "3.5" });
  const result = await runCli(["save", "--endpoints", source.endpoints.join(","), "--repository", root]);
  expectFailure("REPOSITORY_NOT_EMPTY", result, { message: /something else is there already, snapshot\.db$/ });
  expect(await contentOf(root)).toEqual(["snapshot.db"]);
});

test("damaged ones: shown with the reason, failed by verify, refused by restore, passed over by latest", async () => {
  const flipped = Buffer.from(at762);
  flipped[100_000]! ^= 1;
  const root = await location("damaged", {
    "etcd-snapshot-a-1795248190.zip": zipOf({ name: "a", bytes: at762 }).subarray(0, 20_000),
    "etcd-snapshot-a-1795248189": flipped,
    "etcd-snapshot-a-1795248188": "",
    "etcd-snapshot-a-1795248187": at302,
  });
  const { stdout } = await succeed("list", "--repository", root);
  expect(stdout).toMatch(/etcd-snapshot-a-1795248190\.zip is damaged: .* is no zip archive of one snapshot/);
  expect(stdout).toMatch(/etcd-snapshot-a-1795248188 is damaged: .* is an empty file/);
  expect(await json("show", "etcd-snapshot-a-1795248189", "--repository", root)).toMatchObject({
    state: "damaged",
    faults: [expect.stringMatching(/SHA-256 at its end/)],
  });
  expectVerdict("SNAPSHOT_HASH_MISMATCH", await runCli(["verify", "etcd-snapshot-a-1795248189", "--repository", root, "-o", "json"]), { message: /SHA-256/ });
  expectVerdict("OBJECT_CORRUPT", await runCli(["verify", "etcd-snapshot-a-1795248190", "--repository", root, "-o", "json"]), { message: /no zip archive/ });
  expectVerdict("SNAPSHOT_EMPTY", await runCli(["verify", "etcd-snapshot-a-1795248188", "--repository", root, "-o", "json"]), {
    message: /is an empty file$/,
  });
  const all = await runCli(["verify", "--all", "--repository", root]);
  expect([all.exitCode, all.stdout]).toEqual([6, expect.stringMatching(/4 backups: 1 passed, 3 failed/)]);
  const target = ["--data-dir", join(directory.path, "none"), "--repository", root];
  expectFailure("OBJECT_CORRUPT", await runCli(["restore", "etcd-snapshot-a-1795248190", ...target]), {
    message: /no zip archive of one snapshot/,
    hint: /`etcdsafe list` shows the others there/,
  });
  expectFailure("SNAPSHOT_HASH_MISMATCH", await runCli(["restore", "etcd-snapshot-a-1795248189", ...target]), {
    message: /SHA-256/,
    hint: /shows the others there/,
  });
  const { plan } = await json("restore", ...target, "--plan");
  expect(plan.source.revision).toBe("302");
  expect(plan.warnings[0]).toMatch(/^latest is etcd-snapshot-a-1795248187; 3 newer backups are passed over: etcd-snapshot-a-1795248190\.zip \(damaged: /);
});

test("a copied database without a hash: only by name, and only with --skip-hash-check", async () => {
  const root = await location("hashless", { "copy.db": at762.subarray(0, -32), "notes.txt": "x" });
  expect((await json("list", "--repository", root)).backups).toMatchObject([{ id: "copy.db", revision: "762", faults: [expect.stringMatching(/no SHA-256/)] }]);
  const target = ["--repository", root, "--data-dir", join(directory.path, "hashless-data"), "--plan"];
  expectFailure("BACKUP_NOT_FOUND", await runCli(["restore", ...target]), {
    message: /may be latest: copy\.db \(no SHA-256/,
    hint: /Any of them can be named/,
  });
  expectFailure("SNAPSHOT_HASH_MISSING", await runCli(["restore", "copy.db", ...target]), { message: /copy\.db has no SHA-256/ });
  const { plan } = await json("restore", "copy.db", ...target, "--skip-hash-check");
  expect(plan.source).toMatchObject({ revision: "762", databaseSha256: null });
});

test("what cannot be asked of such a place is refused with what can", async () => {
  const repository = ["--repository", BUCKET];
  expectFailure("USAGE", await runCli(["verify", "latest", "--level", "stored-bytes", ...repository]), {
    message: /has no manifest/,
    hint: /hash or structure/,
  });
  expectFailure("BACKUP_NOT_FOUND", await runCli(["show", "Full-1", ...repository]), { message: /there is no backup "Full-1"/, hint: new RegExp(FULL_302) });
  expectFailure("BACKUP_AMBIGUOUS", await runCli(["restore", "Full-", ...repository, "--data-dir", "x"]), { message: /may mean any of v2\/Full-/ });
  expectFailure("REPOSITORY_NOT_FOUND", await runCli(["list", "--repository", join(GOLDEN, "bucket")]), {
    message: /in etcd-main$/,
    hint: /bucket\/etcd-main$/,
  });
  const trusted = ["--trusted-key", Buffer.alloc(32, 9).toString("base64")];
  for (const command of [["list"], ["show", "latest"], ["verify", "--all"], ["restore", "--data-dir", "x"]])
    expectFailure("MANIFEST_UNTRUSTED", await runCli([...command, ...repository, ...trusted]), { message: /other tools' backups, which nobody has signed/ });
  // A path is a path, wherever it leads.
  expectFailure("FILE_NOT_FOUND", await runCli(["verify", "./none.db", ...repository]), { message: /none\.db/, hint: /named by its path/ });
});

test("one that unpacks to more than there is room for is given up before the disk is full", async () => {
  const bomb = gzipSync(Buffer.concat([buildSnapshot({ trailer: false }), Buffer.alloc(200 * MEBIBYTE)]), { level: 1 });
  const root = await location("bomb", { "snapshot.db.gz": bomb });
  const temporary = join(directory.path, "temporary");
  await mkdir(temporary);
  const env = { TMPDIR: temporary };
  const result = await runCliMounted({ directory: temporary, sizeBytes: 100 * MEBIBYTE }, ["show", "latest", "--repository", root], { env });
  expectFailure("SPOOL_NO_SPACE", result, { message: /^snapshot\.db\.gz is unpacked into \/.*\/temporary, which has only \d+ bytes left$/, hint: /in TMPDIR/ });
  expect(result.left).toEqual([]);
});
