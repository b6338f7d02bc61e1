// One plan, saved, and a run on each host by it: what is as planned becomes one cluster, and what is not is refused.
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { provisionEtcd } from "../../scripts/provision.ts";
import type { RestorePlan } from "../../src/restore/plan.ts";
import { planSha256 } from "../../src/restore/plan-sha256.ts";
import { runCli } from "../support/cli.ts";
import { type RunningCommand, runCommand, startCommand } from "../support/command.ts";
import { planMembers } from "../support/etcd.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { expectFailure } from "../support/failures.ts";
import { runCliMounted } from "../support/file-systems.ts";
import { releasePorts } from "../support/ports.ts";
import { plainRows } from "../support/random-history.ts";
import { expectExit } from "../support/saving.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface PrintedPlan {
  readonly plan: RestorePlan;
  readonly sha256: string;
  readonly instructions: readonly { readonly member: string; readonly steps: readonly { readonly number: number; readonly commands: readonly string[] }[] }[];
}

/** A snapshot, three members with directories of their own below `directory`, and the plan for them, saved as plan.json. */
async function planned(directory: string): Promise<{ source: string; file: string; members: PlannedMember[]; printed: PrintedPlan }> {
  const source = join(directory, "snapshot.db");
  writeSnapshot(source, { rows: plainRows(50) });
  const members = await planMembers(3, directory);
  const lines = members.map(
    ({ name, peerUrl, clientUrl, dataDir }) => `  - { name: ${name}, peerUrls: ["${peerUrl}"], clientUrls: ["${clientUrl}"], dataDir: ${dataDir} }\n`,
  );
  await writeFile(join(directory, "members.yaml"), `members:\n${lines.join("")}`);
  const { stdout } = await expectExit(0, ["restore", source, "--members", join(directory, "members.yaml"), "--plan", "-o", "json"]);
  const file = join(directory, "plan.json");
  await writeFile(file, stdout);
  return { source, file, members, printed: JSON.parse(stdout) };
}

/** Runs the third step of the plan. */
function startByPlan(etcd: string, { instructions }: PrintedPlan, { name, clientUrl }: PlannedMember): RunningCommand {
  const command = instructions.find(({ member }) => member === name)!.steps.find(({ number }) => number === 3)!.commands[0]!;
  const line = `exec "${etcd}" ${command.slice("etcd ".length)} --listen-client-urls ${clientUrl} --advertise-client-urls ${clientUrl} --log-level error --unsafe-no-fsync`;
  return startCommand("sh", ["-c", line], { limitMs: 60_000 });
}

/** Undefined where it does not serve. */
async function countKeys(etcdctl: string, { clientUrl }: PlannedMember, consistency: "l" | "s"): Promise<string | undefined> {
  const args = ["--endpoints", clientUrl, "--command-timeout", "500ms", "get", "", "--prefix", "--count-only", "-w", "fields", "--consistency", consistency];
  return /^"Count" : (\d+)$/m.exec((await runCommand(etcdctl, args)).stdout)?.[1];
}

/** Names of the members that have told the others of their client URLs, as one of them knows. etcd tells by a proposal, and again after seconds where that got lost. */
async function publishedMembers(etcdctl: string, { clientUrl }: PlannedMember): Promise<string[]> {
  const { stdout } = await runCommand(etcdctl, ["--endpoints", clientUrl, "--command-timeout", "2s", "member", "list", "-w", "json"]);
  const { members }: { members: { name?: string; clientURLs?: string[] }[] } = stdout === "" ? { members: [] } : JSON.parse(stdout);
  return members.flatMap(({ name, clientURLs }) => (name !== undefined && clientURLs?.length ? [name] : []));
}

async function release(members: readonly PlannedMember[]): Promise<void> {
  await releasePorts(members.flatMap((member) => [member.clientUrl, member.peerUrl, member.metricsUrl].map((url) => Number(new URL(url).port))));
}

