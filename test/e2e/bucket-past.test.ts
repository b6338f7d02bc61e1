// A bucket with versions and Object Lock, after somebody with the writer's own credentials has overwritten or deleted everything in it; and what
// `repo validate` and `repo init` say of buckets.
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHttpProxy } from "../faults/kit/http-proxy.ts";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type VersionTimes, withVersionTimes } from "../support/version-times.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";

const DAY_MS = 86_400_000;
/** S3 tells times in whole seconds. */
const A_SECOND_AND_MORE_MS = 1_100;

/** versitygw, where it keeps versions. */
const CREATES_NOTHING_AGAIN = { name: "create-after-removal", outcome: "fails", detail: expect.stringContaining("is not created again") };

let server: S3Server;
let times: VersionTimes;
let cluster: EtcdCluster;
const directory = await temporaryDirectory("bucket-past");

beforeAll(async () => {
  [server, cluster] = await Promise.all([startVersitygw(), startCluster({ minor: "3.6" })]);
  times = await withVersionTimes(server.url);
  const rows = Array.from({ length: 300 }, (_, index) => ({ key: `key-${index}`, value: Buffer.alloc(2_000, `${index} `) }));
  await putMany(await cluster.client(), rows);
}, 120_000);
afterAll(async () => {
  await times?.close();
  await server?.stop();
  await cluster?.stop();
  await directory.remove();
});

function run(...args: readonly string[]) {
  return runCli([...args, "--s3-endpoint", times.url, "--s3-path-style"], { env: server.env, cwd: directory.path });
}

async function succeed(...args: readonly string[]) {
  const result = await run(...args);
  expect(result.exitCode, result.stderr + result.stdout).toBe(0);
  return result.stdout;
}

function save(repository: string, ...more: readonly string[]) {
  return succeed("save", "--endpoints", cluster.endpoints.join(","), "--repository", repository, "--unencrypted", ...more);
}

async function keysIn(bucket: string): Promise<string[]> {
  const { Contents: contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return contents.map(({ Key: key }) => key!);
}

/** As whoever has stolen the writer's credentials could: the odd ones are overwritten, then all but those are deleted, and some are both. */
async function destroy(bucket: string): Promise<void> {
  for (const [index, key] of (await keysIn(bucket)).entries()) {
    if (index % 3 !== 0) await server.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: "your data is ours" }));
    if (index % 3 !== 1) await server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  }
}

test("bucket: what was overwritten and deleted with the writer's own credentials is listed, verified and restored as of before, and nothing else is written", async () => {
  const bucket = await server.createBucket("locking");
  const repository = `s3://${bucket}/etcd`;
  await save(repository, "--object-lock-mode", "compliance", "--retain-for", "1d", "--cluster", "prod");
  const before = JSON.parse(await succeed("show", "latest", "--repository", repository, "--cluster", "prod", "-o", "json"));
  await sleep(A_SECOND_AND_MORE_MS);
  const time = new Date().toISOString();
  await sleep(A_SECOND_AND_MORE_MS);
  await destroy(bucket);
  await sleep(A_SECOND_AND_MORE_MS);
  const destroyed = await keysIn(bucket);

  const past = ["--repository", repository, "--cluster", "prod", "--as-of", time];
  expect((await run("list", "--repository", repository, "--cluster", "prod")).exitCode).not.toBe(0);
  expect(JSON.parse(await succeed("list", ...past, "-o", "json")).backups).toMatchObject([{ id: before.manifest.id, state: before.state }]);
  expect(JSON.parse(await succeed("show", "latest", ...past, "-o", "json")).manifest).toEqual(before.manifest);
  const verified = await run("verify", "--all", ...past, "-o", "json");
  expect(verified.exitCode, verified.stderr).toBe(0);
  expect(verified.stderr).not.toContain("was not stored");
  await succeed("restore", "latest", ...past, "--data-dir", join(directory.path, "data"), "--etcd-is-stopped");
  await succeed("restore", before.manifest.id, ...past, "--to-snapshot", "snapshot.db", "--bump-revision", "none");
  const file = JSON.parse(await succeed("verify", "snapshot.db", "-o", "json"));
  expect(file.verified[0]).toMatchObject({ outcome: "passed", hashKv: { hash: before.manifest.hashKv.hash } });

  const tooEarly = await run("list", "--repository", repository, "--as-of", new Date(Date.now() - DAY_MS).toISOString());
  expectFailure("REPOSITORY_NOT_FOUND", tooEarly, {
    message: /there was no repository in s3:.* at \d{4}-.*Z: etcdsafe-repository\.json was missing/,
    hint: /there was one from \d{4}-.*--as-of/,
  });
  const elsewhere = await run("list", "--repository", `s3://${bucket}/elsewhere`, "--as-of", time);
  expectFailure("REPOSITORY_NOT_FOUND", elsewhere, { message: / at \d{4}-.*Z: /, hint: /Check --repository and --as-of/ });
  expect(await keysIn(bucket)).toEqual(destroyed);
}, 60_000);

