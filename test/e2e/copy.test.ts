// Copies by the command line: from a directory to a bucket and back, encrypted and not, killed at any step and run again, saved to and restored from.
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forEachCrashPoint } from "../faults/kit/for-each-crash-point.ts";
import { runCli } from "../support/cli.ts";
import { runs } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { expectExit, filesBelow } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";

const directory = await temporaryDirectory("copy");
const at = (name: string) => join(directory.path, name);
let cluster: EtcdCluster;
let server: S3Server;
/** Recipients of the identities in own.txt and other.txt. */
let own: string;
let other: string;
/** One backup that anybody can read, and a newer one encrypted to `own`. */
let original: string;
let ids: readonly [plain: string, encrypted: string];

beforeAll(async () => {
  [cluster, server] = await Promise.all([startCluster({ minor: "3.7" }), startVersitygw()]);
  await putMany(
    await cluster.client(),
    Array.from({ length: 50 }, (_, index) => ({ key: `key-${index}`, value: Buffer.alloc(1000, `value ${index} `) })),
  );
  [own, other] = [await writeIdentity("own.txt"), await writeIdentity("other.txt")];
  await writeFile(at("s3.yaml"), `s3-endpoint: ${server.url}\ns3-path-style: true\nrepository: /elsewhere\n`);
  original = at("original");
  ids = [await save(original), await save(original, "--recipient", own)];
});
afterAll(async () => {
  await server?.stop();
  await cluster?.stop();
  await directory.remove();
});

