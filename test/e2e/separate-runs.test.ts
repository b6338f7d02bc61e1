// Commands that etcdsafe prints for operators to copy do what they are for: those of a refused restore on three hosts, and those that start members.
import { execFile } from "node:child_process";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { provisionEtcd } from "../../scripts/provision.ts";
import { NODE, runCli } from "../support/cli.ts";
import { outputOf, runCommand, startCommand } from "../support/command.ts";
import { initialCluster, planMembers, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { expectFailure } from "../support/failures.ts";
import { plainRows } from "../support/random-history.ts";
import { expectExit, saveArguments } from "../support/saving.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LAUNCHER = new URL("../../bin/etcdsafe.js", import.meta.url).pathname;
const run = promisify(execFile);

test("separate runs: without a token they are refused, and the commands that the refusal prints form one cluster", async () => {
  await using directory = await temporaryDirectory("separate");
  const source = join(directory.path, "it's a snapshot.db");
  writeSnapshot(source, { rows: plainRows(50) });
  const members = await planMembers(3, directory.path);
  const [first] = members;
  const flags = ["--name", first!.name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", first!.peerUrl];
  const refused = await runCli(["restore", source, ...flags, "--data-dir", first!.dataDir]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("TOKEN_REQUIRED");
  const commands = refused.stderr.split("\n").flatMap((line) => /^\s*etcdsafe (restore .*)$/.exec(line)?.[1] ?? []);
  expect(commands).toHaveLength(3);
  for (const [index, command] of commands.entries()) {
    // All run on this host here, so each gets its own member's directory; the shell takes the rest as it stands.
    await run("sh", ["-c", `"${NODE}" "${LAUNCHER}" ${command.replace(first!.dataDir, members[index]!.dataDir)}`]);
  }
  await using cluster = await startCluster({ minor: "3.7", members, directory: directory.path, initialClusterState: "existing" });
  const hashes = await cluster.hashKv(1_000_000_051);
  expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);
});

test("separate runs with one token and one amount are one restore; a token that made a cluster before is refused, whoever knows of it", async () => {
  await using directory = await temporaryDirectory("token");
  const repository = join(directory.path, "repository");
  await using former = await startCluster({ token: "first" });
  await putMany(await former.client(), Array(20).fill({ key: "k", value: "v" }));
  await expectExit(0, saveArguments(former.endpoints, repository));
  const [old] = former.members;
  const sameMembers = ["--name", old!.name, "--initial-cluster", initialCluster([old!]), "--initial-advertise-peer-urls", old!.peerUrl];
  const restored = (...flags: readonly string[]) => runCli(["restore", "latest", "--repository", repository, ...flags]);
  const newDirectory = ["--data-dir", join(directory.path, "again")];
  expectFailure("TOKEN_USED", await restored(...sameMembers, ...newDirectory, "--initial-cluster-token", "first"), {
    message: /^the token "first" was used before: with these members it makes cluster \w{16}, and the source is of that very cluster$/,
    hint: /^Leave --initial-cluster-token .* out/,
  });
  await old!.stop();

  const members = await planMembers(3, directory.path);
  const runOf = ({ name, peerUrl, dataDir }: PlannedMember, amount: string) =>
    restored(
      ...["--name", name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir],
      ...["--initial-cluster-token", "second", "--bump-revision", amount],
    );
  const [a, b, c] = members as [PlannedMember, PlannedMember, PlannedMember];
  for (const member of [a, b]) {
    const { exitCode, stderr } = await runOf(member, "1000");
    expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("TOO LITTLE")]);
  }
  // Members at different revisions are a corrupt cluster.
  expectFailure("TOKEN_USED", await runOf(c, "2000"), { message: /restores\/\w{16}\.json says that it was restored at \S+Z, to begin at revision 1021$/ });
  expect((await runOf(c, "1000")).exitCode).toBe(0);
  await using cluster = await startCluster({ members, directory: directory.path, initialClusterState: "existing" });
  expect(new Set((await cluster.hashKv(1021)).map(({ hash }) => hash)).size).toBe(1);
});