test("bucket: each version of a backup's is locked, is named in the manifest, and cannot be deleted", async () => {
  const bucket = await server.createBucket("locking");
  const repository = `s3://${bucket}`;
  const saved = JSON.parse(await save(repository, "--object-lock-mode", "governance", "--retain-for", "30d", "-o", "json"));
  const { Versions: versions = [] } = await server.client.send(
    new ListObjectVersionsCommand({ Bucket: bucket, Prefix: `default/backups/${saved.manifest.id}/` }),
  );
  expect(versions).toHaveLength(2);
  for (const { Key, VersionId, LastModified } of versions) {
    const { Retention: retention } = await server.client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key, VersionId }));
    expect(retention?.Mode).toBe("GOVERNANCE");
    expect(Math.abs(retention!.RetainUntilDate!.getTime() - LastModified!.getTime() - 30 * DAY_MS)).toBeLessThan(2_000);
    await expect(server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId }))).rejects.toThrow(/denied|lock|protected/i);
  }
  const [object] = saved.manifest.objects;
  expect(versions.find(({ Key: key }) => key?.endsWith(object.name))?.VersionId).toBe(object.storeVersion);
  const plain = await run(
    "save",
    "--endpoints",
    cluster.endpoints.join(","),
    "--repository",
    `s3://${await server.createBucket()}`,
    "--unencrypted",
    "--legal-hold",
  );
  expectFailure("CONFIG_INVALID", plain, {
    message: /versions cannot be locked in s3:.*that is not a bucket that was made with Object Lock/,
    hint: /--object-lock-mode/,
  });
});

test("bucket: who may not ask whether versions are kept may still look at them, and collect garbage", async () => {
  const repository = `s3://${await server.createBucket("versioned")}`;
  await succeed("repo", "init", "--repository", repository);
  await sleep(A_SECOND_AND_MORE_MS);
  const denied = { status: 403, body: "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" };
  await using proxy = await startHttpProxy(times.url, ({ path }) => (/[?&]versioning/.test(path) ? denied : undefined));
  const through = ["--repository", repository, "--s3-endpoint", proxy.url, "--s3-path-style"];
  const listed = await runCli(["list", "--as-of", new Date().toISOString(), ...through], { env: server.env });
  expect(listed.exitCode, listed.stderr).toBe(0);
  expect(listed.stderr).toMatch(/whether s3:.* keeps versions may not be asked with these credentials/);
  const collected = await runCli(["repo", "gc", ...through], { env: server.env });
  expect(collected.exitCode, collected.stderr).toBe(0);
  expect(proxy.requests.filter(({ path }) => /[?&]versioning/.test(path)).length).toBeGreaterThanOrEqual(2);
});

test("bucket: one that keeps no versions has no past", async () => {
  const repository = `s3://${await server.createBucket()}`;
  await succeed("repo", "init", "--repository", repository);
  const result = await run("list", "--repository", repository, "--as-of", "2026-11-21T00:00:00Z");
  expectFailure("USAGE", result, { message: /keeps no versions of its objects/, hint: /versioning/ });
});

