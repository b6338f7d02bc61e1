// What save, verify and restore refuse before they do anything, and where a plain file is all they need.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/catalogue.ts";
import { runCli } from "../../support/cli.ts";
import { writeSnapshot } from "../../support/snapshots.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: TemporaryDirectory;
const path = (name: string) => join(directory.path, name);

beforeAll(async () => {
  directory = await temporaryDirectory("commands");
  writeSnapshot(path("snapshot.db"));
});
afterAll(() => directory.remove());

const NOBODY = ["--endpoints", "127.0.0.1:1", "--dial-timeout", "200ms"];

test.each<[string[], number, string]>([
  [["save", "--output", "x.db", "--repository", "/x"], 2, "a plain snapshot goes to no repository"],
  [["save", "--repository", "/x", "--no-spool", "--spool-dir", "/y"], 2, "there is no local copy to put there"],
  [["save", "--output", "-", "-o", "json"], 2, "standard output cannot hold both"],
  [["save"], 2, "no repository is named"],
  [["save", "--output", "x.db", "--cert", "/absent"], 2, "is of no use without --key"],
  [["save", "--output", "x.db", ...NOBODY], 4, "ETCD_UNREACHABLE"],
  [
    ["save", "--output", "x.db", "--endpoints", "https://127.0.0.1:1", "--insecure-skip-tls-verify"],
    4,
    "warning: etcd's certificate is not verified (--insecure-",
  ],
  [["verify", "-", "--spool-dir", "nodir"], 8, "there is no directory nodir for the spool"],
  [["save", "-o", "backup.db"], 2, '"backup.db" is none of text, json\nhint: To write a plain snapshot to a file, give --output backup.db; -o is how'],
  [["list", "-o", "yaml"], 2, '--format (-o): "yaml" is none of text, json'],
  [["restore", "snapshot.db", "--data-dir", "q8", "--wal-dir", "q8"], 2, 'member "default": the data directory and the WAL directory are the same, /'],
  [["verify", "latest", "--all", "--repository", "/x"], 2, "one or the other"],
  [["verify", "/absent"], 8, "FILE_NOT_FOUND"],
  [["verify", "snapshot.db", "--level", "stored-bytes"], 2, "no manifest"],
  [
    ["verify", "lastest", "--repository", "/x", "--cluster", "prod"],
    8,
    "lastest is neither a file nor a backup of cluster prod in /x\nhint: Did you mean latest?",
  ],
  [["restore", "2026ab", "--repository", "/x"], 8, "REPOSITORY_NOT_FOUND"],
  [["restore", "-"], 2, "cannot read standard input"],
  [["restore", "x.db", "--mark-compacted", "--bump-revision", "none"], 2, "--mark-compacted and --bump-revision: with none, nothing can be marked"],
  [["restore", "x.db", "--bump-revision", "0"], 2, "above 0"],
  [
    ["restore", "x.db", "--distro", "kubeadm", "--plan"],
    2,
    "--distro kubeadm needs --data-dir, or --members FILE\nhint: Give etcd's own data directory: kubeadm has",
  ],
  [["restore", "x.db", "--distro", "systemd", "--initial-cluster", "a=http://a:2380,b=http://b:2380", "--plan"], 2, "--distro systemd needs --data-dir"],
  [["restore", "x.db", "--to-snapshot", "y.db", "--data-dir", "d"], 2, "a snapshot file has no members"],
])("command line: %j ends with %i: %s", async (args, exitCode, text) => {
  const result = await runCli(args, { cwd: directory.path });
  expect(result).toMatchObject({ exitCode, stdout: "", stderr: expect.stringContaining(text) });
  expect(result.stderr).not.toMatch(/\n\s+at /);
});

test("save: that a certificate is not verified is said where there is one to verify", async () => {
  const args = ["save", "--output", "x.db", "--insecure-skip-tls-verify", "--dial-timeout", "200ms", "--endpoints"];
  const warned = async (endpoints: string) => (await runCli([...args, endpoints], { cwd: directory.path })).stderr.includes("is not verified");
  expect(await warned("http://127.0.0.1:1")).toBe(false);
  expect(await warned("http://127.0.0.1:1,https://127.0.0.1:1")).toBe(true);
  expect(await warned("127.0.0.1:1")).toBe(true);
});

test("command line: a working directory that was removed is named as what is wrong", async () => {
  const cwd = path("removed");
  await mkdir(cwd);
  const startedBy = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh"];
  const { exitCode, stderr } = await runCli(["list", "--repository", "repository"], { cwd, startedBy });
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/^error: the working directory is not there any more\nhint: Change to one that is \(`cd \/`\)/),
  ]);
});

test("restore --plan: says everything, and writes nothing", async () => {
  const { exitCode, stdout } = await runCli(["restore", path("snapshot.db"), "--data-dir", path("planned"), "--plan", "-o", "json"]);
  expect(exitCode).toBe(0);
  const { plan } = JSON.parse(stdout);
  expect(plan).toMatchObject({ format: 1, source: { kind: "snapshot-file" }, members: [{ name: "default", dataDir: path("planned"), walDir: null }] });
  expect(plan).toMatchObject({ tokenGiven: false, revision: { before: "1", after: "1000000001", bump: "auto", markCompacted: true } });
  expect(plan.warnings).toEqual([expect.stringMatching(/^Nothing but the source shows .* give --evidence/)]);
  expect(await readdir(directory.path)).toEqual(["snapshot.db"]);
  const fields = Object.keys(COMMANDS["restore"]!.json!).flatMap((names) => names.split(", "));
  for (const field of Object.keys(plan))
    expect(
      fields.some((each) => each.replace(/\[\]$/, "") === `plan.${field}`),
      field,
    ).toBe(true);
  const file = await runCli(["restore", path("snapshot.db"), "--to-snapshot", path("planned.db"), "--plan", "-o", "json"]);
  for (const field of Object.keys(JSON.parse(file.stdout).plan)) expect(COMMANDS["restore"]!.json!["file"]).toContain(`\`${field}\``);
});

