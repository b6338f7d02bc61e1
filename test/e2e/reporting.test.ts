// Whom a run tells how it went: metrics, heartbeats, messages and last words, of saves of a real etcd; and that none of it changes how a run ends.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseExposition } from "../../src/metrics/exposition.ts";
import { newAgeKeys } from "../support/age-keys.ts";
import { runCli, startCli } from "../support/cli.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { startHook } from "../support/hook.ts";
import { sectionOf } from "../support/markdown.ts";
import { type Pushgateway, startPushgateway } from "../support/pushgateway.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("reporting");
const at = (name: string) => join(directory.path, name);
const NOBODY = "http://127.0.0.1:1";
let cluster: EtcdCluster;
let gateway: Pushgateway;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(), startPushgateway()]);
  await putMany(await cluster.client(), [{ key: "k", value: "v" }]);
});
afterAll(async () => {
  await gateway?.stop();
  await cluster?.stop();
  await directory.remove();
});

const saving = (repository: string, ...more: readonly string[]) => ["save", "--endpoints", cluster.endpoints[0]!, "--repository", at(repository), ...more];

/** The value of one series, by the labels given and those that every run of the cluster "default" has. */
function valueIn(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const wanted = Object.entries({ cluster: "default", ...labels });
  const found = parseExposition(text).families.get(name)?.series ?? [];
  const series = found.find((each) => wanted.every(([label, value]) => each.labels[label] === value));
  return series === undefined ? undefined : Number(series.line.split(" ").at(-1));
}

test("a save tells of itself: at its start and end, in a file, and to a Pushgateway; one that fails keeps what the last good one said", async () => {
  await using hook = await startHook();
  const secret = `${hook.url}/ping/6a9f5c3e-2f1d-4c55-9f8a-0123456789ab`;
  await writeFile(at("heartbeat"), `${secret}\n`);
  const told = ["--textfile", at("etcd.prom"), "--pushgateway", gateway.url, "--heartbeat-file", at("heartbeat")];
  const env = { ETCDSAFE_NOTIFY: `${hook.url}/notice?token=hidden` };
  const before = Date.now() / 1000;
  // What is named twice is there once.
  const saved = await expectExit(0, saving("told", ...told, "--repository", `${at("told")}/`, "-o", "json"), env);
  const path = new URL(secret).pathname;
  expect(hook.asked).toEqual([
    { path: `${path}/start`, body: "" },
    { path, body: expect.stringContaining(JSON.parse(saved.stdout).manifest.id) },
  ]);
  for (const text of [await readFile(at("etcd.prom"), "utf8"), await gateway.scrape()]) {
    expect(valueIn(text, "etcdsafe_last_success_timestamp_seconds", { action: "save" })).toBeGreaterThan(before);
    expect(valueIn(text, "etcdsafe_recovery_point_timestamp_seconds")).toBeGreaterThan(before - 1);
    expect(valueIn(text, "etcdsafe_last_backup_raw_size_bytes")).toBe(JSON.parse(saved.stdout).manifest.objects[0].rawSizeBytes);
    expect(valueIn(text, "etcdsafe_last_backup_state", { state: "unconfirmed" })).toBe(1);
    expect(valueIn(text, "etcdsafe_repository_backups", { store: "file" })).toBe(1);
    expect(valueIn(text, "etcdsafe_last_success_moved_bytes", { store: "file", direction: "written" })).toBeGreaterThan(1000);
    for (const phase of ["stream", "check", "upload"]) expect(valueIn(text, "etcdsafe_last_success_phase_duration_seconds", { phase })).toBeGreaterThan(0);
    // Nothing was read back.
    expect(text).not.toMatch(/verified|verification/);
  }

  const success = valueIn(await readFile(at("etcd.prom"), "utf8"), "etcdsafe_last_success_timestamp_seconds", { action: "save" });
  hook.forget();
  const failed = await runCli(["save", "--endpoints", NOBODY, "--repository", at("told"), ...told], { env });
  expectFailure("ETCD_UNREACHABLE", failed, { message: /cannot connect/ });
  expect(hook.asked.map((each) => each.path)).toEqual(
    [`${path}/start`, ...[`${path}/4`, "/notice"]].toSorted((a, b) => Number(a === "/notice") - Number(b === "/notice")),
  );
  expect(JSON.parse(hook.asked.find((each) => each.path === "/notice")!.body).text).toMatch(
    /^etcdsafe save of default on \S+ failed: etcd-unreachable\n.*ETCD_UNREACHABLE: .*cannot connect/s,
  );
  for (const text of [await readFile(at("etcd.prom"), "utf8"), await gateway.scrape()]) {
    expect(valueIn(text, "etcdsafe_last_success_timestamp_seconds", { action: "save" })).toBe(success);
    expect(valueIn(text, "etcdsafe_last_failure_timestamp_seconds", { action: "save", reason: "etcd-unreachable" })).toBeGreaterThan(success!);
  }
  expect(`${saved.stderr}${failed.stderr}`).not.toMatch(/6a9f5c3e|hidden/);
});

