// Retention by the command line: on directories and buckets, with backups of a real etcd, killed in the middle, and by two at once.
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStorage } from "../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { forEachCrashPoint } from "../faults/kit/for-each-crash-point.ts";
import { storeAt } from "../retention/stored-history.ts";
import { runCli } from "../support/cli.ts";
import { runs } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { report } from "../support/report.ts";
import { expectExit, quietRuntime } from "../support/saving.ts";
import { startStore } from "../support/stores.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";

const directory = await temporaryDirectory("retention");
const at = (name: string) => join(directory.path, name);
let cluster: EtcdCluster;
let server: S3Server;

beforeAll(async () => {
  [cluster, server] = await Promise.all([startCluster(), startVersitygw()]);
  await putMany(await cluster.client(), [{ key: "k", value: "v" }]);
});
afterAll(async () => {
  await server?.stop();
  await cluster?.stop();
  await directory.remove();
});

async function save(repository: string, ...more: readonly string[]): Promise<string> {
  const { stdout } = await expectExit(0, ["save", "--endpoints", cluster.endpoints.join(","), "--repository", repository, ...more, "-o", "json"], server.env);
  return JSON.parse(stdout).manifest.id;
}

async function listed(repository: string, ...more: readonly string[]): Promise<{ id: string; state: string; pin: { reason: string } | null }[]> {
  const { stdout } = await expectExit(0, ["list", "--repository", repository, ...more, "-o", "json"], server.env);
  return JSON.parse(stdout).backups;
}

const idsOf = (backups: readonly { readonly id: string }[]) => backups.map(({ id }) => id);

test("prune shows, then removes: by options, by the repository's policy, and what is pinned stays", async () => {
  const repository = at("local");
  const [first, second, third] = [await save(repository), await save(repository, "--tag", "why=upgrade"), await save(repository)];
  const shown = await expectExit(0, ["prune", "--repository", repository, "--keep-last", "1"]);
  expect(shown.stdout).toMatch(new RegExp(`remove +${first} .*kept by no rule`));
  expect(shown.stdout).toMatch(/1 backup to keep, 2 backups to remove .*\nNothing was removed: --yes does that\.\n$/);
  expect(idsOf(await listed(repository))).toEqual([third, second, first]);
  const byTag = JSON.parse((await expectExit(0, ["prune", "--repository", repository, "--keep-tag", "why=upgrade", "-o", "json"])).stdout);
  expect(idsOf(byTag.plan.remove)).toEqual([first]);

  await expectExit(0, ["pin", first, "--repository", repository, "--reason", "before the upgrade"]);
  expect((await listed(repository)).at(-1)).toMatchObject({ id: first, pin: { reason: "before the upgrade" } });
  const policy = await expectExit(0, ["repo", "policy", "set", "--repository", repository, "--keep-last", "1", "--timezone", "Europe/Berlin", "-o", "json"]);
  expect(JSON.parse(policy.stdout)).toEqual({ policy: { retention: { keepLast: 1, timezone: "Europe/Berlin" } } });
  const pruned = JSON.parse((await expectExit(0, ["prune", "--repository", repository, "--yes", "-o", "json"])).stdout);
  expect(pruned).toMatchObject({ plan: { policyFrom: "repository" }, result: { removed: [{ backup: second, isHidden: false }], kept: 2, failures: [] } });
  expect(idsOf(await listed(repository))).toEqual([third, first]);
  await expectExit(0, ["unpin", first, "--repository", repository]);
  await expectExit(0, ["prune", "--repository", repository, "--yes"]);
  expect(idsOf(await listed(repository))).toEqual([third]);
  // The last good one goes by no policy.
  const none = await expectExit(0, ["prune", "--repository", repository, "--keep-tag", "nobody-has-it", "--minimum", "0", "--yes", "-o", "json"]);
  expect(JSON.parse(none.stdout).result.removed).toEqual([]);
  await expectExit(0, ["verify", "--all", "--repository", repository]);
  expect((await expectExit(0, ["repo", "check", "--repository", repository])).stdout).toMatch(/0 errors, 0 warnings/);
});

test("prune refuses what nobody can have meant: no rule, no such zone, more than half unasked", async () => {
  const repository = at("refused");
  for (let count = 0; count < 4; count++) await save(repository);
  const prune = (...flags: readonly string[]) => runCli(["prune", "--repository", repository, ...flags]);
  expectFailure("USAGE", await prune("--yes"), { message: /no rule says what to keep/, hint: /--keep-/ });
  expectFailure("CONFIG_INVALID", await prune("--keep-last", "1", "--timezone", "Mars/Olympus"), { message: /Mars\/Olympus/, hint: /./ });
  expectFailure("PRUNE_TOO_MUCH", await prune("--keep-last", "1", "--yes"), {
    message: /^3 of 4 backups would be removed: that is more than half$/,
    hint: /--yes-remove 3/,
  });
  expect(await listed(repository)).toHaveLength(4);
  // Whoever looks finds out that a CronJob is refused night after night.
  const { failed } = JSON.parse((await expectExit(0, ["list", "--repository", repository, "-o", "json"])).stdout).clusters[0];
  expect(failed[0]).toMatchObject({ action: "prune", phase: "plan", failure: { code: "PRUNE_TOO_MUCH" } });
  expect((await prune("--keep-last", "1", "--yes", "--yes-remove", "3")).exitCode).toBe(0);
  expect(await listed(repository)).toHaveLength(1);
});