test("bucket: state lives elsewhere where retention would lock each of its versions, and repo validate finds that out", async () => {
  const bucket = await server.createBucket("locking");
  const rule = { DefaultRetention: { Mode: "GOVERNANCE", Days: 1 } } as const;
  await server.client.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration: { ObjectLockEnabled: "Enabled", Rule: rule } }));
  const repository = `s3://${bucket}/etcd`;
  const alone = await run("repo", "validate", "--repository", repository, "-o", "json");
  expect(alone.exitCode, alone.stderr).toBe(3);
  expect(JSON.parse(alone.stdout)).toMatchObject({ verdict: "limited", leftBehind: [] });
  expect(JSON.parse(alone.stdout).trials.filter(({ outcome }: { outcome: string }) => outcome !== "works")).toMatchObject([
    CREATES_NOTHING_AGAIN,
    { name: "retention", outcome: "fails", detail: expect.stringContaining("--state-url") },
  ]);
  const state = ["--state-url", "state"];
  const apart = await run("repo", "validate", "--repository", repository, ...state, "-o", "json");
  expect(JSON.parse(apart.stdout).trials.filter(({ outcome }: { outcome: string }) => outcome !== "works")).toMatchObject([CREATES_NOTHING_AGAIN]);
  await save(repository, ...state);
  expect((await keysIn(bucket)).map((key) => key.replace(/backups\/[^/]+/, "backups/ID"))).toEqual([
    "etcd/default/backups/ID/manifest.json",
    "etcd/default/backups/ID/snapshot.db.zst",
    "etcd/etcdsafe-repository.json",
  ]);
  expect(JSON.parse(await succeed("list", "--all-clusters", "--repository", repository, ...state, "-o", "json")).backups).toHaveLength(1);
  await save(repository, ...state);
  const without = await run("save", "--endpoints", cluster.endpoints.join(","), "--repository", repository, "--unencrypted");
  const elsewhere = { message: /keeps its state in .*\/state, and no --state-url was given$/, hint: /^Give --state-url .*\/state: / };
  expectFailure("CONFIG_INVALID", without, elsewhere);
  for (const command of ["gc", "check", "init"]) expectFailure("CONFIG_INVALID", await run("repo", command, "--repository", repository), elsewhere);
  // As where nothing is mounted.
  const unmounted = await run("repo", "gc", "--repository", repository, "--state-url", "state", "--plan");
  expect(unmounted.exitCode, unmounted.stderr).toBe(0);
  await rename(join(directory.path, "state"), join(directory.path, "elsewhere"));
  const missing = { message: /does not hold the state of the repository in .*: etcdsafe-state.json is missing$/, hint: /mounted/ };
  expectFailure("CONFIG_INVALID", await run("repo", "gc", "--repository", repository, ...state, "--plan"), missing);
  const restore = ["restore", "latest", "--repository", repository, "--data-dir", "data", "--copy", "--plan", "-o", "json"];
  for (const given of [[], state])
    expect(JSON.parse(await succeed(...restore, ...given)).plan.warnings).toContainEqual(
      expect.stringMatching(/^Which members have joined since .* is not known, /),
    );
  for (const command of [["list"], ["show", "latest"], ["verify", "latest"], ["restore", "latest", "--data-dir", "data", "--copy", "--plan"]]) {
    const lost = await run(...command, "--repository", repository, "--state-url", "s3://no-such-bucket");
    expect(lost.exitCode, lost.stderr).toBe(0);
    expect(lost.stderr).toMatch(/the state of the repository, in s3:\/\/no-such-bucket \(--state-url\), is not looked at: .*no-such-bucket/);
  }
  await rename(join(directory.path, "elsewhere"), join(directory.path, "state"));
  expect(JSON.parse(await succeed(...restore, ...state)).plan.warnings).not.toContainEqual(expect.stringMatching(/^Which members/));
  expectFailure("CONFIG_INVALID", await run("list", "--repository", repository, "--state-url", repository), {
    message: /names the repository itself/,
    hint: /Leave it out/,
  });
});