test("a save verifies what it has stored where it is told to, from the store; nothing else moves the time of the last verification", async () => {
  const { keys, recipients } = await newAgeKeys();
  await writeFile(at("identity"), `${keys.identities[0]}\n`);
  const encrypted = ["--recipient", recipients[0]!, "--textfile", at("verified.prom")];
  const metric = async (level: string) => valueIn(await readFile(at("verified.prom"), "utf8"), "etcdsafe_last_verified_timestamp_seconds", { level });
  const result = await expectExit(0, saving("verified", ...encrypted, "--verify", "structure", "--identity-file", at("identity"), "-o", "json"));
  const { verifications, manifest } = JSON.parse(result.stdout);
  expect(verifications).toMatchObject([{ location: at("verified"), failure: null, result: { outcome: "passed", level: "structure", backup: manifest.id } }]);
  const verifiedAt = await metric("structure");
  expect(verifiedAt).toBeGreaterThan(0);
  await expectExit(0, saving("verified", ...encrypted));
  expect([await metric("structure"), await metric("hash")]).toEqual([verifiedAt, undefined]);

  // Without the key it cannot be looked into: the backup is stored, and that is not all that was asked for.
  const unread = await expectExit(3, saving("verified", ...encrypted, "--verify", "hash", "--prune", "--keep-last", "9", "-o", "json"));
  expect(JSON.parse(unread.stdout)).toMatchObject({
    verifications: [{ result: null, failure: { code: "DECRYPTION_KEY_MISSING" } }],
    prunes: [{ failure: null }],
  });
  expect(unread.stderr).toMatch(/the backup is stored, but was not read back/);
  expect(await metric("hash")).toBeUndefined();
  // What came of the prune is that of a prune.
  const ends = await readFile(at("verified.prom"), "utf8");
  expect(valueIn(ends, "etcdsafe_last_failure_timestamp_seconds", { action: "save", reason: "partly-done" })).toBeGreaterThan(verifiedAt!);
  expect(valueIn(ends, "etcdsafe_last_success_timestamp_seconds", { action: "prune" })).toBeGreaterThan(verifiedAt!);

  // What is damaged after the save moves nothing either, and a verification that finds it says so.
  const { backups } = JSON.parse((await expectExit(0, ["list", "--repository", at("verified"), "-o", "json"])).stdout);
  const object = join(at("verified"), "default/backups", backups[0].id, "snapshot.db.zst.age");
  const bytes = await readFile(object);
  await writeFile(object, bytes.with(bytes.length / 2, bytes.at(bytes.length / 2)! ^ 1));
  const verify = ["verify", "--repository", at("verified"), "--identity-file", at("identity"), "--textfile", at("verified.prom")];
  await expectExit(6, verify);
  expect(await metric("structure")).toBe(verifiedAt);
  expect(valueIn(await readFile(at("verified.prom"), "utf8"), "etcdsafe_last_verification_backups", { level: "structure", outcome: "failed" })).toBe(1);
  await expectExit(0, [...verify.slice(0, 1), backups[1].id, ...verify.slice(1)]);
  expect(await metric("structure")).toBeGreaterThan(verifiedAt!);
});