test("a host whose clock is ahead removes nothing from a directory, which has no clock of its own", async () => {
  const repository = at("ahead");
  await expectExit(0, ["repo", "init", "--repository", repository]);
  const storage = await openStorage(repository, DEFAULT_SETTINGS, quietRuntime);
  // As it looks to a host that is four days ahead of hourly backups.
  for (let hours = 100; hours > 94; hours--) await storeAt(storage, new Date(Date.now() - hours * 3_600_000).toISOString());
  const prune = ["prune", "--repository", repository, "--max-age", "3d", "--yes", "--yes-remove", "9"];
  expectFailure("CLOCK_DIFFERS", await runCli(prune), {
    message: /^this host's clock shows .*, and may be ahead: the newest backup is of .*, backups are 60 minutes apart as a rule, and that is 4 days later/,
    hint: /--clock-is-right/,
  });
  expect(await listed(repository)).toHaveLength(6);
  await expectExit(0, [...prune, "--clock-is-right"]);
  expect(await listed(repository)).toHaveLength(1);
});

test("retention with trusted keys believes no backup that nobody has signed, and removes none for it", async () => {
  const repository = at("signed");
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  await writeFile(at("sign.pem"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  await writeFile(at("sign.pub"), publicKey.export({ type: "spki", format: "pem" }));
  const signed = [await save(repository, "--sign-key-file", at("sign.pem")), await save(repository, "--sign-key-file", at("sign.pem"))];
  const forged = await save(repository);
  const prune = ["prune", "--repository", repository, "--keep-last", "1", "--yes"];
  const { stdout } = await expectExit(0, [...prune, "-o", "json"], { ETCDSAFE_TRUSTED_KEY: at("sign.pub") });
  const { plan, result } = JSON.parse(stdout);
  expect(result.removed).toMatchObject([{ backup: signed[0] }]);
  expect(plan.left).toEqual([{ key: forged, reason: expect.stringMatching(/is not signed, and only signed backups are trusted/) }]);
  expect(idsOf(await listed(repository))).toEqual([forged, signed[1]]);
});

test("what failed before it came to the repository is on record there", async () => {
  const repository = at("attempts");
  await save(repository);
  for (const more of [[], ["--repository", at("attempts-too")]])
    expect((await runCli(["save", "--endpoints", "http://127.0.0.1:1", "--repository", repository, ...more])).exitCode).toBe(4);
  const { clusters } = JSON.parse((await expectExit(0, ["list", "--repository", repository, "-o", "json"])).stdout);
  expect(clusters[0].failed).toMatchObject([
    { action: "save", phase: "connect", failure: { code: "ETCD_UNREACHABLE" } },
    { action: "save", phase: "connect", failure: { code: "ETCD_UNREACHABLE" } },
  ]);
  // A place where nothing was saved is not made for a failure.
  expect(existsSync(at("attempts-too"))).toBe(false);
});

test("save --prune keeps what the policy says, and not where the new backup is no good one", async () => {
  const [one, other] = [at("one"), at("other")];
  for (let count = 0; count < 2; count++) await save(one);
  const args = ["save", "--endpoints", cluster.endpoints[0]!, "--repository", one, "--repository", other];
  const { stdout } = await expectExit(0, [...args, "--prune", "--keep-last", "2", "-o", "json"]);
  expect(JSON.parse(stdout).prunes).toMatchObject([
    { location: one, result: { removed: [{}], kept: 2 }, failure: null },
    { location: other, result: { kept: 1 } },
  ]);
  // Not looked into, it is nothing to rely on.
  const { stderr } = await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--repository", one, "--no-spool", "--prune", "--keep-last", "1"]);
  expect(stderr).toContain("nothing is pruned: the new backup is partial");
  expect(await listed(one)).toHaveLength(3);
  expectFailure("USAGE", await runCli([...args, "--keep-last", "2"]), { message: /--keep-last is a rule of retention/, hint: /Add --prune/ });
  // A prune that cannot be done leaves the save done.
  const partly = await expectExit(3, ["save", "--endpoints", cluster.endpoints[0]!, "--repository", one, "--prune", "-o", "json"]);
  expect(JSON.parse(partly.stdout)).toMatchObject({ manifest: { id: expect.any(String) }, prunes: [{ result: null, failure: { code: "USAGE" } }] });
  expect(await listed(one)).toHaveLength(4);
});

test("a prune that is killed anywhere leaves whole backups, and the next one finishes it", async () => {
  const template = at("template");
  for (let count = 0; count < 3; count++) await save(template);
  const before = idsOf(await listed(template));
  const repository = at("killed");
  const outcomes: Record<string, number> = {};
  const prune = ["prune", "--repository", repository, "--keep-last", "1", "--yes", "--yes-remove", "9"];
  const { killedAt } = await forEachCrashPoint(
    async (run) => {
      await rm(repository, { recursive: true, force: true });
      await cp(template, repository, { recursive: true });
      return runCli(prune, run);
    },
    async () => {
      // Whatever is listed is whole.
      const left = idsOf(await listed(repository));
      expect(before).toEqual(expect.arrayContaining(left));
      expect(left[0]).toBe(before[0]);
      await expectExit(0, ["verify", "--all", "--repository", repository]);
      // The lease of who was killed is on this host's disk, which has no clock: it is watched until it has expired.
      await rm(join(repository, "default/writer.json"), { force: true });
      await expectExit(0, prune);
      expect(idsOf(await listed(repository))).toEqual([before[0]]);
      expect(await readdir(join(repository, "default/deleting")).catch(() => [])).toEqual([]);
      expect((await readdir(join(repository, "default/backups"))).filter((name) => name.startsWith("2"))).toEqual([before[0]]);
      outcomes[String(left.length)] = (outcomes[String(left.length)] ?? 0) + 1;
    },
    { limit: runs(8, 60), match: { path: "/killed/" } },
  );
  report("backups listed after a prune was killed, of 3", outcomes);
  expect(killedAt.length).toBeGreaterThanOrEqual(runs(7, 40));
});

test("two at once: one prunes, the other is told who does, or finds nothing left to do", async () => {
  const repository = at("twice");
  for (let count = 0; count < 4; count++) await save(repository);
  const flags = ["prune", "--repository", repository, "--keep-last", "2", "--yes"];
  const both = await Promise.all([runCli(flags), runCli(flags)]);
  for (const { exitCode, stderr } of both) expect([0, 7], stderr).toContain(exitCode);
  expect(both.some(({ exitCode }) => exitCode === 0)).toBe(true);
  expect(await listed(repository)).toHaveLength(2);
});

test.each(["plain", "versioned", "locking"] as const)(
  "a bucket, %s: what was pruned is gone, or hidden; what is locked stays, and says until when",
  async (kind) => {
    const repository = `s3://${await server.createBucket(kind)}/etcd`;
    const s3 = ["--s3-endpoint", server.url, "--s3-path-style"];
    const lock = kind === "locking" ? ["--object-lock-mode", "governance", "--retain-for", "1d"] : [];
    const first = await save(repository, "--unencrypted", ...s3, ...lock);
    const second = await save(repository, "--unencrypted", ...s3);
    const third = await save(repository, "--unencrypted", ...s3);
    const args = ["prune", "--repository", repository, ...s3, "--keep-last", "1", "--yes", "--yes-remove", "2", "-o", "json"];
    const { plan, result } = JSON.parse((await expectExit(0, args, server.env)).stdout);
    expect(plan.nowFrom).toBe("store");
    expect(result.isHidden).toBe(kind !== "plain");
    const left = idsOf(await listed(repository, ...s3));
    if (kind !== "locking") {
      expect([result.removed.map(({ backup }: { backup: string }) => backup), left]).toEqual([[first, second], [third]]);
      return;
    }
    expect(left).toEqual([third, first]);
    const kept = plan.keep.find(({ id }: { id: string }) => id === first);
    expect(kept.reasons).toContainEqual(expect.stringMatching(/^locked by the store until \d{4}-/));
  },
);

test.each(["gs", "azblob"] as const)("%s: a prune by the store's clock, with a pin, and nothing is left of what went", async (kind) => {
  await using store = await startStore(kind);
  const at = ["--repository", await store.newRepository(), ...store.options()];
  const answerTo = async (...args: readonly string[]) => JSON.parse((await expectExit(0, [...args, ...at, "-o", "json"], store.env)).stdout);
  const ids: string[] = [];
  for (let count = 0; count < 3; count++) ids.push((await answerTo("save", "--endpoints", cluster.endpoints[0]!, "--unencrypted")).manifest.id);
  await answerTo("pin", ids[0]!);
  const { plan, result } = await answerTo("prune", "--keep-last", "1", "--yes");
  expect([plan.nowFrom, result.removed]).toMatchObject(["store", [{ backup: ids[1], isHidden: false }]]);
  expect(idsOf((await answerTo("list")).backups)).toEqual([ids[2], ids[0]]);
  expect(await answerTo("repo", "check")).toMatchObject({ backups: 2, findings: [] });
});