test.each(["3.5", "3.6", "3.7"] as const)("from plan, etcd %s: a member whose directory was deleted gets the data or does not serve", async (minor) => {
  await using directory = await temporaryDirectory("from-plan");
  const { source, file, members, printed } = await planned(directory.path);
  for (const { name } of members) await expectExit(0, ["restore", source, "--from-plan", file, "--member", name]);
  const [, second, third] = members as [PlannedMember, PlannedMember, PlannedMember];
  const { etcd, etcdctl } = await provisionEtcd(minor);
  const count = (member: PlannedMember, consistency: "l" | "s") => countKeys(etcdctl, member, consistency);
  const all = async (act: () => Promise<void>) => {
    const started = members.map((member) => startByPlan(etcd, printed, member));
    try {
      await act();
    } finally {
      for (const each of started) each.signal("SIGKILL");
      await Promise.allSettled(started.map(({ finished }) => finished));
    }
  };
  // A read that asks no other member is the one that an empty keyspace would answer.
  const staysSafe = async (member: PlannedMember) => {
    for (let look = 0; look < 6; look++) expect([undefined, "50"]).toContain(await count(member, "s"));
  };
  try {
    await rm(second.dataDir, { recursive: true });
    await all(async () => {
      await expect.poll(() => count(members[0]!, "l"), { timeout: 30_000, interval: 200 }).toBe("50");
      await staysSafe(second);
      // What is asked about it below.
      await expect.poll(() => publishedMembers(etcdctl, members[0]!), { timeout: 30_000, interval: 200 }).toContain(third.name);
    });
    // Two of three would be a quorum of their own, and serve nothing at all as if that were the data.
    for (const { dataDir } of [second, third]) await rm(dataDir, { recursive: true, force: true });
    await all(async () => {
      await Promise.all([staysSafe(second), staysSafe(third)]);
      // It has acknowledged writes since, of which the plan knows nothing: what runs says so, whatever became of its files.
      const command = ["restore", source, "--from-plan", file, "--member", third.name, "--etcd-is-stopped"];
      // On a busy machine the members may not answer in time, and then another sign is all that is told.
      let again = await runCli(command);
      for (let tries = 1; tries < 5 && !again.stderr.includes("m2: it has run already"); tries++) again = await runCli(command);
      expectFailure("ETCD_MAY_BE_ALIVE", again, { message: /m2: it has run already in the new cluster/, hint: /member remove/ });
      expect(again.stderr).not.toContain("m1: it has run");
    });
    const repository = join(directory.path, "repository");
    await expectExit(0, ["repo", "init", "--repository", repository]);
    const gone = await runCli(["restore", source, "--from-plan", file, "--member", members[0]!.name, "--repository", repository]);
    // Nobody had told the repository, and the next restore has to go beyond what this one serves.
    expect(await readdir(join(repository, "default/restores"))).toEqual([`${printed.plan.clusterId}.json`]);
    expectFailure("PLAN_MISMATCH", gone, { message: /m0 of this very plan, and was started since: it has served up to revision/, hint: /member remove/ });
  } finally {
    await release(members);
  }
});

test("from plan: a host that comes when the others serve and have saved is told to start without a restore, and then gets the data", async () => {
  await using directory = await temporaryDirectory("from-plan");
  const { source, file, members, printed } = await planned(directory.path);
  const [first, second, third] = members as [PlannedMember, PlannedMember, PlannedMember];
  const repository = join(directory.path, "repository");
  await expectExit(0, ["repo", "init", "--repository", repository]);
  const restore = (member: PlannedMember) => runCli(["restore", source, "--from-plan", file, "--member", member.name, "--repository", repository]);
  const { etcd, etcdctl } = await provisionEtcd("3.6");
  const started: RunningCommand[] = [];
  try {
    for (const member of [first, second]) {
      expect((await restore(member)).exitCode).toBe(0);
      started.push(startByPlan(etcd, printed, member));
    }
    await expect.poll(() => countKeys(etcdctl, first, "l"), { timeout: 30_000, interval: 200 }).toBe("50");
    expect((await runCommand(etcdctl, ["--endpoints", first.clientUrl, "put", "later", "1"])).exitCode).toBe(0);
    await expectExit(0, ["save", "--endpoints", first.clientUrl, "--repository", repository]);
    expectFailure("PLAN_MISMATCH", await restore(third), {
      message: new RegExp(`is a backup of cluster ${printed.plan.clusterId}, which this very plan restores`),
      hint: /^m2 needs no restore: .*step 3 of the plan/,
    });
    started.push(startByPlan(etcd, printed, third));
    await expect.poll(() => countKeys(etcdctl, third, "s"), { timeout: 30_000, interval: 200 }).toBe("51");
  } finally {
    for (const each of started) each.signal("SIGKILL");
    await Promise.allSettled(started.map(({ finished }) => finished));
    await release(members);
  }
});

