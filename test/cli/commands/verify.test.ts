// `etcdsafe verify` for pipelines: of what, in which repositories, with which exit code, and what is told where.

import { once } from "node:events";
import { chmod, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openOrCreateRepository } from "../../../src/repository/repository.ts";
import { openStorage } from "../../../src/storage/open.ts";
import { DEFAULT_SETTINGS } from "../../../src/storage/settings.ts";
import { runCli, startCli } from "../../support/cli.ts";
import type { CommandResult } from "../../support/command.ts";
import { expectFailure } from "../../support/failures.ts";
import { readJunit } from "../../support/junit-report.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { AUTHOR, recordingRuntime, signal, someSnapshot, storeBackup } from "../../verify/stored-backup.ts";

const directory = await temporaryDirectory("verify-ci");
const at = (name: string) => join(directory.path, name);
const KEYS = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "r" };
const GITHUB = { GITHUB_ACTIONS: "true" };
/** What storeBackup gives its backups. */
const BEGAN = "2026-11-21T09:30";
let first: string;
let second: string;

beforeAll(async () => {
  const runtime = recordingRuntime();
  const storage = await openStorage(at("good"), DEFAULT_SETTINGS, runtime);
  const { file } = await openOrCreateRepository(storage, AUTHOR, { signal, runtime });
  first = await storeBackup({ storage, file }, someSnapshot());
  second = await storeBackup({ storage, file }, someSnapshot(8), { second: "05" });
  await cp(at("good"), at("bad"), { recursive: true });
  await damage(at("bad"), second);
});
afterAll(directory.remove);

async function damage(repository: string, id: string): Promise<void> {
  const path = join(repository, "default/backups", id, "snapshot.db.zst");
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
}

const verify = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> =>
  runCli(["verify", ...args, "-o", "json"], { env });

/** What its document says of each. */
function outcomes({ stdout }: CommandResult) {
  return JSON.parse(stdout).verified.map(({ repository, cluster, backup, outcome, failure }: Entry) => [
    ...[repository.slice(directory.path.length + 1), cluster, backup, outcome],
    failure?.code ?? null,
  ]);
}

interface Entry {
  readonly repository: string;
  readonly cluster: string | null;
  readonly backup: string | null;
  readonly outcome: string;
  readonly failure: { readonly code: string } | null;
}

const junit = async (name: string) => readJunit(await readFile(at(name)));

test("verify --since: every backup that began then or later, be it within the very second", async () => {
  const all = await verify(["--since", `${BEGAN}:00Z`, "--repository", at("good")]);
  expect(all.exitCode, all.stderr).toBe(0);
  expect(outcomes(all).map((row: string[]) => row[2])).toEqual([second, first]);
  const one = await verify(["--repository", at("good")], { ETCDSAFE_SINCE: `${BEGAN}:05.900Z` });
  expect(outcomes(one)).toEqual([["good", "default", second, "passed", null]]);
});

