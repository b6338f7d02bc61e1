// What can be wrong on this host, caused for real: arguments and configuration, full and read-only file systems, limits, signals.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startProxy } from "../faults/kit/proxy.ts";
import { runCli, startCli } from "../support/cli.ts";
import { SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { runCliMounted } from "../support/file-systems.ts";
import { randomNumbers } from "../support/random-history.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const MEBIBYTE = 1024 * 1024;
/** docs/cli.md, exit codes. */
const PARTLY_DONE = 3;
const directory = await temporaryDirectory("errors-host");
const snapshot = join(directory.path, "etcd.db");
let cluster: EtcdCluster;
let save: readonly string[];

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  // Nothing that compresses.
  const random = randomNumbers(SEED);
  const rows = Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: random.bytes(60_000) }));
  await putMany(await cluster.client(), rows);
  save = ["save", "--endpoints", cluster.endpoints.join(",")];
  await expectExit(0, [...save, "--output", snapshot]);
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

/** A new, empty directory. */
async function emptyDirectory(name: string): Promise<string> {
  const path = join(directory.path, name);
  await mkdir(path);
  return path;
}

test("arguments that mean nothing", async () => {
  expectFailure("USAGE", await runCli([]), { message: /^no command is given$/, hint: /^There are save, list, / });
  expectFailure("USAGE", await runCli(["backup"]), { message: /^there is no command "backup"$/, hint: /^Did you mean `etcdsafe save`\?/ });
  expectFailure("USAGE", await runCli(["save", "--endpiont", "x"]), { message: /^unknown option '--endpiont'/, hint: /etcdsafe help save/ });
  expectFailure("USAGE", await runCli(["list", "-o", "json"]), { message: /^no repository is named$/, hint: /^Give --repository, ETCDSAFE_REPOSITORY/ });
  expectFailure("USAGE", await runCli(["save", "--stall-limit", "soon"]), { message: /--stall-limit.*"soon"/ });
  expectFailure("USAGE", await runCli(["save", "--output", "x", "--repository", "y"]), {
    message: /^--output and --repository: a plain snapshot goes to no rep/,
    hint: /one of the two/,
  });
  expectFailure("USAGE", await runCli(["verify", snapshot, "--level", "stored-bytes"]), { message: /etcd\.db has no manifest/, hint: /--level is hash/ });
});

test("a configuration that means nothing: every fault, and where it comes from", async () => {
  const file = join(directory.path, "config.yaml");
  await writeFile(file, "repository: /backups\nendpoint: http://127.0.0.1:2379\n");
  const result = await runCli(["save", "--config", file], { env: { ETCDSAFE_COMMAND_TIMEOUT: "long" } });
  expectFailure("CONFIG_INVALID", result, { message: /^the configuration has 2 faults:\n.*\n.*$/ });
  expect(result.stderr).toMatch(/config\.yaml:2: .*endpoint/);
  expect(result.stderr).toMatch(/ETCDSAFE_COMMAND_TIMEOUT.*"long"/);
  expectFailure("CONFIG_INVALID", await runCli(["list"], { env: { ETCDSAFE_CONFIG: join(directory.path, "none.yaml") } }), {
    message: /none\.yaml.*no such file/,
  });
  expectFailure("USAGE", await runCli(["save", "--output", "x", "--cert", snapshot]), { message: /--cert: is of no use without --key\n.*holds no PEM/ });
});