test("a save that finds its backup damaged in the store says so, removes nothing, and wants to be looked at", async () => {
  await using hook = await startHook();
  const metrics = ["--textfile", at("damaged.prom")];
  const told = async (name: string) => valueIn(await readFile(at("damaged.prom"), "utf8"), name);
  await expectExit(0, saving("damaged", ...metrics));
  const recoveryPoint = await told("etcdsafe_recovery_point_timestamp_seconds");
  const lying = fileURLToPath(new URL("../support/corrupt-published.ts", import.meta.url));
  const result = await runCli(saving("damaged", ...metrics, "--verify", "hash", "--prune", "--keep-last", "1", "-o", "json"), {
    nodeArguments: ["--import", lying],
    env: { ETCDSAFE_NOTIFY: `${hook.url}/notice` },
  });
  expect(result.exitCode, result.stderr).toBe(6);
  expect(JSON.parse(result.stdout)).toMatchObject({ verifications: [{ result: { outcome: "failed" } }], prunes: [] });
  expect(JSON.parse(hook.asked[0]!.body).text).toMatch(/failed: corrupt\n.*damaged/s);
  expect(JSON.parse((await expectExit(0, ["list", "--repository", at("damaged"), "-o", "json"])).stdout).backups).toHaveLength(2);
  expect(await told("etcdsafe_last_backup_timestamp_seconds")).toBeGreaterThan(recoveryPoint!);
  expect(await told("etcdsafe_recovery_point_timestamp_seconds")).toBe(recoveryPoint);

  // As docs/alerts.md has it where only saves read back: what they told is removed, and no verification is awaited from then on.
  const found = async () => valueIn(await readFile(at("damaged.prom"), "utf8"), "etcdsafe_last_verification_backups", { level: "hash", outcome: "failed" });
  expect(await found()).toBe(1);
  const lines = sectionOf("alerts.md", "EtcdsafeDamageFound").split("\n");
  const sed = lines.map((line) => line.trim()).find((line) => line.startsWith("sed "))!;
  await promisify(execFile)("sh", ["-c", sed.replace("FILE.prom", at("damaged.prom")).replace("NAME", "default")]);
  expect(await found()).toBeUndefined();
  await expectExit(0, saving("damaged", ...metrics, "--verify", "hash"));
  expect(await found()).toBeUndefined();
  const left = await readFile(at("damaged.prom"), "utf8");
  expect(left).toMatch(/^etcdsafe_recovery_point_timestamp_seconds\{cluster="default"\} /m);
  expect(left).not.toContain('action="verify"');
});

test("a damaged backup is told of until all were looked at and found good, and so is a damaged repository", async () => {
  const prom = at("looked-at.prom");
  const damaged = async () => valueIn(await readFile(prom, "utf8"), "etcdsafe_last_verification_backups", { level: "structure", outcome: "failed" });
  const verify = ["verify", "--repository", at("looked-at"), "--textfile", prom];
  const { manifest } = JSON.parse((await expectExit(0, saving("looked-at", "-o", "json"))).stdout);
  await expectExit(0, saving("looked-at"));
  const object = join(at("looked-at"), "default/backups", manifest.id, "snapshot.db.zst");
  const bytes = await readFile(object);
  await writeFile(object, bytes.with(bytes.length / 2, bytes.at(bytes.length / 2)! ^ 1));
  await expectExit(6, [...verify, "--all"]);
  expect(await damaged()).toBe(1);
  const good = await expectExit(0, saving("looked-at", "--textfile", prom, "--verify", "structure", "-o", "json"));
  await expectExit(0, [...verify, JSON.parse(good.stdout).manifest.id]);
  expect(await damaged()).toBe(1);
  // A look at the newest one does not read it, and it is on record all the same.
  const onRecord = async () => valueIn(await readFile(prom, "utf8"), "etcdsafe_repository_damaged_backups");
  await expectExit(0, verify);
  expect([await damaged(), await onRecord()]).toEqual([0, 1]);
  await writeFile(object, bytes);
  await expectExit(0, [...verify, "--all"]);
  expect([await damaged(), await onRecord()]).toEqual([0, 0]);

  await writeFile(join(at("looked-at"), "etcdsafe-repository.json"), "{");
  await expectExit(6, verify);
  const said = await readFile(prom, "utf8");
  const [failure, success] = [
    valueIn(said, "etcdsafe_last_failure_timestamp_seconds", { action: "verify", reason: "corrupt" }),
    valueIn(said, "etcdsafe_last_success_timestamp_seconds", { action: "verify" }),
  ];
  expect(failure).toBeGreaterThan(success!);
});