test("a token with the revision chosen automatically: done again only where nothing was started, as the directories show", async () => {
  await using directory = await temporaryDirectory("auto-token");
  const [source, repository] = [join(directory.path, "snapshot.db"), join(directory.path, "repository")];
  writeSnapshot(source, { rows: plainRows(20) });
  await expectExit(0, ["repo", "init", "--repository", repository]);
  const [member] = (await planMembers(1, directory.path)) as [PlannedMember];
  const flags = ["--name", member.name, "--initial-cluster", initialCluster([member]), "--initial-advertise-peer-urls", member.peerUrl];
  const command = ["restore", source, ...flags, "--data-dir", member.dataDir, "--initial-cluster-token", "t", "--repository", repository];
  await expectExit(0, command);
  expectFailure("TARGET_NOT_EMPTY", await runCli(command), { message: /is not empty/, hint: /add --replace/ });
  // Wherever they are now, they may have been started.
  await rename(member.dataDir, `${member.dataDir}.away`);
  expectFailure("TOKEN_USED", await runCli(command), { message: /says that it was restored at / });
  await rename(`${member.dataDir}.away`, member.dataDir);
  await expectExit(0, [...command, "--replace"]);
  await rename(member.dataDir, `${member.dataDir}.away`);

  // A plan that was made where nobody could know of the member that had the token.
  const planned = await expectExit(0, [...command.slice(0, -2), "--plan", "-o", "json"]);
  const plan = join(directory.path, "plan.json");
  await writeFile(plan, planned.stdout);
  await rm(`${member.dataDir}.away`, { recursive: true });
  await expectExit(0, ["restore", source, ...flags, "--data-dir", member.dataDir, "--initial-cluster-token", "t", "--bump-revision", "5"]);
  {
    await using used = await startCluster({ members: [member], directory: directory.path, initialClusterState: "existing" });
    await putMany(await used.client(), [{ key: "k", value: "v" }]);
  }
  expectFailure("TOKEN_USED", await runCli(["restore", "--from-plan", plan]), { message: /m0\/member is a member of it, at revision \d+$/ });
});

test("the start commands that a restore prints start its members, whose WAL lies in directories of its own", async () => {
  await using directory = await temporaryDirectory("printed-start");
  const source = join(directory.path, "snapshot.db");
  writeSnapshot(source, { rows: plainRows(50) });
  const members = await planMembers(3, directory.path);
  const lines = members.map(({ name, peerUrl, dataDir }) => `  - { name: ${name}, peerUrls: ["${peerUrl}"], dataDir: ${dataDir}, walDir: ${dataDir}-wal }\n`);
  const file = join(directory.path, "members.yaml");
  await writeFile(file, `members:\n${lines.join("")}`);
  const { stdout } = await expectExit(0, ["restore", source, "--members", file, "--all-members"]);
  const commands = stdout.split("\n").flatMap((line) => /^ {2}(etcd .*)$/.exec(line)?.[1] ?? []);
  expect(commands).toHaveLength(3);
  const { etcd, etcdctl } = await provisionEtcd("3.7");
  const started = commands.map((command, index) => {
    const { clientUrl } = members[index]!;
    const line = `exec "${etcd}" ${command.slice("etcd ".length)} --listen-client-urls ${clientUrl} --advertise-client-urls ${clientUrl} --log-level error`;
    return startCommand("sh", ["-c", line], { limitMs: 60_000 });
  });
  try {
    const endpoints = members.map(({ clientUrl }) => clientUrl).join(",");
    await expect.poll(() => healthy(etcdctl, endpoints), { timeout: 30_000, interval: 300 }).toBe(true);
    const hashes = JSON.parse(await outputOf(etcdctl, ["--endpoints", endpoints, "endpoint", "hashkv", "--rev", "1000000051", "-w", "json"]));
    const printed = Number(/must then answer (\d+) to/.exec(stdout)?.[1]);
    expect(hashes.map(({ HashKV }: { HashKV: { hash: number } }) => HashKV.hash)).toEqual([printed, printed, printed]);
  } finally {
    for (const member of started) member.signal("SIGTERM");
    await Promise.allSettled(started.map(({ finished }) => finished));
  }
});

async function healthy(etcdctl: string, endpoints: string): Promise<boolean> {
  return (await runCommand(etcdctl, ["--endpoints", endpoints, "endpoint", "health"])).exitCode === 0;
}