test("from plan: whatever is not as planned is refused, nothing is written, and what is as planned is restored as planned", async () => {
  await using directory = await temporaryDirectory("from-plan");
  const { source, file, members, printed } = await planned(directory.path);
  const [member] = members as [PlannedMember];
  const run = (plan: string, ...more: string[]) => runCli(["restore", "--from-plan", plan, "--member", member.name, ...more]);
  const refused = async (code: "PLAN_MISMATCH" | "USAGE", message: RegExp, plan: string, ...more: string[]) => {
    const result = await run(plan, ...more);
    if (code === "USAGE") expectFailure("USAGE", result, { message, hint: /./ });
    else expectFailure("PLAN_MISMATCH", result, { message, hint: /./ });
    expect(await readdir(directory.path)).not.toContain(member.name);
  };
  const edited = async (plan: unknown, sha256: string) => {
    const path = join(directory.path, "edited.json");
    await writeFile(path, JSON.stringify({ ...printed, plan, sha256 }));
    return path;
  };

  const other = join(directory.path, "other.db");
  writeSnapshot(other, { rows: plainRows(51) });
  await refused("PLAN_MISMATCH", /the source's databaseSha256 is/, file, other);
  await cp(source, join(directory.path, "kept.db"));
  await appendFile(source, "x");
  expect((await run(file)).exitCode).not.toBe(0);
  await cp(join(directory.path, "kept.db"), source);

  const moved = { ...printed.plan, members: printed.plan.members.map((each) => ({ ...each, dataDir: `${each.dataDir}2` })) };
  await refused("PLAN_MISMATCH", /not as it was printed/, await edited(moved, printed.sha256));
  const token = { ...printed.plan, token: "mine" };
  await refused("PLAN_MISMATCH", /has the id/, await edited(token, planSha256(token)));
  const tool = { ...printed.plan, tool: "99.0.0" };
  await refused("PLAN_MISMATCH", /by etcdsafe 99\.0\.0/, await edited(tool, planSha256(tool)));

  await refused("USAGE", /the plan says that/, file, "--bump-revision", "5");
  await refused("USAGE", /the plan says that/, file, "--data-dir", join(directory.path, "elsewhere"));
  await refused("USAGE", /the plan says that/, file, "--initial-cluster-token", "mine");
  expect((await runCli(["restore", "--from-plan", file])).stderr).toContain("--member: m0, m1, m2");

  await mkdir(join(member.dataDir, "member"), { recursive: true });
  expectFailure("TARGET_NOT_EMPTY", await run(file), { message: /holds "member"/, hint: /made without --replace/ });
  await rm(member.dataDir, { recursive: true });

  await mkdir(member.dataDir);
  const full = await runCliMounted({ directory: member.dataDir, sizeBytes: 8_000_000 }, ["restore", "--from-plan", file, "--member", member.name]);
  expect(full.stderr).toContain("TARGET_NO_SPACE");
  expect(full.left).toEqual([]);

  const restored = JSON.parse((await expectExit(0, ["restore", "--from-plan", file, "--member", member.name, "-o", "json"])).stdout);
  expect(restored.plan).toMatchObject({ token: printed.plan.token, clusterId: printed.plan.clusterId, revision: { after: printed.plan.revision.after } });
  const again = JSON.parse((await expectExit(0, ["restore", "--from-plan", file, "--member", member.name, "-o", "json"])).stdout);
  expect(again).toMatchObject({ inPlace: [member.name], hashKv: restored.hashKv });
  const onItsHost = { ...printed.plan, members: printed.plan.members.map((each) => ({ ...each, dataDir: member.dataDir })) };
  const elsewhere = ["restore", "--from-plan", await edited(onItsHost, planSha256(onItsHost)), "--member", members[1]!.name];
  expectFailure("PLAN_MISMATCH", await runCli(elsewhere), { message: /looks like the host of m0/, hint: /--member m0/ });
  // A plan of its own warns instead: who writes one member by hand may mean it.
  const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const byHand = ["--name", members[1]!.name, "--initial-cluster", cluster, "--initial-advertise-peer-urls", members[1]!.peerUrl, "--data-dir", member.dataDir];
  const shared = ["--initial-cluster-token", "t", "--bump-revision", "9", "--replace", "--plan"];
  expect((await expectExit(0, ["restore", source, ...byHand, ...shared])).stdout).toMatch(
    /^! .*is that of m0 .*of the former cluster, .*IS THIS THE HOST OF m0\?$/m,
  );
  expect(await readFile(file, "utf8")).toBe(`${JSON.stringify(printed, undefined, 2)}\n`);
  await release(members);
});

test("from plan: a source without a hash must be the very bytes that were planned, on every host", async () => {
  await using directory = await temporaryDirectory("from-plan");
  const { source, members } = await planned(directory.path);
  const bytes = await readFile(source);
  await writeFile(source, bytes.subarray(0, -32));
  const flags = ["--members", join(directory.path, "members.yaml"), "--skip-hash-check", "--plan", "-o", "json"];
  const file = join(directory.path, "plan.json");
  await writeFile(file, (await expectExit(0, ["restore", source, ...flags])).stdout);
  // In a page that nothing refers to, as a copy from another member's disk may have: no structure check would tell.
  const altered = Buffer.from(bytes.subarray(0, -32));
  altered[altered.length - 1]! ^= 1;
  await writeFile(source, altered);
  const refused = await expectExit(9, ["restore", "--from-plan", file, "--member", members[0]!.name]);
  expect(refused.stderr).toContain("the source's SHA-256 is");
  await writeFile(source, bytes.subarray(0, -32));
  await expectExit(0, ["restore", "--from-plan", file, "--member", members[0]!.name]);
  await release(members);
});

test("from plan: the text pins what it shows, its commands name what other hosts need, and this host's targets are looked at", async () => {
  await using directory = await temporaryDirectory("from-plan");
  const { members } = await planned(directory.path);
  const [first, second] = members as [PlannedMember, PlannedMember];
  const run = (...args: string[]) => runCli(["restore", ...args], { cwd: directory.path });
  const flags = ["--members", "members.yaml", "--repository", "backups", "--cluster", "prod"];
  // A member that belongs to another of the hosts, and nothing says that it may be replaced.
  await mkdir(join(second.dataDir, "member"), { recursive: true });
  const { stdout: text } = await run("snapshot.db", ...flags, "--plan");
  expect(text).toContain(`! On this host: the data directory ${second.dataDir} is not empty: it holds "member"; restore refuses that.`);
  expect(text).not.toContain(`the data directory ${first.dataDir} is not empty`);
  const repository = join(directory.path, "backups");
  expect(text).toContain(`--from-plan plan.json --member ${first.name} --repository ${repository} --cluster prod\n`);
  const save = /^First save this plan[^\n]*\n +etcdsafe restore (.*) >plan\.json$/m.exec(text)![1]!.split(" ");
  expect(save).toEqual(expect.arrayContaining(["--bump-revision", "1000000000", join(directory.path, "members.yaml"), repository]));
  // Evidence that has grown meanwhile changes neither the ids nor the revision at which the text compares.
  const saved = JSON.parse((await run(...save, "--evidence", "70")).stdout);
  const revision = / endpoint hashkv --rev (\d+)$/m.exec(text)![1];
  expect(saved.plan).toMatchObject({ revision: { after: revision }, repository: { location: repository, cluster: "prod" } });
  expect(text).toContain(saved.plan.clusterId);
  await writeFile(join(directory.path, "plan.json"), JSON.stringify(saved));
  expect((await run("--from-plan", "plan.json", "--plan")).stdout).toContain(`--member ${first.name} --repository ${repository} --cluster prod\n`);
  await release(members);
});

test("from plan: one that was carried out before, and is gone from its place, is not carried out again as if nothing had happened", async () => {
  await using directory = await temporaryDirectory("from-plan");
  const { source, file, members, printed } = await planned(directory.path);
  const repository = join(directory.path, "repository");
  await expectExit(0, ["repo", "init", "--repository", repository]);
  const restore = (plan: string, member: PlannedMember) =>
    expectExit(0, ["restore", source, "--from-plan", plan, "--member", member.name, "--repository", repository]);
  const [a, b] = members as [PlannedMember, PlannedMember];
  expect((await restore(file, a)).stderr).not.toContain("on record since");
  // Nobody here can tell whether the first was started since; a run on the next host is told so as well.
  const onRecord = (stderr: string, way: string) => expect(stderr).toMatch(new RegExp(`warning: A run of this restore is on record since .* STOP: .* ${way}`));
  onRecord((await restore(file, b)).stderr, "Make a new plan then");
  await rm(a.dataDir, { recursive: true });
  onRecord((await restore(file, a)).stderr, "Make a new plan then");
  // By name, with the token that makes the same ids.
  const { token, revision } = printed.plan;
  await rm(b.dataDir, { recursive: true });
  const typed = ["--members", join(directory.path, "members.yaml"), "--name", b.name, "--initial-cluster-token", token];
  const bump = ["--bump-revision", String(BigInt(revision.after) - BigInt(revision.before))];
  onRecord((await expectExit(0, ["restore", source, ...typed, ...bump, "--repository", repository])).stderr, "Take a new token then");

  // Of one that writes all members in one run, everybody can tell.
  const alone = join(directory.path, "alone.json");
  const target = ["--name", "m", "--initial-cluster", `m=${a.peerUrl}`, "--initial-advertise-peer-urls", a.peerUrl, "--data-dir", join(directory.path, "m")];
  await writeFile(alone, (await expectExit(0, ["restore", source, ...target, "--repository", repository, "--plan", "-o", "json"])).stdout);
  const again = () => runCli(["restore", source, "--from-plan", alone, "--repository", repository]);
  expect((await again()).exitCode).toBe(0);
  expect((await again()).exitCode).toBe(0); // It is in place already.
  await rm(join(directory.path, "m"), { recursive: true });
  expectFailure("TOKEN_USED", await again(), {
    message: /this plan was carried out at .*, and what it wrote is not in its place any more/,
    hint: /^Make a new plan/,
  });
  await release(members);
});