test("verify --since: that there is no backup is a failure, and what the newest is, is said and reported", async () => {
  const none = await verify(["--since", "2026-11-21T10:00:00Z", "--repository", at("good"), "--junit", at("none.xml")], GITHUB);
  const message = new RegExp(`^there is no backup of default in .*/good since 2026-11-21T10:00:00\\.000Z; the newest, ${second}, began at ${BEGAN}:05\\.000Z$`);
  expectFailure("BACKUP_NOT_FOUND", none, { message, hint: /save` still run/ });
  expect(await junit("none.xml")).toMatchObject([{ classname: at("good/default"), status: "failed", output: expect.stringContaining(second) }]);
  expect(none.stderr).toMatch(/^::error title=BACKUP_NOT_FOUND%3A default in .*::there is no backup of default/m);
});

test("verify --since --all-clusters: a cluster without any is told of beside those that have some, exit code 3", async () => {
  await cp(at("good"), at("two"), { recursive: true });
  await mkdir(at("two/other"));
  await writeFile(at("two/other/cluster.json"), "{}");
  const result = await verify(["--all-clusters", "--since", `${BEGAN}:01Z`, "--repository", at("two"), "--junit", at("two.xml")]);
  expect(result.exitCode, result.stderr).toBe(3);
  expect(outcomes(result)).toEqual([
    ["two", "default", second, "passed", null],
    ["two", "other", null, "not-verified", "BACKUP_NOT_FOUND"],
  ]);
  expect((await junit("two.xml")).map(({ classname, status }) => [classname, status])).toEqual([
    [at("two/default"), "success"],
    [at("two/other"), "failed"],
  ]);
  const text = await runCli(["verify", "--all-clusters", "--since", `${BEGAN}:01Z`, "--repository", at("two")]);
  expect(text.stdout).toMatch(/\nother +NOT READ\n {2}BACKUP_NOT_FOUND: .*\n.*\n1 backup: 1 passed, 0 failed; nothing was verified in 1 place\n/);
});

test("verify --since is of all backups: with an operand, or beside --all, it is refused", async () => {
  const args = ["--since", "7d", "--repository", at("good"), "--junit", at("usage.xml")];
  expectFailure("USAGE", await verify(["latest", ...args]), { message: /^--since and latest: one or the other/, hint: /Give one/ });
  expectFailure("USAGE", await verify(["--all", ...args]), { message: /^--all and --since: all, or those since then/, hint: /Give one/ });
  expect(await readdir(directory.path)).not.toContain("usage.xml");
  const typed = await verify(["latest", "--repository", at("good")], { ETCDSAFE_SINCE: "1s" });
  expect(outcomes(typed)).toEqual([["good", "default", second, "passed", null]]);
});

test("verify of other tools' backups with --since: those of that time, and a failure where there is none", async () => {
  await mkdir(at("foreign"));
  for (const name of ["etcd-snapshot-node-1700000000", "etcd-snapshot-node-1800000000"]) await writeFile(join(at("foreign"), name), someSnapshot());
  const recent = await verify(["--since", "2025-01-01T00:00:00Z", "--repository", at("foreign")]);
  expect(recent.exitCode, recent.stderr).toBe(0);
  expect(JSON.parse(recent.stdout).verified).toMatchObject([{ repository: at("foreign"), backup: "etcd-snapshot-node-1800000000", outcome: "passed" }]);
  const none = await verify(["--since", "2030-01-01T00:00:00Z", "--repository", at("foreign"), "--repository", at("good")]);
  expect(none.exitCode).toBe(8);
  expect(JSON.parse(none.stdout).verified[0].failure.message).toMatch(/since 2030-01-01.*; the newest, etcd-snapshot-node-1800000000, is of 2027-/);
});

test("verify in several repositories: one document, in which one that is bad, and one that is not there, keep no other from being verified", async () => {
  const args = ["--repository", at("absent"), "--repository", at("bad"), "--repository", at("good"), "--junit", at("several.xml")];
  const result = await verify([second, ...args], GITHUB);
  expect(result.exitCode, result.stderr).toBe(6);
  expect(outcomes(result)).toEqual([
    ["absent", "default", null, "not-verified", "REPOSITORY_NOT_FOUND"],
    ["bad", "default", second, "failed", "OBJECT_CORRUPT"],
    ["good", "default", second, "passed", null],
  ]);
  expect((await junit("several.xml")).map(({ classname, name, status }) => [classname.slice(directory.path.length), name, status])).toEqual([
    ["/absent/default", "can be verified", "error"],
    ["/bad/default", second, "failed"],
    ["/good/default", second, "success"],
  ]);
  expect(result.stderr.match(/^::error title=\w+/gm)).toEqual(["::error title=REPOSITORY_NOT_FOUND", "::error title=OBJECT_CORRUPT"]);
  const text = await runCli(["verify", second, ...args.slice(0, 6)]);
  expect(text.stdout).toMatch(new RegExp(`^default in ${at("absent")} +NOT READ\n`));
  expect(text.stdout).toMatch(new RegExp(`\ndefault/${second} in ${at("good")} +passed `));
  expect(text.stdout).toMatch(/\n2 backups: 1 passed, 1 failed; nothing was verified in 1 place\n/);
});

test("verify in several repositories: exit code 6 where one is damaged, 3 where some could not be read, that of the first where none could, 0 where all are good", async () => {
  const of = (...names: readonly string[]) => verify(["latest", ...names.flatMap((name) => ["--repository", at(name)])]);
  expect((await of("good", "absent")).exitCode).toBe(3);
  expect((await of("absent", "missing")).exitCode).toBe(8);
  await cp(at("good"), at("copy"), { recursive: true });
  const good = await of("good", "copy", "good/");
  expect(outcomes(good).map((row: string[]) => [row[0], row[3]])).toEqual([
    ["good", "passed"],
    ["copy", "passed"],
  ]);
  // One that is damaged itself is so in company too, however little of it could be read.
  await cp(at("good"), at("broken"), { recursive: true });
  await chmod(at("broken/etcdsafe-repository.json"), 0o600);
  await writeFile(at("broken/etcdsafe-repository.json"), "{");
  expectFailure("REPOSITORY_INVALID", await of("broken"), { message: /etcdsafe-repository\.json/, hint: /this file was damaged/ });
  const result = await verify(["latest", "--repository", at("good"), "--repository", at("broken"), "--junit", at("broken.xml")]);
  expect(result.exitCode).toBe(6);
  expect(outcomes(result).at(-1)).toEqual(["broken", "default", null, "not-verified", "REPOSITORY_INVALID"]);
  expect((await junit("broken.xml")).map(({ name, status }) => [name, status])).toEqual([
    [second, "success"],
    ["can be verified", "failed"],
  ]);
  const list = at("list.yaml");
  await writeFile(list, "repository:\n  - good\n  - absent\n");
  expect(outcomes(await verify(["--config", list])).map((row: string[]) => row[0])).toEqual(["good", "absent"]);
});

test("verify in several repositories: a mistake in the arguments is one of all, and each has a state of its own", async () => {
  const both = ["--repository", at("good"), "--repository", at("bad")];
  expectFailure("USAGE", await verify([...both, "--state-url", at("state")]), {
    message: /^--state-url: 2 repositories are named .* each has a state/,
    hint: /one at a time/,
  });
  expectFailure("CONFIG_INVALID", await verify([...both, "--repository", "ftp://somewhere/x"]), { message: /ftp/, hint: /./ });
  const ambiguous = await verify(["2026", ...both, "--junit", at("ambiguous.xml")]); // Only who has looked knows.
  expectFailure("BACKUP_AMBIGUOUS", ambiguous, { message: /"2026" may mean any of/ });
  expect(await readdir(directory.path)).not.toContain("ambiguous.xml");
  await writeFile(at("plain.db"), someSnapshot());
  const file = await verify([at("plain.db"), ...both]); // Read once, wherever backups are.
  expect(JSON.parse(file.stdout).verified).toMatchObject([{ file: at("plain.db"), outcome: "passed" }]);
});

test("verify --junit: a repository that cannot be reached is an error in the report as well", async () => {
  const closed = createServer();
  const port = await new Promise<number>((resolve) => closed.listen(0, "127.0.0.1", () => resolve((closed.address() as { port: number }).port)));
  await new Promise((resolve) => closed.close(resolve));
  const s3 = ["--repository", "s3://bucket/etcd", "--s3-endpoint", `http://127.0.0.1:${port}`, "--storage-tries", "1", "--junit", at("unreachable.xml")];
  const result = await verify(["latest", ...s3], KEYS);
  expect(result.exitCode, result.stderr).toBe(5);
  expect(await junit("unreachable.xml")).toMatchObject([
    { classname: "s3://bucket/etcd/default", status: "error", output: expect.stringMatching(/STORAGE_UNREACHABLE: /) },
  ]);
});

test("verify --junit: a run that was stopped by a signal leaves no report of an earlier one", async () => {
  await writeFile(at("stopped.xml"), "the report of yesterday");
  const silent = createServer(); // It takes connections, and never answers.
  const asked = once(silent, "connection");
  const port = await new Promise<number>((resolve) => silent.listen(0, "127.0.0.1", () => resolve((silent.address() as { port: number }).port)));
  const s3 = ["--repository", "s3://bucket/etcd", "--s3-endpoint", `http://127.0.0.1:${port}`];
  const running = startCli(["verify", ...s3, "--junit", at("stopped.xml")], { env: KEYS });
  const [socket] = await asked;
  running.signal("SIGTERM");
  expect((await running.finished).exitCode).toBe(143);
  socket.destroy();
  silent.close();
  expect(await junit("stopped.xml")).toMatchObject([
    { classname: "s3://bucket/etcd/default", status: "error", output: expect.stringMatching(/INTERRUPTED: stopped by SIGTERM/) },
  ]);
});

test("verify --junit: nor does one that was stopped while it waited to begin", async () => {
  await writeFile(at("waiting.xml"), "the report of yesterday");
  const waiting = startCli(["verify", "--repository", at("good"), "--junit", at("waiting.xml"), "--jitter", "24h"], { env: GITHUB });
  await waiting.printed(/beginning in .* \(--jitter\)/);
  waiting.signal("SIGTERM");
  const stopped = await waiting.finished;
  expect(stopped.exitCode).toBe(143);
  expect(stopped.stderr).toMatch(/^::error title=INTERRUPTED%3A default in .*::stopped by SIGTERM/m);
  expect(await junit("waiting.xml")).toMatchObject([
    { classname: at("good/default"), status: "error", output: expect.stringMatching(/INTERRUPTED: stopped by SIGTERM/) },
  ]);
});

test("verify --junit: of what latest passes over, the damaged fail again, however often it is run; the others are skipped", async () => {
  await cp(at("good"), at("passed-over"), { recursive: true });
  await rm(join(at("passed-over"), "default/backups", second, "snapshot.db.zst"));
  for (const run of [1, 2]) {
    const result = await verify(["latest", "--repository", at("passed-over"), "--junit", at("passed-over.xml")], GITHUB);
    expect(result.exitCode, `${run}: ${result.stderr}`).toBe(6);
    expect((await junit("passed-over.xml")).map(({ name, status }) => [name, status])).toEqual([
      [second, "failed"],
      [first, "success"],
      ["passed over", "skipped"],
    ]);
    expect(result.stderr).toMatch(new RegExp(`^::warning title=passed over::latest is ${first}; a newer backup is passed over: ${second} \\(damaged: `, "m"));
  }
  // Suspect is not damaged: its bytes are what was saved.
  await cp(at("good"), at("suspect"), { recursive: true });
  const path = join(at("suspect"), "default/backups", second, "manifest.json");
  await writeFile(path, (await readFile(path, "utf8")).replace(/"state": "\w+"/, '"state": "suspect"'));
  expect((await verify(["latest", "--repository", at("suspect"), "--junit", at("suspect.xml")])).exitCode).toBe(0);
  expect((await junit("suspect.xml")).map(({ status }) => status)).toEqual(["success", "skipped"]);
});

test("verify --junit: a file that is there is replaced as a whole; what cannot be one is refused before anything is read", async () => {
  await writeFile(at("old.xml"), "what was there before");
  expect((await verify(["latest", "--repository", at("good"), "--junit", at("old.xml")])).exitCode).toBe(0);
  expect(await junit("old.xml")).toMatchObject([{ status: "success" }]);
  expect((await readdir(directory.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
  const refused = async (path: string, message: RegExp) => {
    const result = await verify(["latest", "--repository", at("bad"), "--junit", path]);
    expectFailure("FILE_FAILED", result, { message, hint: /./ });
  };
  await refused(at("good"), /^--junit: .*\/good is a directory$/);
  await refused(at("nowhere/x.xml"), /^--junit: .* there is no directory .*\/nowhere$/);
  await symlink("/dev/null", at("null.xml"));
  await refused(at("null.xml"), /no regular file/);
});

test("verify --junit: a report that cannot be written is a failure, but none that hides what was found", async () => {
  // Of a name as long as the file system takes them, the one to write it under first is too long.
  const path = at(`${"x".repeat(251)}.xml`);
  const good = await runCli(["verify", "latest", "--repository", at("good"), "--junit", path]);
  expect(good.exitCode).toBe(1);
  expect(good.stderr).toMatch(/error: --junit: .* cannot be written: ENAMETOOLONG/);
  expect(good.stdout).toMatch(/passed/);
  const bad = await runCli(["verify", second, "--repository", at("bad"), "--junit", path]);
  expect(bad.exitCode).toBe(6);
  expect(bad.stderr).toMatch(/error: --junit: .* cannot be written/);
});

test("verify: only where GitHub Actions reads it, anything is printed for it", async () => {
  for (const env of [{}, { GITHUB_ACTIONS: "" }, { GITHUB_ACTIONS: "false" }, { CI: "true", GITLAB_CI: "true" }]) {
    const { stderr, stdout } = await verify([second, "--repository", at("bad")], { GITHUB_ACTIONS: "", ...env });
    expect(`${stderr}${stdout}`).not.toContain("::");
  }
});
