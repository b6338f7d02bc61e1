// docs/security.md, done to the letter: its commands and policies are taken from the page, and tried on real etcd and on an S3 server with users of its own.
import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, DeleteObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { expectEnd, type GuardedEtcd, prepareGuardedEtcd } from "../support/guarded-etcd.ts";
import { blocksOf, rowsOf, sectionOf, withInstead } from "../support/markdown.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3User, type S3Users, startS3Users } from "../support/versitygw-users.ts";

const PASSWORD = "in-clear-4711";
const SECRET = "value-of-a-secret";
const directory = await temporaryDirectory("security-docs");
const path = (name: string) => join(directory.path, name);
let etcd: GuardedEtcd;

beforeAll(async () => {
  etcd = await prepareGuardedEtcd(directory.path);
  await writeFile(path("password"), `${PASSWORD}\n`, { mode: 0o600 });
});
afterAll(directory.remove);

const documented = (heading: string) => blocksOf(sectionOf("security.md", heading), "sh");

describe.each(MINORS_AT_HAND)("etcd %s", (minor) => {
  const repository = path(`repository-${minor}`);
  /** What is typed of a save, with this cluster and these files. */
  const here = (commands: string, cluster: EtcdCluster, replaced: Readonly<Record<string, string>>) =>
    withInstead(commands, {
      "https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.3:2379": cluster.endpoints.join(","),
      "/etc/etcdsafe/etcd/ca.crt": etcd.authority.path,
      "/backup": repository,
      ...replaced,
    });
  const mayNot = (who: string) => {
    const row = rowsOf(sectionOf("security.md", "What a lesser user may do")).find(([first]) => first === who);
    if (row === undefined) throw new Error(`docs/security.md does not say what ${who} is told`);
    return row.map((cell) => cell.replaceAll("`", ""));
  };
  const expectRefusal = async (who: string, cluster: EtcdCluster, args: readonly string[]) => {
    const [, exitCode, code, message] = mayNot(who);
    const output = path(`refused-${minor}.db`);
    const result = await runCli(["save", "--endpoints", cluster.endpoints.join(","), "--cacert", etcd.authority.path, "--output", output, ...args]);
    expect(result.exitCode, result.stderr).toBe(Number(exitCode));
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(`code: ${code} (exit code ${exitCode}`);
    expect((await readdir(directory.path)).filter((name) => name.startsWith(`refused-${minor}`))).toEqual([]);
  };

  test("a certificate whose name is a user of the role root saves; a reader, a stranger and nobody do not; verify and restore need no etcd", async () => {
    await using cluster = await etcd.start({ minor });
    await cluster.etcdctl(["put", "/registry/secrets/a", SECRET]);
    const [, ...save] = documented("A user by certificate");
    const saveAs = (user: "etcdsafe" | "stranger") => {
      const files = { "/etc/etcdsafe/etcd/client.crt": etcd.certificate(user).cert, "/etc/etcdsafe/etcd/client.key": etcd.certificate(user).key };
      return etcd.shell(here(save.join(""), cluster, files), cluster, minor);
    };
    // Without authentication, any certificate of the authority will do.
    expectEnd(await saveAs("stranger"), 0);
    for (const heading of ["What a lesser user may do", "A user by certificate"])
      expectEnd(await etcd.shell(documented(heading)[0]!, cluster, minor, "root"), 0);
    expectEnd(await saveAs("etcdsafe"), 0);

    await expectRefusal("the user `watcher`", cluster, etcd.presenting("watcher"));
    await expectRefusal("a certificate whose CN is no user", cluster, etcd.presenting("stranger"));
    await expectRefusal("no certificate, where members want one", cluster, []);
    const watching = await etcd.shell("etcdctl get --prefix '' --keys-only; etcdctl lease list; etcdctl member list", cluster, minor, "watcher");
    expectEnd(watching, 0);
    expect(watching.stdout).toContain("/registry/secrets/a");
    expectEnd(
      await etcd.shell(
        "etcdctl watch --prefix '' --rev 1 >seen & until grep -q /registry/secrets/a seen; do sleep 0.05; done; kill $!",
        cluster,
        minor,
        "watcher",
      ),
      0,
    );
    expect((await etcd.shell("etcdctl put a b", cluster, minor, "watcher")).stderr).toContain("permission denied");
    const granted = async (user: "root" | "watcher") =>
      /lease (\w+) granted/.exec((await etcd.shell("etcdctl lease grant 600", cluster, minor, user)).stdout)![1]!;
    const [another, held] = [await granted("root"), await granted("root")];
    expectEnd(await etcd.shell(`etcdctl put held by-a-lease --lease ${held}`, cluster, minor, "root"), 0);
    const onLeases = `etcdctl lease keep-alive --once ${another}; etcdctl lease revoke ${another}; etcdctl lease revoke ${await granted("watcher")}`;
    expectEnd(await etcd.shell(onLeases, cluster, minor, "watcher"), 0);
    expect((await etcd.shell(`etcdctl lease revoke ${held}`, cluster, minor, "watcher")).stderr).toContain("permission denied");
    expect((await etcd.shell("etcdctl get a", cluster, minor, "stranger")).stderr).toContain("permission denied");
    const adopt = (user: "watcher" | "stranger") =>
      runCli([
        "repo",
        "adopt",
        "--repository",
        repository,
        "--endpoints",
        cluster.endpoints.join(","),
        "--cacert",
        etcd.authority.path,
        ...etcd.presenting(user),
      ]);
    expectEnd(await adopt("watcher"), 0);
    expectEnd(await adopt("stranger"), 4);
    // The role that a snapshot needs may do everything, and can be taken away.
    expectEnd(await etcd.shell("etcdctl del --prefix /registry && etcdctl user revoke-role etcdsafe root", cluster, minor, "etcdsafe"), 0);
    expectEnd(await saveAs("etcdsafe"), 4);

    await cluster.stop();
    expectEnd(await runCli(["verify", "latest", "--repository", repository]), 0);
    const snapshot = path(`restored-${minor}.db`);
    expectEnd(await runCli(["restore", "latest", "--repository", repository, "--to-snapshot", snapshot, "--bump-revision", "none"]), 0);
    expect((await readFile(snapshot, "latin1")).includes(SECRET)).toBe(true);
  });

  test("a user with a password saves, a wrong one is told; snapshots hold its hash, and the log of 3.4 alone the password", async () => {
    await using cluster = await etcd.start({ minor }, "password");
    const [users, save, ...more] = documented("A user by password");
    expect(more).toEqual([]);
    expectEnd(await etcd.shell(withInstead(users!, { "/etc/etcdsafe/etcd/password": path("password") }), cluster, minor), 0);
    expectEnd(await etcd.shell(documented("A user by certificate")[0]!, cluster, minor), 0);
    const repositoryHere = path(`by-password-${minor}`);
    const commands = here(save!, cluster, { "/etc/etcdsafe/etcd/password": path("password"), "/backup": repositoryHere });
    expectEnd(await etcd.shell(commands, cluster, minor), 0);
    await writeFile(path("wrong"), "wrong\n");
    await expectRefusal("a wrong password", cluster, ["--user", "backup", "--password-file", path("wrong")]);
    await expectRefusal("neither a user nor a certificate", cluster, []);

    const snapshot = path(`by-password-${minor}.db`);
    expectEnd(await runCli(["restore", "latest", "--repository", repositoryHere, "--to-snapshot", snapshot, "--copy"]), 0);
    const stored = await readFile(snapshot, "latin1");
    expect([/backup.{2}\$2a\$04\$/s.test(stored), stored.includes(PASSWORD)]).toEqual([true, false]);
    await cluster.members[0]!.kill();
    const log = join(cluster.members[0]!.dataDir, "member/wal");
    const segments = await Promise.all((await readdir(log)).map((name) => readFile(join(log, name), "latin1")));
    const holds = (text: string) => segments.some((segment) => segment.includes(text));
    expect([holds(PASSWORD), holds(Buffer.from("$2a$04$").toString("base64").slice(0, 8))]).toEqual([minor === "3.4", minor !== "3.4"]);
  });
});