test("restore --plan: says that the targets will be refused, and that the token will not be the same again", async () => {
  const plan = async (...args: string[]) => {
    const text = await runCli(["restore", "snapshot.db", "--plan", ...args], { cwd: directory.path });
    const { exitCode, stdout } = await runCli(["restore", "snapshot.db", "--plan", "-o", "json", ...args], { cwd: directory.path });
    expect([text.exitCode, exitCode]).toEqual([0, 0]);
    return { text: text.stdout, ...JSON.parse(stdout) };
  };
  const before = await readdir(directory.path);
  const taken = await plan("--data-dir", ".");
  const refusal = `the data directory ${directory.path} is not empty: it holds "snapshot.db"; restore refuses that.`;
  expect(taken.text).toContain(`\n! ${refusal}\n`);
  expect(taken.refusals).toEqual([refusal]);
  expect(taken.text).toMatch(/\ntoken +etcdsafe-\w+ \(new with each run; give --initial-cluster-token TOKEN to have these ids\)\n/);
  const given = await plan("--data-dir", "d", "--initial-cluster-token", "mine");
  expect(given.text).toMatch(/\ntoken +mine\n/);
  expect(given.plan).toMatchObject({ token: "mine", tokenGiven: true });
  const file = await plan("--to-snapshot", "snapshot.db");
  expect(file.text).toContain("\n! snapshot.db exists already; restore refuses that.\n");
  expect(file.plan.warnings[0]).toBe("snapshot.db exists already; restore refuses that.");
  expect((await plan("--to-snapshot", "no/x.db")).plan.warnings[0]).toMatch(/there is no directory no; restore refuses that\.$/);
  expect(await readdir(directory.path)).toEqual(before);
});

test("restore: without a token each run makes a cluster of its own", async () => {
  const restored = async (name: string) => {
    const { exitCode, stdout, stderr } = await runCli(["restore", path("snapshot.db"), "--data-dir", path(name), "-o", "json"]);
    expect(exitCode, stderr).toBe(0);
    await rm(path(name), { recursive: true });
    return JSON.parse(stdout).plan;
  };
  const [one, other] = [await restored("one"), await restored("other")];
  for (const { token } of [one, other]) expect(token).toMatch(/^etcdsafe-[a-z2-7]{12}$/);
  expect(other.token).not.toBe(one.token);
  expect(other.clusterId).not.toBe(one.clusterId);
  expect(other.members[0].id).not.toBe(one.members[0].id);
});

test("restore of a file beside a repository: it is registered there, and the next one starts beyond it, so that no revision comes twice", async () => {
  const repository = path("repository");
  const restore = async (name: string) => {
    const { exitCode, stdout, stderr } = await runCli(["restore", path("snapshot.db"), "--data-dir", path(name), "--repository", repository, "-o", "json"]);
    expect(exitCode, stderr).toBe(0);
    await rm(path(name), { recursive: true });
    return { stderr, plan: JSON.parse(stdout).plan };
  };
  const before = await restore("early");
  expect(before.stderr).toMatch(/The repository cannot be read \(there is no repository in .*\): the revisions .* are not counted/);
  expect(before.stderr).not.toContain("registered");
  await runCli(["repo", "init", "--repository", repository]);
  const [one, other] = [await restore("one"), await restore("other")];
  expect(one.plan.warnings).toEqual([expect.stringMatching(/^Nothing but the source shows/)]);
  expect(other.plan.warnings).toEqual([]);
  for (const { stderr } of [one, other]) expect(stderr).toContain("registered as the successor of default in the repository");
  expect([one.plan.revision.after, other.plan.revision.after]).toEqual(["1000000001", "2000000001"]);
  expect(other.plan.revision.evidence[1]).toMatchObject({ kind: "restore-record", revision: "1000000001" });
  // Nothing is known to have been written since.
  expect(other.plan.loss).toMatchObject({ revisions: "0" });
  await rm(repository, { recursive: true });
});

test("save --output FILE: an interrupted save leaves nothing and ends with 130", async () => {
  const { startCli } = await import("../../support/cli.ts");
  const { createServer } = await import("node:net");
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as { port: number };
  const command = startCli(["save", "--output", path("x.db"), "--endpoints", `127.0.0.1:${port}`, "--dial-timeout", "1m", "--command-timeout", "1m"]);
  await new Promise((resolve) => silent.once("connection", resolve));
  command.signal("SIGINT");
  const { exitCode, stderr } = await command.finished;
  silent.close();
  expect(stderr).toMatch(
    /^warning: SIGINT: stopping; another one after a second stops at once\nerror: stopped by SIGINT\nhint: .*\ncode: INTERRUPTED \(exit code 130/,
  );
  expect(exitCode).toBe(130);
  expect(await readdir(directory.path)).toEqual(["snapshot.db"]);
});
