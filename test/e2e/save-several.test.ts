// One save into several repositories: each at its own pace, the others whole when one stands still, fails or refuses, and the exit code says so.
import { mkdirSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RepositoryTarget } from "../../src/backup/repository-target.ts";
import { save } from "../../src/backup/save.ts";
import { SeveralTargets } from "../../src/backup/several-targets.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { startHttpProxy } from "../faults/kit/http-proxy.ts";
import { failingStorage, stallingStorage } from "../faults/kit/storages.ts";
import { runCli, startCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { expectExit, quietRuntime } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";
import { connectionTo } from "./cluster/members.ts";

const directory = await temporaryDirectory("save-several");
const at = (name: string) => join(directory.path, name);
const AUTHOR = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
let cluster: EtcdCluster;
let server: S3Server;
let recipient: string;

beforeAll(async () => {
  [cluster, server] = await Promise.all([startCluster({ minor: "3.7" }), startVersitygw()]);
  await putMany(
    await cluster.client(),
    Array.from({ length: 50 }, (_, index) => ({ key: `key-${index}`, value: Buffer.alloc(1000, `value ${index} `) })),
  );
  recipient = await identityToRecipient(await generateX25519Identity());
  await writeFile(at("side.conf"), "a file of the host\n");
  mkdirSync(at("spool"));
});
afterAll(async () => {
  await server?.stop();
  await cluster?.stop();
  await directory.remove();
});

test("save to several: the same backup in a directory and a bucket, and a copy from one to the other finds nothing to do", async () => {
  const [local, bucket] = [at("both"), `s3://${await server.createBucket()}/etcd`];
  const args = ["--recipient", recipient, "--include", at("side.conf"), "-o", "json"];
  const saved = await runSave([local, bucket], ...args);
  expect(saved.exitCode, saved.stderr).toBe(0);
  const { manifest, repositories } = JSON.parse(saved.stdout);
  const { id } = manifest;
  const timelineBegan = expect.objectContaining({ reason: "first-backup" });
  const backup = { id, timeline: expect.any(String), timelineBegan, encryption: expect.objectContaining({ recipients: [recipient] }) };
  expect(repositories).toEqual([local, bucket].map((location) => ({ location, backup, failure: null }))); // Nothing that all have in common.
  const copied = await expectExit(0, ["copy", local, bucket, "-o", "json", ...reached()], server.env);
  expect(JSON.parse(copied.stdout).backups).toMatchObject([{ backup: manifest.id, outcome: "present" }]);
  expect(await expectSpool()).toEqual([]);
});

test("save to several: a place that is named twice, in whatever words, is one", async () => {
  const saved = await runSave([at("once"), `${at("once")}/`, `file://${at("once")}`], "-o", "json");
  expect(saved.exitCode, saved.stderr).toBe(0);
  const document = JSON.parse(saved.stdout);
  expect(document).not.toHaveProperty("repositories");
  expect(await readdir(at("once/default/backups"))).toEqual([document.manifest.id]);
});

test("save to several: one whose connection stands still has not held the other, and the exit code is 3", async () => {
  const [local, bucket] = [at("beside-stalled"), `s3://${await server.createBucket()}/etcd`];
  await using proxy = await startHttpProxy(server.url, ({ method, path }) => (method !== "GET" && path.includes("snapshot.db") ? { silent: true } : undefined));
  const limits = ["--storage-idle-limit", "2s", "--storage-tries", "1", "--unencrypted"];
  const saving = startCli(saveArgs([local, bucket], proxy.url, ...limits), { env: server.env });
  const published = await waitFor(async () =>
    (await readdir(join(local, "default", "backups"), { recursive: true }).catch(() => [])).some((name) => name.endsWith("manifest.json")),
  );
  expect(published).toBe(true);
  expect(saving.child.exitCode).toBeNull();
  const { exitCode, stdout, stderr } = await saving.finished;
  expect(exitCode, stderr).toBe(3);
  expect(stdout).toMatch(new RegExp(`repository +${local}, not encrypted\n`));
  expect(stdout).toMatch(/repository +s3:.*NOT STORED: STORAGE_UNREACHABLE: /);
  expect(stderr).toMatch(/not stored in s3:/);
});

test("save to several: where none can be saved to, it fails with what the first one failed with", async () => {
  await writeFile(at("no-directory"), "");
  const nobody = await runCli([...saveArgs([join(at("no-directory"), "a"), "s3://no-such-bucket/x"], server.url), "--unencrypted"], { env: server.env });
  expect(nobody.exitCode).not.toBe(3);
  expect(nobody.exitCode).not.toBe(0);
  expect(nobody.stderr).toMatch(/no-directory/);
});

test("save to several: what one of them refuses the others do not suffer from", async () => {
  const [local, name] = [at("beside-refused"), await server.createBucket()];
  const bucket = `s3://${name}/etcd`;
  await server.client.send(new PutObjectCommand({ Bucket: name, Key: "etcd/somebody-elses", Body: "x" }));
  const saved = await runSave([local, bucket], "--unencrypted", "-o", "json");
  expect(saved.exitCode, saved.stderr).toBe(3);
  expect(JSON.parse(saved.stdout).repositories).toMatchObject([
    { failure: null },
    { location: bucket, backup: null, failure: { code: "REPOSITORY_NOT_EMPTY" } },
  ]);
});

test("save to several: what one of them is known to refuse, for want of encryption, is refused before anything is stored in any", async () => {
  const [local, bucket, strict] = [at("before-all"), `s3://${await server.createBucket()}/etcd`, at("strict")];
  expectFailure("ENCRYPTION_REQUIRED", await runSave([local, bucket]), { message: /^s3:.* is outside this host/, hint: /Nothing was written/ });
  await expectExit(0, ["repo", "init", "--repository", strict, "--require-encryption"]);
  expectFailure("ENCRYPTION_REQUIRED", await runSave([local, strict], "--unencrypted"), { message: /policy of the repository in .*strict/, hint: /./ });
  expect(await readdir(directory.path)).not.toContain("before-all");
  await expectExit(0, ["repo", "init", "--repository", bucket, "--recipient", recipient, ...reached()], server.env);
  const { repositories } = JSON.parse((await runSave([local, bucket], "-o", "json")).stdout); // To whom, the bucket's policy says.
  expect(repositories).toMatchObject([
    { backup: { encryption: null }, failure: null },
    { backup: { encryption: { recipients: [recipient] } }, failure: null },
  ]);
  const { stdout: text } = await runSave([bucket, local]);
  expect(text.match(/^(encrypted|repository) .*$/gm)).toEqual([
    expect.stringMatching(new RegExp(`^repository +${bucket}, encrypted to ${recipient}$`)),
    expect.stringMatching(new RegExp(`^repository +${local}, not encrypted$`)),
  ]);
});

test("save to several: refused without a local copy and with one state for all; other commands take one repository", async () => {
  const two = [at("one"), at("two")];
  expectFailure("USAGE", await runSave(two, "--no-spool"), { message: /--no-spool: 2 repositories are named/, hint: /copy/ });
  expectFailure("USAGE", await runSave(two, "--state-url", at("state")), { message: /--state-url/, hint: /copy/ });
  await writeFile(at("two.yaml"), "repository: [one, two]\n");
  expectFailure("USAGE", await runCli(["list", "--config", at("two.yaml")]), { message: /2 repositories are named \(.*two\.yaml:1\)/, hint: /--repository/ });
  const saved = await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--config", at("two.yaml"), "-o", "json"]);
  expect(JSON.parse(saved.stdout).repositories.map(({ location }: { location: string }) => location)).toEqual(two);
  expect(JSON.parse((await expectExit(0, ["config", "show", "--config", at("two.yaml"), "-o", "json"])).stdout).options).toContainEqual(
    expect.objectContaining({ name: "repository", value: two.join(",") }),
  );
});

test("save to several: a store that stands still from the first request on does not hold the others, nor what fails early, nor the stopping", async () => {
  const [good, bad] = [new MemoryStorage(), new MemoryStorage()];
  const stop = new AbortController();
  const saving = saveTo([stallingStorage(new MemoryStorage(), {}), good, failingStorage(bad, { operations: ["put"], key: /snapshot\.db/ })], stop.signal);
  const hasManifest = async () => (await keysOf(good)).some((key) => key.endsWith("manifest.json"));
  expect(await Promise.race([waitFor(hasManifest), saving.then(() => false)])).toBe(true);
  expect(await waitFor(async () => (await keysOf(bad)).some((key) => key.includes("/attempts/")))).toBe(true);
  expect((await keysOf(bad)).filter((key) => key.includes("/backups/") || key.includes("/uploads/"))).toEqual([]);
  stop.abort(new Error("enough"));
  await expect(saving).rejects.toThrow("enough");
});

test("save to several: all of them failing is the error of the first", async () => {
  const failing = (code: "STORAGE_FULL" | "STORAGE_DENIED") =>
    failingStorage(new MemoryStorage(), { operations: ["put"], key: /snapshot\.db/, error: () => new EtcdsafeError(code, code) });
  await expect(saveTo([failing("STORAGE_FULL"), failing("STORAGE_DENIED")])).rejects.toMatchObject({ code: "STORAGE_FULL" });
  const { saved } = await saveTo([failing("STORAGE_DENIED"), new MemoryStorage()]);
  expect(saved.repositories).toMatchObject([{ manifest: null, failure: { code: "STORAGE_DENIED" } }, { manifest: { id: saved.manifest!.id } }]);
});

function saveTo(storages: readonly Storage[], signal: AbortSignal = new AbortController().signal) {
  const shared = { author: AUTHOR, cluster: "default", compareEveryMs: undefined, encryption: "not-said", isOnThisHost: true, signing: undefined } as const;
  const target = new SeveralTargets(storages.map((storage) => new RepositoryTarget({ ...shared, storage })));
  const connection = connectionTo(cluster.endpoints);
  return save({ connection, checkMembers: "all", stallLimitMs: 30_000, spoolDirectory: at("spool"), target }, { signal, runtime: quietRuntime });
}

function reached(url: string = server.url): string[] {
  return ["--s3-endpoint", url, "--s3-path-style"];
}

function saveArgs(repositories: readonly string[], url: string, ...more: readonly string[]): string[] {
  return [
    "save",
    "--endpoints",
    cluster.endpoints[0]!,
    ...repositories.flatMap((each) => ["--repository", each]),
    "--spool-dir",
    at("spool"),
    ...reached(url),
    ...more,
  ];
}

function runSave(repositories: readonly string[], ...more: readonly string[]) {
  const args = saveArgs(repositories, server.url, ...more);
  return runCli(more.includes("--no-spool") ? args.filter((arg) => arg !== "--spool-dir" && arg !== at("spool")) : args, { env: server.env });
}

function expectSpool(): Promise<string[]> {
  return readdir(at("spool"));
}

async function waitFor(holds: () => Promise<boolean>): Promise<boolean> {
  for (const startedMs = performance.now(); performance.now() - startedMs < 15_000; await new Promise((resolve) => setTimeout(resolve, 20)))
    if (await holds()) return true;
  return false;
}

async function keysOf(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("", { signal: AbortSignal.timeout(5_000) }))).map(({ key }) => key);
}