test("a spool without room: said before anything is sent, with the figures; and one that fills up", async () => {
  const spool = await emptyDirectory("spool");
  const repository = join(directory.path, "unspooled");
  const full = await runCliMounted({ directory: spool, sizeBytes: 2 * MEBIBYTE }, [...save, "--spool-dir", spool, "--repository", repository]);
  expectFailure("SPOOL_NO_SPACE", full, {
    message: /^the spool in \/.*\/spool needs \d+ bytes \(the database's \d+ and 67108864 of headroom\), but only 2097152 are free$/,
  });
  expect(existsSync(join(repository, "default", "backups"))).toBe(false);
  const output = await runCliMounted({ directory: spool, sizeBytes: 2 * MEBIBYTE }, [...save, "--output", join(spool, "new.db")]);
  const small = { message: /^the output file \/.*\/spool\/new\.db needs \d+ bytes, but only 2097152 are free$/, hint: /name a file on a larger file system/ };
  expectFailure("TARGET_NO_SPACE", output, small);
  expect(output.left).toEqual([]);
  const unspooled = await runCliMounted({ directory: spool, sizeBytes: 2 * MEBIBYTE }, [...save, "--no-spool", "--output", join(spool, "new.db")]);
  expectFailure("TARGET_NO_SPACE", unspooled, small);
  // No headroom: what the file itself needs is enough.
  const fitting = await runCliMounted({ directory: spool, sizeBytes: 16 * MEBIBYTE }, [...save, "--no-spool", "--output", join(spool, "new.db")]);
  expect(fitting.exitCode, fitting.stderr).toBe(0);
  const filling = await runCliMounted({ directory: spool, sizeBytes: 65 * MEBIBYTE }, ["verify", "-", "--spool-dir", spool], {
    stdin: Buffer.alloc(66 * MEBIBYTE),
  });
  expectFailure("SPOOL_NO_SPACE", filling, { message: /^the spool in \/.*\/spool filled up its file system: ENOSPC/, hint: /`verify --level hash`/ });
  expect(filling.left).toEqual([]);
});

test("a verification needs room in proportion to the backup, and where there is none, it says how to do without", async () => {
  const [spool, repository] = [await emptyDirectory("small"), join(directory.path, "verified")];
  await expectExit(0, [...save, "--repository", repository]);
  const verify = (sizeBytes: number, ...more: string[]) =>
    runCliMounted({ directory: spool, sizeBytes }, ["verify", "--repository", repository, "--spool-dir", spool, ...more]);
  const fitting = await verify(16 * MEBIBYTE);
  expect(fitting.exitCode, fitting.stderr).toBe(0);
  expectFailure("SPOOL_NO_SPACE", await verify(2 * MEBIBYTE), {
    message: /^the spool in \/.*\/small needs \d+ bytes \(the database's (\d+) and \1 of headroom\), but only 2097152 are free$/,
    hint: /`verify --level hash` needs no local copy/,
  });
  const hashed = await verify(2 * MEBIBYTE, "--level", "hash");
  expect(hashed.exitCode, hashed.stderr).toBe(0);
});

test("a restore that has to read all of a backup beforehand, without room for a copy: where that was to be", async () => {
  const repository = join(directory.path, "stored");
  await expectExit(0, [...save, "--repository", repository]);
  const temporary = await emptyDirectory("temporary");
  const plan = ["restore", "latest", "--repository", repository, "--data-dir", join(directory.path, "data"), "--plan", "--copy", "--expire-leases"];
  const env = { TMPDIR: temporary };
  const full = await runCliMounted({ directory: temporary, sizeBytes: 2 * MEBIBYTE }, plan, { env });
  expectFailure("SPOOL_NO_SPACE", full, { message: /only 2097152 are free$/, hint: /free space in \/.*\/temporary, .* in TMPDIR/ });
  const fitting = await runCliMounted({ directory: temporary, sizeBytes: 128 * MEBIBYTE }, plan, { env });
  expect([fitting.exitCode, fitting.left], fitting.stderr).toEqual([0, []]);
});

test("a repository without room: nothing is listed, and the clean-up needs none", async () => {
  const repository = await emptyDirectory("full");
  const result = await runCliMounted({ directory: repository, sizeBytes: MEBIBYTE }, [...save, "--repository", repository]);
  expectFailure("STORAGE_FULL", result, { message: /^cannot write default\/backups\/.*\/snapshot\.db\.zst in the repository \/.*\/full: ENOSPC/ });
  expect(result.left.filter((path) => /snapshot|manifest|unfinished\/./.test(path))).toEqual([]);
});

test("a target without room: before anything is written; nothing stays", async () => {
  const target = await emptyDirectory("target");
  const restored = await runCliMounted({ directory: target, sizeBytes: MEBIBYTE }, ["restore", snapshot, "--copy", "--data-dir", join(target, "data")]);
  expectFailure("TARGET_NO_SPACE", restored, { message: /^the restore needs \d+ bytes on the file system of \/.*\/target\/data, but only \d+ are free$/ });
  expect(restored.left).toEqual([]);
  const written = await runCliMounted({ directory: target, sizeBytes: MEBIBYTE }, ["restore", snapshot, "--to-snapshot", join(target, "new.db")]);
  expectFailure("TARGET_NO_SPACE", written, { message: /^\/.*\/target\/new\.db needs \d+ bytes, but only \d+ are free there$/ });
  expect(written.left).toEqual([]);
});

test("a repository that can be read and not written to: said before etcd is asked for its snapshot", async () => {
  const repository = join(directory.path, "readable");
  await expectExit(0, [...save, "--repository", repository]);
  const before = (await readdir(repository, { recursive: true })).length;
  const refused = await runCliMounted({ directory: repository, readOnly: true }, [...save, "--repository", repository, "--log-level", "debug"]);
  expectFailure("STORAGE_DENIED", refused, { message: /^cannot write default\/uploads\/.*\.json in the repository \/.*\/readable: EROFS/ });
  expect(refused.stderr).not.toContain("phase");
  const { stderr } = await expectExit(0, [...save, "--repository", repository, "--log-level", "debug"]);
  expect(stderr).toContain("phase");
  const backup = ["", "/manifest.json", "/snapshot.db.zst"].length;
  expect(await readdir(repository, { recursive: true })).toHaveLength(before + backup);
});

test("what cannot be written to", async () => {
  const fixed = await emptyDirectory("fixed");
  const mount = { directory: fixed, readOnly: true } as const;
  expectFailure("STORAGE_DENIED", await runCliMounted(mount, [...save, "--repository", fixed]), {
    message: /^cannot write etcdsafe-repository\.json in the repository \/.*\/fixed: EROFS/,
  });
  expectFailure("FILE_FAILED", await runCliMounted(mount, ["restore", snapshot, "--copy", "--data-dir", join(fixed, "data")]), {
    message: /^the restore cannot write to \/.*\/fixed\/data: EROFS/,
  });
  const planned = await runCliMounted(mount, ["restore", snapshot, "--copy", "--data-dir", join(fixed, "data"), "--plan"]);
  expect(planned.stdout, planned.stderr).toMatch(/^! the restore cannot write to \/.*\/fixed\/data: EROFS.*; restore refuses that\.$/m);
  const unwritten = await runCliMounted(mount, [...save, "--output", join(fixed, "new.db"), "-o", "json"]);
  expectFailure("FILE_FAILED", unwritten, { message: /^the output file \/.*\/fixed\/new\.db cannot be written: EROFS/ });
  // A machine reads all of standard error line by line, and the last line is the error.
  const lines = unwritten.stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ level: "info", message: expect.stringMatching(/^saving from /) });
  expect(lines.map((line) => "exitCode" in line)).toEqual([...lines.slice(1).map(() => false), true]);
  expectFailure("FILE_FAILED", await runCli([...save, "--output", fixed]), { message: /\/fixed is a directory$/, hint: /^Name the file to write\.$/ });
  const pipe = join(directory.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  expectFailure("FILE_FAILED", await runCli([...save, "--output", pipe]), { message: /\/pipe is no regular file/, hint: /--output -/ });
  expect((await stat(pipe)).isFIFO()).toBe(true);
});

test("a repository that can only be read is good for restoring from", async () => {
  const repository = join(directory.path, "archive");
  await expectExit(0, [...save, "--repository", repository]);
  const mount = { directory: repository, readOnly: true } as const;
  const verified = await runCliMounted(mount, ["verify", "latest", "--repository", repository]);
  expect(verified.exitCode, verified.stderr).toBe(0);
  expect(verified.stderr).toMatch(/^warning: the result of verifying .* was not stored: cannot write .*EROFS/m);
  const restored = await runCliMounted(mount, [
    "restore",
    "latest",
    "--repository",
    repository,
    "--data-dir",
    join(directory.path, "from-archive"),
    "--etcd-is-stopped",
  ]);
  expect(restored.exitCode, restored.stderr).toBe(PARTLY_DONE);
  expect(restored.stderr).toMatch(/^warning: the restore could not be recorded in the repository .*EROFS/m);
});

test("a save that takes too long, and one that is stopped: nothing of them is listed", async () => {
  const repository = join(directory.path, "stopped");
  await using stalling = await startProxy(cluster.members[0]!.clientUrl, { toClient: { stallAfterBytes: MEBIBYTE } });
  const args = ["save", "--endpoints", `http://127.0.0.1:${stalling.port}`, "--repository", repository, "--log-level", "debug"];
  expectFailure("DEADLINE_EXCEEDED", await runCli([...args, "--deadline", "1500ms"]), { message: /^the save took longer than 1s500ms \(--deadline\)$/ });
  for (const [signal, exitCode] of [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const running = startCli(args);
    await running.printed(/^debug: next phase \(phase stream\)$/m);
    running.signal(signal);
    expectFailure("INTERRUPTED", await running.finished, { message: new RegExp(`^stopped by ${signal}$`), exitCode });
  }
  expect(await readdir(join(repository, "default", "backups")).catch(() => [])).toEqual([]);
});

test("a fault of etcdsafe's own says where it happened", async () => {
  // A thread that ends in the middle of its work is nobody else's fault.
  const interfere = `import threads from "node:worker_threads"; import { syncBuiltinESMExports } from "node:module";
    const { Worker } = threads;
    threads.Worker = class extends Worker { constructor(url, options) { super(url, options); this.once("online", () => this.terminate()); } };
    syncBuiltinESMExports();`;
  const result = await runCli(["verify", snapshot], { nodeArguments: ["--import", `data:text/javascript,${encodeURIComponent(interfere)}`] });
  expectFailure("INTERNAL", result, { message: /^a worker thread ended early, with code 1$/ });
  expect(result.stderr).toMatch(/\n\s+at /);
});
