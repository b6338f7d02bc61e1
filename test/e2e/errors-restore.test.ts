// Restores that are refused for what they were asked to do, caused for real: nothing is written then, and what was there stays.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { expectFailure } from "../support/failures.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const THREE = ["a", "b", "c"].map((name, index) => `${name}=http://10.0.0.${index + 1}:2380`).join(",");
/** POSIX, of `ulimit -f`. */
const BLOCK_SIZE_BYTES = 512;
const directory = await temporaryDirectory("errors-restore");

beforeAll(() => writeFile(join(directory.path, "etcd.db"), buildSnapshot()));
afterAll(() => directory.remove());

/** What restoring `etcd.db` ended with. */
function restored(...flags: readonly string[]): Promise<CommandResult> {
  return runCli(["restore", "etcd.db", ...flags], { cwd: directory.path });
}

/** The same with a members file of this text. */
async function restoredWith(members: string, ...flags: readonly string[]): Promise<CommandResult> {
  await writeFile(join(directory.path, "members.yaml"), members);
  return restored("--members", "members.yaml", ...(flags.length > 0 ? flags : ["--all-members"]));
}

test("members that cannot be", async () => {
  const data = join(directory.path, "data");
  const asked = (cluster: string, ...flags: readonly string[]) => restored("--name", "a", "--initial-cluster", cluster, "--data-dir", data, ...flags);
  const advertised = ["--initial-advertise-peer-urls", "http://10.0.0.1:2380"];
  expectFailure("MEMBERS_INVALID", await asked("b=http://10.0.0.2:2380"), { message: /^the member "a" is not in the initial cluster, which names "b"$/ });
  expectFailure("MEMBERS_INVALID", await asked("a=http://10.0.0.1:2380,b=http://10.0.0.1:2380", ...advertised), {
    message: /^the members "a" and "b" have the same peer URL http:\/\/10\.0\.0\.1:2380$/,
  });
  expectFailure("MEMBERS_INVALID", await asked("a=http://10.0.0.1:2380,a=http://10.0.0.1:2380", ...advertised), {
    message: /^member "a" has the peer URL http:\/\/10\.0\.0\.1:2380 twice$/,
  });
  expectFailure("MEMBERS_INVALID", await asked("a=http://10.0.0.9:2380", ...advertised), {
    message: /^member "a" advertises http:\/\/10\.0\.0\.1:2380, but the initial cluster has http:\/\/10\.0\.0\.9:2380 for it$/,
    hint: /^Give the same peer URLs/,
  });
  expectFailure("MEMBERS_INVALID", await asked("a=10.0.0.1:2380", "-o", "json"), { message: /peer URL "10\.0\.0\.1:2380"/, hint: /^Write it as http:\/\// });
  expect(existsSync(data)).toBe(false);
});

test("files that may not become as large as the database, or as what the edit makes of it", async () => {
  const { size } = await stat(join(directory.path, "etcd.db"));
  for (const blocks of [8, Math.floor(size / BLOCK_SIZE_BYTES)]) {
    const startedBy = ["sh", "-c", `ulimit -f ${blocks} && exec "$@"`, "sh"];
    const result = await runCli(["restore", "etcd.db", "--data-dir", "limited"], { cwd: directory.path, startedBy });
    expectFailure("FILE_FAILED", result, { message: /EFBIG/, hint: /^Raise the limit on the size of files \(`ulimit -f`\)/ });
  }
  expect(existsSync(join(directory.path, "limited"))).toBe(false);
});

test("a members file that says nothing, too little, or what cannot be", async () => {
  const hint = /^docs\/cli\.md, “restore”/;
  expectFailure("MEMBERS_INVALID", await restored("--members", "none.yaml", "--all-members"), { message: /^none\.yaml.*no such file/, hint });
  expectFailure("MEMBERS_INVALID", await restoredWith("members: ["), { message: /^members\.yaml:\d+: /, hint });
  expectFailure("MEMBERS_INVALID", await restoredWith("members:\n  - name: a\n    peerUrl: http://10.0.0.1:2380\n    dataDir: a\n"), {
    message: /members\.yaml:2: members\[0\]\.peerUrls is missing\n.*members\.yaml:3: members\[0\]\.peerUrl is unknown; did you mean peerUrls\?/,
    hint,
  });
  const member = (name: string, host: number, dataDir: string) => `  - {name: ${name}, peerUrls: ["http://10.0.0.${host}:2380"], dataDir: ${dataDir}}\n`;
  expectFailure("MEMBERS_INVALID", await restoredWith(`members:\n${member("a", 1, "a")}${member("a", 2, "b")}`), {
    message: /^two members are named "a"$/,
    hint: /^Give each member a name of its own/,
  });
  const shared = `members:\n${member("a", 1, "same")}${member("b", 2, "./same")}`;
  expectFailure("MEMBERS_INVALID", await restoredWith(shared), {
    message: /^the members "a" and "b" have the same directory .*\/same$/,
    hint: /^Give each member a data directory of its own/,
  });
  expectFailure("MEMBERS_INVALID", await restoredWith(shared, "--name", "c"), { message: /^the member "c" is not in members\.yaml, which names "a", "b"$/ });
  expect(existsSync(join(directory.path, "same"))).toBe(false);
});

test("one of several members without a token: the refusal holds the commands that work", async () => {
  const flags = ["--name", "a", "--initial-cluster", THREE, "--initial-advertise-peer-urls", "http://10.0.0.1:2380", "--data-dir", "data"];
  const refused = await restored(...flags);
  expectFailure("TOKEN_REQUIRED", refused, {
    message: /^3 members are restored by separate runs, so all of them need the same --initial-cluster-token/,
    hint: /--name a .*\n.*--name b .*\n.*--name c .*\n.*--members FILE --all-members/,
  });
  expect(new Set(refused.stderr.match(/--initial-cluster-token etcdsafe-[a-z2-7]+/g))).toHaveLength(1);
  expectFailure("TOKEN_REQUIRED", await restored(...flags, "--plan", "-o", "json"), { message: /^3 members/, hint: /--initial-cluster-token/ });
});

test("a target that holds something: it is named, and stays", async () => {
  await mkdir(join(directory.path, "full"));
  await writeFile(join(directory.path, "full", "kept"), "kept");
  const refused = await restored("--data-dir", "full");
  expectFailure("TARGET_NOT_EMPTY", refused, { message: /^the data directory .*\/full is not empty: it holds "kept"$/ });
  // What to know about a restored cluster is of no interest where there is none.
  expect(refused.stderr).toMatch(/^error: /);
  expectFailure("TARGET_NOT_EMPTY", await restored("--data-dir", "data", "--wal-dir", "full"), { message: /^the WAL directory .*\/full is not empty/ });
  expectFailure("TARGET_NOT_EMPTY", await restored("--data-dir", "etcd.db"), { message: /\/etcd\.db is a file, not a directory$/ });
  expectFailure("TARGET_NOT_EMPTY", await restored("--to-snapshot", "full/kept"), {
    message: /^full\/kept exists already$/,
    hint: /^Name a file that does not exist/,
  });
  expect(await readdir(join(directory.path, "full"))).toEqual(["kept"]);
  expect(await readFile(join(directory.path, "full", "kept"), "utf8")).toBe("kept");
  expect(existsSync(join(directory.path, "data"))).toBe(false);
});

test("a source of an etcd that nobody here knows is made fit for no other; its own may be tried", async () => {
  await writeFile(join(directory.path, "newer.db"), buildSnapshot({ storageVersion: "3.9.0", clusterVersion: "3.9.0" }));
  const newer = (...flags: readonly string[]) => runCli(["restore", "newer.db", "--data-dir", "data", "--plan", ...flags], { cwd: directory.path });
  expectFailure("VERSION_UNSUPPORTED", await newer("--target-version", "3.7"), {
    message: /was written by etcd 3\.9, .* cannot be made fit for etcd 3\.7$/,
    hint: /newer etcdsafe/,
  });
  const { exitCode, stdout } = await newer();
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining("its members may not start")]);
});