test("of files and other tools' backups no metric is told, as they are no cluster's; neither where they are refused or damaged", async () => {
  await using hook = await startHook();
  await mkdir(at("plain"));
  await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--output", at("plain/one.db")]);
  const prom = at("no-cluster.prom");
  const env = { ETCDSAFE_NOTIFY: `${hook.url}/notice` };
  const refused = await runCli(["verify", at("plain/one.db"), "--textfile", prom], { env });
  expectFailure("USAGE", refused, { message: /--textfile and .*one\.db: metrics are about a cluster's backups/, hint: /^Give one of the two/ });
  await expectExit(0, ["verify", "--all", "--repository", at("plain"), "--textfile", prom]);
  await writeFile(at("plain/one.db"), (await readFile(at("plain/one.db"))).subarray(0, -40_000));
  const damaged = await expectExit(6, ["verify", "--all", "--repository", at("plain"), "--textfile", prom], env);
  expect(damaged.stdout).toMatch(/FAILED/);
  expect(existsSync(prom)).toBe(false);
  // A message there is.
  expect(hook.asked.map(({ body }) => JSON.parse(body).text.split("\n")[0])).toEqual([
    expect.stringMatching(/^etcdsafe verify on \S+ failed: usage$/),
    expect.stringMatching(/^etcdsafe verify on \S+ failed: corrupt$/),
  ]);
});

test("of all clusters each has its own end: that one cannot be decrypted is no failure of the others, and not passed over", async () => {
  const [mine, theirs] = [await newAgeKeys(), await newAgeKeys()];
  await writeFile(at("my-identity"), `${mine.keys.identities[0]}\n`);
  await expectExit(0, saving("clusters", "--cluster", "aa", "--recipient", mine.recipients[0]!));
  await expectExit(0, saving("clusters", "--cluster", "bb", "--recipient", theirs.recipients[0]!));
  await expectExit(3, [
    "verify",
    "--all-clusters",
    "--all",
    "--repository",
    at("clusters"),
    "--identity-file",
    at("my-identity"),
    "--textfile",
    at("clusters.prom"),
  ]);
  const text = await readFile(at("clusters.prom"), "utf8");
  const ends = [...text.matchAll(/^etcdsafe_last_(success|failure)_timestamp_seconds\{(.*)\}/gm)].map(([, end, labels]) => `${end} ${labels}`);
  expect(ends).toEqual(['failure cluster="bb",action="verify",reason="cannot-decrypt"', 'success cluster="aa",action="verify"']);
});

test("whoever cannot be told changes nothing: a warning each, without what only the URL's owner should know", async () => {
  await using refusing = await startHook(404);
  await rm(at("nowhere"), { recursive: true, force: true });
  const env = { ETCDSAFE_HEARTBEAT: `${refusing.url}/6a9f5c3e2f1d`, ETCDSAFE_NOTIFY: `${NOBODY}/6a9f5c3e2f1d` };
  const args = saving("untold", "--textfile", at("nowhere/etcd.prom"), "--pushgateway", NOBODY, "--no-spool");
  const { stderr } = await expectExit(0, args, env);
  const warnings = stderr.split("\n").filter((line) => /^warning: the (heartbeat|webhook|metrics)/.test(line));
  expect(warnings.map((line) => /^warning: the (\w+)/.exec(line)![1]).sort()).toEqual(["heartbeat", "heartbeat", "metrics", "metrics", "webhook"]);
  expect(stderr).not.toContain("6a9f5c3e2f1d");
  expect(refusing.asked.map(({ path }) => path)).toEqual(["/6a9f5c3e2f1d/start", "/6a9f5c3e2f1d"]);
});

test.each([
  [["--notify", "https://hooks.example/services/T00000000/B00000000/abcdefghijklmnopqrstuvw9"], {}, /--notify: names more than a server/],
  [["--heartbeat", "https://hc.example/ping?key=hidden"], {}, /--heartbeat-file/],
  [[], { ETCDSAFE_HEARTBEAT: "hidden" }, /ETCDSAFE_HEARTBEAT: /],
  [["--notify-file", "missing"], {}, /--notify-file: missing cannot be read: there is no such file/],
  [["--textfile", "metrics.txt"], {}, /--textfile: "metrics\.txt" is not a name that ends in \.prom/],
  [["--pushgateway", "nowhere"], {}, /--pushgateway: /],
] as const)("a fault in whom to tell keeps no backup from being made, and is exit code 3: %j %j", async (flags, env, warning) => {
  await using directory = await temporaryDirectory("faulty");
  await using hook = await startHook();
  const others = flags.some((flag) => flag.startsWith("--notify")) ? { ETCDSAFE_HEARTBEAT: `${hook.url}/ping` } : { ETCDSAFE_NOTIFY: `${hook.url}/notice` };
  const words = join(directory.path, "words");
  await writeFile(words, "");
  const args = [...saving(directory.path).slice(0, 3), "--repository", join(directory.path, "repository"), "--termination-log", words, ...flags];
  const result = await expectExit(3, args, { ...others, ...env });
  expect(result.stderr.split("\n").filter((line) => line.startsWith("warning: ") && warning.test(line))).toHaveLength(1);
  expect(hook.asked.some(({ path, body }) => /^\/(ping\/3|notice)$/.test(path) && warning.test(body.replaceAll('\\"', '"')))).toBe(true);
  expect(await readFile(words, "utf8")).toMatch(/^exit code 3 \(partly done\): \d{8}T/);
  expect(await readFile(words, "utf8")).toMatch(warning);
  expect(`${result.stderr}${JSON.stringify(hook.asked)}`).not.toMatch(/abcdefghij|hidden/);
  expect(JSON.parse((await expectExit(0, ["list", "--repository", join(directory.path, "repository"), "-o", "json"])).stdout).backups).toHaveLength(1);
  // What failed for another reason has failed for that.
  await expectExit(4, ["save", "--endpoints", NOBODY, ...args.slice(3)], { ...others, ...env });
});

test("a fault in whom to tell in a file that commands share is a warning to those that tell nobody, and no reason not to do what else they do", async () => {
  const config = at("shared.yaml");
  await writeFile(config, `textfile: ${at("shared.txt")}\nheartbeat: https://hc.example/hidden\nrepository: ${at("shared")}\n`);
  const warned = async (exitCode: number, args: readonly string[]) => {
    const { stderr } = await expectExit(exitCode, [...args, "--config", config]);
    expect(stderr.split("\n").filter((line) => line.startsWith(`warning: ${config}:`))).toEqual([
      expect.stringContaining(`${config}:1: textfile `),
      expect.stringContaining(`${config}:2: heartbeat names more than a server`),
    ]);
    expect(stderr).not.toContain("hidden");
  };
  await warned(3, ["save", "--endpoints", cluster.endpoints[0]!]);
  await warned(0, ["list"]);
  await warned(0, ["restore", "latest", "--to-snapshot", at("shared.db")]);
  await warned(3, ["verify"]);
  await warned(3, ["prune", "--keep-last", "1", "--yes"]);
  // Who asks for faults is told, and a fault in what is to be done is one as before.
  await expectExit(2, ["config", "validate", "--config", config]);
  await writeFile(config, `${await readFile(config, "utf8")}stall-limt: 5m\n`);
  await expectExit(2, ["list", "--config", config]);
});

test("a save that is stopped tells that, and leaves its last words where Kubernetes looks for them", async () => {
  await using hook = await startHook();
  await writeFile(at("termination-log"), "");
  const args = saving("stopped", "--jitter", "24h", "--termination-log", at("termination-log"));
  const waiting = startCli(args, { env: { ETCDSAFE_HEARTBEAT: `${hook.url}/ping` } });
  await waiting.printed(/beginning in .* \(--jitter\)/);
  waiting.signal("SIGTERM");
  expect((await waiting.finished).exitCode).toBe(143);
  expect(await readFile(at("termination-log"), "utf8")).toMatch(/^exit code 143 \(interrupted.*\): INTERRUPTED: stopped by SIGTERM\n/);
  expect(hook.asked).toEqual([]); // It had not begun.

  const failed = await runCli(["save", "--endpoints", NOBODY, "--repository", at("stopped"), "--termination-log", at("termination-log")]);
  expect(await readFile(at("termination-log"), "utf8")).toBe(
    `exit code 4 (etcd cannot be reached): ETCD_UNREACHABLE: ${/^error: (.*)$/m.exec(failed.stderr)![1]}\n${/^hint: (.*)$/m.exec(failed.stderr)![1]}\n`,
  );
  // Nothing is created where no container is, and what went well leaves nothing.
  await writeFile(at("termination-log"), "before");
  await expectExit(0, saving("stopped", "--termination-log", at("termination-log")));
  await runCli(["save", "--endpoints", NOBODY, "--repository", at("stopped"), "--termination-log", at("no-log")]);
  expect([await readFile(at("termination-log"), "utf8"), existsSync(at("no-log"))]).toEqual(["before", false]);
});