test("bucket: repo init proves that a second create is refused, and repo validate that all is well; where nothing answers, that is no finding", async () => {
  const repository = `s3://${await server.createBucket()}/a/b`;
  const validated = JSON.parse(await succeed("repo", "validate", "--repository", repository, "-o", "json"));
  expect(validated).toMatchObject({ verdict: "good", location: repository, stateLocation: null, leftBehind: [] });
  expect(JSON.parse(await succeed("repo", "init", "--repository", repository, "-o", "json"))).toMatchObject({ created: true, conditionalCreate: "refused" });
  expect(await succeed("repo", "init", "--repository", repository)).toMatch(
    /There is a repository in .* already.*\nA second create of the same object was refused/,
  );
  expectFailure("REPOSITORY_NOT_FOUND", await run("repo", "validate", "--repository", "s3://no-such-bucket"), {
    message: /bucket does not exist/,
    hint: /aws s3 mb/,
  });
  const nobody = await runCli(["repo", "validate", "--repository", repository, "--s3-endpoint", "http://127.0.0.1:9", "--storage-tries", "1"], {
    env: server.env,
  });
  expectFailure("STORAGE_UNREACHABLE", nobody, { message: /_probe\// });
  for (const command of ["validate", "init"]) {
    const untrusted = ["repo", command, "--repository", repository, "--s3-endpoint", server.url.replace("http:", "https:"), "--s3-path-style"];
    expectFailure("STORAGE_TLS_FAILED", await runCli(untrusted, { env: server.env }), { message: /it does not speak TLS$/, hint: /http:\/\// });
  }
  expectFailure("CONFIG_INVALID", await run("repo", "validate", "--repository", "s3://UPPER/x"), { message: /InvalidBucketName/, hint: /lower-case/ });
});

test("bucket: repo validate leaves nothing in a store that does not encrypt as it was asked to", async () => {
  const bucket = await server.createBucket();
  await writeFile(join(directory.path, "sse.key"), Buffer.alloc(32, 7).toString("base64"));
  const result = await run("repo", "validate", "--repository", `s3://${bucket}`, "--s3-sse", "customer", "--s3-sse-key-file", join(directory.path, "sse.key"));
  expectFailure("CONFIG_INVALID", result, { message: /does not encrypt as --s3-sse asks/, hint: /was stored as it is\.$/ });
  expect(await keysIn(bucket)).toEqual([]);
});

test("bucket: a store that tells the times of versions wrongly is found out", async () => {
  const repository = `s3://${await server.createBucket("versioned")}`;
  const direct = ["--s3-endpoint", server.url, "--s3-path-style", "-o", "json"];
  const wrong = await runCli(["repo", "validate", "--repository", repository, ...direct], { env: server.env });
  expect(wrong.exitCode, wrong.stderr).toBe(3);
  expect(JSON.parse(wrong.stdout).verdict).toBe("limited");
  expect(JSON.parse(wrong.stdout).trials).toContainEqual(
    expect.objectContaining({ name: "versions", outcome: "fails", detail: expect.stringContaining("--as-of") }),
  );
  const right = await run("repo", "validate", "--repository", repository, "-o", "json");
  expect(JSON.parse(right.stdout).trials).toContainEqual(expect.objectContaining({ name: "versions", outcome: "works" }));
});

test("bucket: a store that takes the name of what was deleted for one that exists is found out, and said to be that", async () => {
  const bucket = await server.createBucket("versioned");
  const repository = `s3://${bucket}`;
  const validated = JSON.parse((await run("repo", "validate", "--repository", repository, "-o", "json")).stdout);
  expect(validated.trials.filter(({ outcome }: { outcome: string }) => outcome !== "works")).toMatchObject([CREATES_NOTHING_AGAIN]);
  expect(validated).toMatchObject({ verdict: "limited", leftBehind: [] });
  const init = () => run("repo", "init", "--repository", repository, "-o", "json");
  expect(JSON.parse((await init()).stdout)).toMatchObject({ created: true, createAfterRemoval: "refused" });
  expect(await succeed("repo", "init", "--repository", repository)).toMatch(/\nWARNING: what was deleted there counts as existing still/);
  for (const key of await keysIn(bucket)) await server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  expectFailure("REPOSITORY_NOT_FOUND", await init(), { message: /was deleted there, and the store does not create again/, hint: /another prefix/ });
});

test("bucket: a store that keeps asking for fewer requests is given up in the end", async () => {
  const repository = `s3://${await server.createBucket()}`;
  await using proxy = await startHttpProxy(server.url, () => ({ status: 429 }));
  const throttled = ["--s3-endpoint", proxy.url, "--s3-path-style", "--storage-tries", "2"];
  expectFailure("STORAGE_THROTTLED", await runCli(["list", "--repository", repository, ...throttled], { env: server.env }), { message: /s3:\/\/bucket/ });
});

test("directory: repo validate and repo init find all that is needed, and leave nothing but the repository's file", async () => {
  const path = join(directory.path, "local");
  expect(JSON.parse(await succeed("repo", "validate", "--repository", path, "-o", "json"))).toMatchObject({ verdict: "good", leftBehind: [] });
  expect(await succeed("repo", "init", "--repository", path)).toMatch(/^Created the repository \w+ in .*\nA second create of the same object was refused/);
});