describe("S3", () => {
  let users: S3Users;
  let cluster: EtcdCluster;
  beforeAll(async () => {
    [users, cluster] = await Promise.all([startS3Users(), startCluster()]);
  });
  afterAll(async () => {
    await users?.[Symbol.asyncDispose]();
    await cluster?.stop();
  });

  const policy = (heading: string, bucket: string) => withInstead(blocksOf(sectionOf("security.md", heading), "json")[0]!, { ":::backups": `:::${bucket}` });
  const run = (user: S3User, bucket: string, ...args: readonly string[]) =>
    runCli([...args, "--repository", `s3://${bucket}/etcd/prod`, "--s3-endpoint", users.url, "--s3-path-style"], { env: user.env });
  const save = (...more: readonly string[]) => ["save", "--unencrypted", "--endpoints", cluster.endpoints.join(","), ...more];
  const manifestOf = (result: CommandResult) => `etcd/prod/default/backups/${JSON.parse(result.stdout).manifest.id}/manifest.json`;

  test("one adds and deletes nothing, another removes, a third only reads, by the policies as they are documented", async () => {
    const bucket = "plain";
    await users.root.client.send(new CreateBucketCommand({ Bucket: bucket }));
    const adding = await users.newUser("adding", policy("Who saves adds, and deletes nothing", bucket));
    const removing = await users.newUser("removing", policy("Who removes", bucket));
    const reading = await users.newUser("reading", policy("Who reads", bucket));
    expect(await run(adding, bucket, "repo", "validate")).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/Left behind.*\n +_probe\//) });
    const first = await run(adding, bucket, ...save("-o", "json"));
    const second = await run(adding, bucket, ...save("-o", "json"));
    for (const saved of [first, second]) {
      expectEnd(saved, 0);
      expect(saved.stderr).toMatch(/its upload marker could not be removed/);
    }
    const Key = manifestOf(second);
    await expect(adding.client.send(new DeleteObjectCommand({ Bucket: bucket, Key }))).rejects.toThrow(/s3:DeleteObject/);
    const prune = ["prune", "--keep-last", "1", "--yes"];
    expect(await run(removing, bucket, ...prune)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("left alone: is being written") });
    await anHourLater(users.directoryOf(bucket));
    expect(await run(adding, bucket, ...prune)).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/STORAGE_DENIED[\s\S]*0 backups removed, 2 kept/) });

    for (const command of [["list"], ["show", "latest"]]) expectEnd(await run(reading, bucket, ...command), 0);
    const options = ["--s3-endpoint", users.url, "--s3-path-style"];
    expectEnd(await runCli(["copy", `s3://${bucket}/etcd/prod`, path("copied"), ...options], { env: reading.env }), 0);
    expect(await run(reading, bucket, "verify", "latest")).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/the result of verifying .* was not stored/),
    });
    expect(await run(reading, bucket, "restore", "latest", "--to-snapshot", path("read.db"))).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/next restore has to be told/),
    });
    expect(await run(reading, bucket, ...save())).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("STORAGE_DENIED") });

    expect(await run(removing, bucket, "repo", "gc")).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/its upload marker/) });
    expect(await run(removing, bucket, ...prune)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("1 backup removed, 1 kept.") });
    // What adds can overwrite, and without versions the former object is gone.
    await adding.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "{}" }));
    expectEnd(await run(reading, bucket, "verify", "latest"), 6);
  });

  test("with versions and locks, what adds can put something in front of a backup, and removes none of its versions", async () => {
    const bucket = "locking";
    await users.root.client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    const documentedPolicy = policy("Who saves adds, and deletes nothing", bucket);
    // Which only `repo validate` and `repo check` need.
    const withoutUploads = withInstead(documentedPolicy, { ', "s3:ListBucketMultipartUploads"': "" });
    const unable = await users.newUser("unable", documentedPolicy);
    const adding = await users.newUser(
      "locking",
      withInstead(withoutUploads, { '"s3:AbortMultipartUpload"': '"s3:AbortMultipartUpload", "s3:PutObjectRetention"' }),
    );
    const removing = await users.newUser("removing-locked", policy("Who removes", bucket));
    const locked = save("--object-lock-mode", "compliance", "--retain-for", "1d", "-o", "json");
    expect(await run(unable, bucket, ...locked)).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("s3:PutObjectRetention") });
    const saved = await run(adding, bucket, ...locked);
    expectEnd(saved, 0);
    expectEnd(await run(adding, bucket, ...locked), 0);
    const asOf = ["verify", "latest", "--as-of", new Date(Date.now() + 1_000).toISOString()];
    for (const user of [unable, removing, await users.newUser("reading-now", policy("Who reads", bucket))])
      expect(await run(user, bucket, ...asOf)).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("STORAGE_DENIED") });
    const [, ofBucket, ofObjects] = /add `(s3:\w+)` for the bucket, and `(s3:\w+)` for the objects/.exec(sectionOf("security.md", "Who reads"))!;
    const readingThePast = withInstead(policy("Who reads", bucket), {
      '"s3:ListBucket"': `"s3:ListBucket", "${ofBucket}"`,
      '"s3:GetObject"': `"s3:GetObject", "${ofObjects}"`,
    });
    expectEnd(await run(await users.newUser("reading-the-past", readingThePast), bucket, ...asOf), 0);
    const Key = manifestOf(saved);
    await adding.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "{}" }));
    const { Versions = [] } = await users.root.client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: Key }));
    const former = Versions.find(({ IsLatest }) => !IsLatest)!;
    expect(former.Size).toBeGreaterThan(2);
    for (const user of [adding, removing, users.root]) {
      await expect(user.client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId: former.VersionId! }))).rejects.toThrow(
        /s3:DeleteObjectVersion|lock|protected/i,
      );
    }
  });
});

/** No marker of an upload was touched since. */
async function anHourLater(objects: string): Promise<void> {
  const before = new Date(Date.now() - 3_600_000);
  for (const { name, parentPath } of await readdir(objects, { recursive: true, withFileTypes: true })) {
    if (parentPath.endsWith("/uploads")) await utimes(join(parentPath, name), before, before);
  }
}

test.each(["security.md", "external-etcd.md"])("docs/%s: its links lead to pages and headings that are there", async (page) => {
  const docs = new URL("../../docs/", import.meta.url);
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, "")
      .replaceAll(" ", "-");
  for (const [, target] of (await readFile(new URL(page, docs), "utf8")).matchAll(/\]\(([^)]+)\)/g)) {
    const [file, anchor] = target!.split("#");
    const headings = [...(await readFile(new URL(file || page, docs), "utf8")).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading!));
    if (anchor !== undefined) expect(headings).toContain(anchor);
  }
});