test("a copied database without --skip-hash-check: the plan is refused as the restore is", async () => {
  await writeFile(join(directory.path, "copied.db"), buildSnapshot({ trailer: false }));
  for (const flags of [[], ["--plan"]]) {
    const refused = await runCli(["restore", "copied.db", "--data-dir", "data", ...flags], { cwd: directory.path });
    expectFailure("SNAPSHOT_HASH_MISSING", refused, { message: /^copied\.db has no SHA-256 at its end/, hint: /--skip-hash-check/ });
  }
});

test("options that contradict each other or ask for what cannot be", async () => {
  expectFailure("USAGE", await restored("--bump-revision", "9000000000000000000"), { message: /leaves no room for revisions to come$/, hint: /customary/ });
  expectFailure("USAGE", await restored("--mark-compacted", "--bump-revision", "none"), {
    message: /^--mark-compacted and --bump-revision: with none, nothing can be marked/,
    hint: /one of the two/,
  });
  expectFailure("USAGE", await restored("--expire-leases", "--keep-leased-keys"), {
    message: /^--expire-leases and --keep-leased-keys: keys that are bound to leases are deleted, or kept$/,
    hint: /one of the two/,
  });
  expectFailure("USAGE", await restored("--all-members"), { message: /^--all-members needs --members FILE/, hint: /help/ });
  expectFailure("USAGE", await runCli(["restore", "-"], { stdin: "" }), { message: /^a restore cannot read standard input$/, hint: /file first/ });
});