test("copy: to a bucket it takes somebody to encrypt to; there and back, and all of it is verified, restored and saved to", async () => {
  const bucket = `s3://${await server.createBucket()}/etcd`;
  const reached = ["--s3-endpoint", server.url, "--s3-path-style"];
  expectFailure("ENCRYPTION_REQUIRED", await copy(original, bucket, ...reached), { message: /outside this host/, hint: /--unencrypted/ });
  expect(await outcomes(original, bucket, "--recipient", other, "--identity-file", at("own.txt"), "--plan", ...reached)).toEqual(["copied", "copied"]);
  const there = await copy(original, bucket, "--recipient", other, "--identity-file", at("own.txt"), ...reached);
  expect(there.exitCode, there.stderr).toBe(0);
  expect(JSON.parse(there.stdout)).toMatchObject({
    from: original,
    to: bucket,
    backups: ids.toReversed().map((backup) => ({ cluster: "default", backup, outcome: "copied", encryption: { recipients: [other] } })),
  });
  const opened = ["--identity-file", at("other.txt")];
  const verified = await expectExit(0, ["verify", "--all", "--repository", bucket, ...opened, ...reached, "-o", "json"], server.env);
  expect(JSON.parse(verified.stdout).verified).toMatchObject([
    { level: "structure", outcome: "passed" },
    { level: "structure", outcome: "passed" },
  ]);
  const back = at("back");
  expect(await outcomes(bucket, back, "--from-config", at("s3.yaml"), "--last", "1")).toEqual(["copied"]);
  expect(await outcomes(bucket, back, "--from-config", at("s3.yaml"))).toEqual(["present", "copied"]);
  await expectExit(0, ["restore", ids[0], "--repository", back, "--data-dir", at("data"), "--copy", ...opened]);
  expect(await readdir(at("data"))).toEqual(["member"]);
  const saved = JSON.parse((await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--repository", back, "-o", "json"])).stdout).manifest;
  expect(saved).toMatchObject({ timelineBegan: null });
  const text = await expectExit(0, ["copy", back, bucket, "--recipient", other, ...reached], server.env);
  expect(text.stdout).toMatch(/copied, encrypted to age1.*\n.*is there already\n.*is there already\n1 copied to s3:.*, 2 there already\.\n$/);
  expect((await expectExit(0, ["repo", "gc", "--repository", bucket, ...reached], server.env)).stdout.trim()).toBe("There is no garbage.");
});

test("copy: without a word about encryption, a directory gets the same bytes; what is damaged is not copied", async () => {
  const [source, target] = [at("damaged"), at("as-stored")];
  await cp(original, source, { recursive: true });
  await expectExit(0, ["copy", source, target, "--all-clusters"]);
  const [from, to] = [await filesBelow(source), await filesBelow(target)];
  const copied = (name: string) => /^default\/(backups\/|cluster\.json)/.test(name);
  expect(Object.fromEntries(Object.entries(to).filter(([name]) => copied(name)))).toEqual(
    Object.fromEntries(Object.entries(from).filter(([name]) => copied(name))),
  );
  await rm(join(source, "default", "backups", ids[0], "snapshot.db.zst"));
  await rm(target, { recursive: true });
  const partly = await copy(source, target);
  expect(partly.exitCode).toBe(3);
  expect(JSON.parse(partly.stdout).backups).toMatchObject([
    { outcome: "copied" },
    { backup: ids[0], outcome: "failed", failure: { code: "SNAPSHOT_DAMAGED" } },
  ]);
  expect(await outcomes(source, at("none"), "--since", "2100-01-01T00:00:00Z")).toEqual([]);
  expect(await outcomes(original, at("recent"), "--since", "1h", "--plan")).toEqual(["copied", "copied"]);
});

test("copy: what cannot be meant is refused", async () => {
  expectFailure("USAGE", await copy(original, original), { message: /^FROM and TO name one place/, hint: /two/ });
  expectFailure("REPOSITORY_NOT_FOUND", await copy(at("nowhere"), at("never")), { message: /no repository/ });
  expectFailure("CONFIG_INVALID", await copy(original, at("never"), "--from-config", at("own.txt")), { message: /own\.txt/ });
  const foreign = join(import.meta.dirname, "../golden/etcdbr-v2/bucket/etcd-main");
  expectFailure("USAGE", await copy(foreign, at("never")), { message: /another tool's backups/, hint: /--to-snapshot/ });
  expect(await readdir(directory.path)).not.toContain("never");
});

test.each([
  ["byte for byte", []],
  ["encrypted anew", ["--recipient"]],
])("copy %s: killed at any step, no half backup is listed; the next finishes it, and gc finds nothing", async (name, flags) => {
  const target = at(`killed ${name}`);
  const args = ["copy", original, target, "--identity-file", at("own.txt"), ...flags, ...flags.map(() => other)];
  const summary = await forEachCrashPoint(
    async ({ nodeArguments, env }) => {
      await rm(target, { recursive: true, force: true });
      return runCli(args, { nodeArguments, env });
    },
    async () => {
      const present = await readFile(join(target, "etcdsafe-repository.json")).then(
        () => true,
        () => false,
      );
      if (present) {
        const listed = JSON.parse((await expectExit(0, ["list", "--all-clusters", "--repository", target, "-o", "json"])).stdout).backups;
        for (const backup of listed) expect(backup).toMatchObject({ faults: [] });
      }
      await expectExit(0, args);
      const listed = JSON.parse((await expectExit(0, ["list", "--repository", target, "-o", "json"])).stdout).backups;
      expect(listed.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed());
      expect(listed).not.toContainEqual(expect.objectContaining({ state: "damaged" }));
      expect((await expectExit(0, ["repo", "gc", "--repository", target])).stdout.trim()).toBe("There is no garbage.");
    },
    { limit: runs(1, 60), match: { path: `${target}/` } },
  );
  expect(summary.killedAt.length).toBeGreaterThan(0);
});

function copy(from: string, to: string, ...more: readonly string[]) {
  return runCli(["copy", from, to, "-o", "json", ...more], { env: server.env });
}

async function outcomes(from: string, to: string, ...more: readonly string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await copy(from, to, ...more);
  expect(exitCode, stderr).toBe(0);
  const printed = JSON.parse(stdout);
  return (printed.plan ?? printed).backups.map(({ outcome }: { outcome: string }) => outcome);
}

async function save(repository: string, ...more: readonly string[]): Promise<string> {
  return JSON.parse((await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--repository", repository, "-o", "json", ...more])).stdout).manifest
    .id;
}

async function writeIdentity(name: string): Promise<string> {
  const identity = await generateX25519Identity();
  await writeFile(at(name), `${identity}\n`);
  return identityToRecipient(identity);
}
