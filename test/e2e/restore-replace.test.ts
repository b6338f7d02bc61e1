// Restores into directories that hold a member: what a started etcd makes of them, on mounts, as whose files, and while one is half done.
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ETCD_MINORS, type EtcdMinor, provisionEtcd } from "../../scripts/provision.ts";
import { CRASH_VARIABLE } from "../faults/kit/crash-effects.ts";
import { NODE, runCli } from "../support/cli.ts";
import { runCommand } from "../support/command.ts";
import { runs } from "../support/counts.ts";
import { planMembers, startCluster } from "../support/etcd.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { expectFailure } from "../support/failures.ts";
import { runCliMounted } from "../support/file-systems.ts";
import { releasePorts } from "../support/ports.ts";
import { plainRows } from "../support/random-history.ts";
import { expectExit } from "../support/saving.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LAUNCHER = new URL("../../bin/etcdsafe.js", import.meta.url).pathname;
const CRASH_POINTS = new URL("../faults/kit/crash-points.ts", import.meta.url).pathname;
const WAL_NAME = "0000000000000000-0000000000000000.wal";
const KEPT = /before-restore-\d{8}T\d{6}Z$/;
const directory = await temporaryDirectory("replace");
const snapshot = join(directory.path, "etcd.db");

beforeAll(() => void writeSnapshot(snapshot, { rows: plainRows(50), storageVersion: null, clusterVersion: "3.5.0" }));
afterAll(() => directory.remove());

function restoreOf({ name, peerUrl, dataDir }: PlannedMember, ...flags: readonly string[]): string[] {
  const member = ["--name", name, "--initial-cluster", `${name}=${peerUrl}`, "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
  return ["restore", snapshot, ...member, "--bump-revision", "none", ...flags];
}

async function aMember(name: string): Promise<PlannedMember & { readonly walDir: string }> {
  const [planned] = await planMembers(1, join(directory.path, name));
  return { ...planned!, walDir: join(directory.path, name, "wal") };
}

async function restartsWith(minor: EtcdMinor, member: PlannedMember, extraArgs: readonly string[]): Promise<string> {
  await using cluster = await startCluster({ minor, members: [member], directory: directory.path, initialClusterState: "existing", extraArgs });
  const count = await cluster.etcdctl(["get", "", "--from-key", "--count-only", "-w", "fields"]);
  await cluster.etcdctl(["put", "written", "by the restored member"]);
  for (const each of cluster.members) await each.stop();
  return /"Count" : (\d+)/.exec(count)?.[1] ?? count;
}

test.each(ETCD_MINORS)(
  "etcd %s starts with what replaced its member, and passes over what is kept in its WAL directory",
  { timeout: 120_000 },
  async (minor) => {
    const member = await aMember(`kept-${minor}`);
    const { dataDir, walDir } = member;
    await expectExit(0, restoreOf(member, "--wal-dir", walDir));
    expect(await restartsWith(minor, member, ["--wal-dir", walDir])).toBe("50");
    const before = (await readdir(walDir)).filter((name) => name.endsWith(".wal") || name.endsWith(".tmp"));
    expectFailure("TARGET_NOT_EMPTY", await runCli(restoreOf(member, "--wal-dir", walDir)), { message: /holds "member"$/, hint: /--replace/ });
    const { stdout } = await expectExit(0, [...restoreOf(member, "--wal-dir", walDir, "--replace"), "-o", "json"]);
    const { replaces } = JSON.parse(stdout).plan.members[0];
    expect(replaces).toMatchObject({ memberDir: join(dataDir, "member"), keptAs: expect.stringMatching(KEPT), walKeptAs: expect.stringMatching(KEPT) });
    // One more than was restored: what the old member had been given.
    expect(replaces.revision).toBe("52");
    expect(await restartsWith(minor, member, ["--wal-dir", walDir])).toBe("50");
    expect((await readdir(replaces.walKeptAs)).sort()).toEqual(before.sort());
    expect((await readdir(walDir)).filter((name) => KEPT.test(name))).toHaveLength(1);
    await releasePorts([member.clientUrl, member.peerUrl, member.metricsUrl].map((url) => Number(new URL(url).port)));
  },
);

/** How far a restore came, and what an etcd that is started then finds. */
const HALF_DONE = [
  { at: 2, found: "the old member", message: /both member and proxy directories exist/ },
  { at: 3, found: "none", message: /v2 http proxy has already been deprecated/ },
  { at: 4, found: "the new member", message: /both member and proxy directories exist/ },
] as const;

test.each(HALF_DONE)("while a restore is half done, with $found in place, no etcd starts, and nothing is written; then the restore goes on", async (half) => {
  const member = await aMember(`half-${half.at}`);
  const { dataDir } = member;
  await mkdir(join(dataDir, "member/snap"), { recursive: true });
  await writeFile(join(dataDir, "member/snap/db"), "old");
  const order = JSON.stringify({ at: half.at, when: "before", kinds: ["rename"] });
  const died = await runCli(restoreOf(member, "--replace"), { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } });
  expect(died.signal).toBe("SIGKILL");
  const left = await readdir(dataDir, { recursive: true });
  expect(left).toContain("proxy/etcdsafe-restore.json");
  for (const minor of ETCD_MINORS) {
    for (const state of (["new", "existing"] as const).slice(0, runs(1, 2))) {
      await using cluster = await startCluster({ minor, members: [member], directory: directory.path, initialClusterState: state, waitFor: "nothing" });
      // Up to 3.5 it becomes a proxy that has nobody to ask, and serves no keyspace.
      if (half.at === 3 && minor === "3.5") await sleep(1_000);
      else {
        await cluster.members[0]!.waitUntilEnded();
        expect(await cluster.members[0]!.logTail(60)).toMatch(half.message);
      }
      await cluster.members[0]!.kill();
      expect(await readdir(dataDir, { recursive: true }), `etcd ${minor}, ${state}`).toEqual(left);
    }
  }
  const plan = await expectExit(0, restoreOf(member, "--replace", "--plan"));
  expect(plan.stdout).toMatch(/^! A restore that began at .* was interrupted .*; restore finishes that one, cluster [0-9a-f]{16}/m);
  const other = await expectExit(0, restoreOf(member, "--replace", "--initial-cluster-token", "another", "--plan"));
  expect(other.stdout).toMatch(/^! A restore that began at .* was interrupted .*; restore undoes that first/m);
  const finished = await expectExit(0, restoreOf(member, "--replace"));
  expect(finished.stdout).toMatch(/^The restore that began at .* was interrupted .*; this run has finished it\.\nRestored one member/);
  expect(await restartsWith("3.7", member, [])).toBe("50");
  const kept = (await readdir(dataDir)).filter((name) => KEPT.test(name));
  expect(await readFile(join(dataDir, kept[0]!, "snap/db"), "utf8")).toBe("old");
});

test("a journal that was damaged is refused, and what the refusal says to do by hand brings the member back", async () => {
  const dataDir = join(directory.path, "damaged/data");
  const restore = ["restore", snapshot, "--bump-revision", "none", "--data-dir", dataDir];
  await mkdir(join(dataDir, "member/snap"), { recursive: true });
  await writeFile(join(dataDir, "member/snap/db"), "old");
  const order = JSON.stringify({ at: 4, when: "before", kinds: ["rename"] });
  await runCli([...restore, "--replace"], { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } });
  const journal = join(dataDir, "proxy/etcdsafe-restore.json");
  await truncate(journal, (await stat(journal)).size - 100);
  const left = await readdir(dataDir, { recursive: true });
  const hint = /`member` has to be either what was there before, kept as `member\.before-restore-<time>`.* Then remove .*\/data\/proxy/;
  expectFailure("RESTORE_UNFINISHED", await runCli([...restore, "--replace"]), {
    message: /journal of an interrupted restore.*was altered or is damaged$/,
    hint,
  });
  expect(await readdir(dataDir, { recursive: true })).toEqual(left);
  const plan = await expectExit(0, [...restore, "--replace", "--plan"]);
  expect(plan.stdout).toMatch(/^! the journal of an interrupted restore, .*, was altered or is damaged; restore refuses that\.$/m);
  await rename(join(dataDir, "member"), join(dataDir, "member.etcdsafe-aside"));
  await rename(join(dataDir, left.find((name) => KEPT.test(name))!), join(dataDir, "member"));
  await rm(join(dataDir, "proxy"), { recursive: true });
  expectFailure("TARGET_NOT_EMPTY", await runCli(restore), { message: /holds "member"$/, hint: /--replace/ });
  expect(await readFile(join(dataDir, "member/snap/db"), "utf8")).toBe("old");
});

test("a run that goes by a saved plan and dies with the new member in place is finished by the same: what it placed is no evidence against the plan", async () => {
  const dataDir = join(directory.path, "saved/data");
  const file = join(directory.path, "saved/plan.json");
  await expectExit(0, ["restore", snapshot, "--data-dir", dataDir]);
  const { stdout } = await expectExit(0, ["restore", snapshot, "--data-dir", dataDir, "--replace", "--plan", "-o", "json"]);
  await writeFile(file, stdout);
  const run = ["restore", snapshot, "--from-plan", file, "-o", "json"];
  const order = JSON.stringify({ at: 4, when: "before", kinds: ["rename"] });
  expect((await runCli(run, { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } })).signal).toBe("SIGKILL");
  expect((await readdir(dataDir)).sort()).toEqual(["member", expect.stringMatching(KEPT), "proxy"]);
  const finished = JSON.parse((await expectExit(0, run)).stdout);
  expect(finished).toMatchObject({ finishes: expect.any(String), plan: { token: JSON.parse(stdout).plan.token, revision: JSON.parse(stdout).plan.revision } });
  expect((await readdir(dataDir)).sort()).toEqual(["member", expect.stringMatching(KEPT)]);
});

test("a restore that dies before it frees its member is on record already; the same one finishes it, and its own record is no evidence against it", async () => {
  const [dataDir, repository] = ["data", "repository"].map((name) => join(directory.path, "recorded", name)) as [string, string];
  await expectExit(0, ["repo", "init", "--repository", repository]);
  await mkdir(join(dataDir, "member/snap"), { recursive: true });
  const restore = ["restore", snapshot, "--repository", repository, "--data-dir", dataDir, "--replace"];
  const records = async () => readdir(join(repository, "default/restores")).catch(() => []);
  for (const [at, recorded] of [
    [3, 0],
    [4, 1],
  ] as const) {
    const order = JSON.stringify({ at, when: "before", kinds: ["rename"] });
    expect((await runCli(restore, { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } })).signal).toBe("SIGKILL");
    expect(await records()).toHaveLength(recorded);
    const plan = await expectExit(0, [...restore, "--plan"]);
    expect(plan.stdout).toMatch(/^! A restore that began at .* was interrupted .*; restore finishes that one/m);
    const finished = JSON.parse((await expectExit(0, [...restore, "-o", "json"])).stdout);
    expect(finished.finishes).toEqual(expect.any(String));
    expect(await records()).toEqual([`${finished.plan.clusterId}.json`]);
    await rm(join(repository, "default"), { recursive: true });
  }
});

test("a restore that could not be recorded is, once the same plan finds it in place; and only once", async () => {
  const [dataDir, repository, file] = ["data", "repository", "plan.json"].map((name) => join(directory.path, "unrecorded", name)) as [string, string, string];
  await expectExit(0, ["repo", "init", "--repository", repository]);
  const { stdout } = await expectExit(0, ["restore", snapshot, "--repository", repository, "--data-dir", dataDir, "--plan", "-o", "json"]);
  await writeFile(file, stdout);
  const run = ["restore", snapshot, "--repository", repository, "--from-plan", file];
  const restores = join(repository, "default/restores");
  await mkdir(join(repository, "default"));
  await writeFile(restores, "in the way");
  const first = await expectExit(3, run);
  expect(first.stderr).toContain("could not be recorded in the repository");
  await rm(restores);
  expect((await expectExit(0, [...run, "--member", "default", "--plan"])).stdout).toContain("in place already");
  expect(existsSync(restores)).toBe(false);
  for (const _ of ["twice", "and once more"]) expect((await expectExit(0, run)).stdout).toContain("in place already");
  expect(await readdir(restores)).toEqual([`${JSON.parse(stdout).plan.clusterId}.json`]);
});

test("a run that goes by a saved plan and dies while it writes, into directories that it has made, is done anew by the same", async () => {
  const [dataDir, walDir, file] = ["data", "wal", "plan.json"].map((name) => join(directory.path, "staging", name)) as [string, string, string];
  await mkdir(join(directory.path, "staging"));
  const { stdout } = await expectExit(0, ["restore", snapshot, "--data-dir", dataDir, "--wal-dir", walDir, "--plan", "-o", "json"]);
  await writeFile(file, stdout);
  const run = ["restore", snapshot, "--from-plan", file, "-o", "json"];
  const order = JSON.stringify({ at: 1, when: "before", kinds: ["rename"] });
  expect((await runCli(run, { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } })).signal).toBe("SIGKILL");
  expect(await readdir(walDir)).toEqual([expect.stringMatching(/\.etcdsafe-/)]);
  expect(JSON.parse((await expectExit(0, run)).stdout)).toMatchObject({ finishes: null, leftovers: [] });
  expect(await readdir(dataDir)).toEqual(["member"]);
  expect(await readdir(walDir)).toEqual([WAL_NAME]);
});

test("a run that died when one of two members was free to start frees the other while the first runs", async () => {
  const members = await planMembers(2, join(directory.path, "freed"));
  const lines = members.map(({ name, peerUrl, dataDir }) => `  - { name: ${name}, peerUrls: ["${peerUrl}"], dataDir: ${dataDir} }\n`);
  const file = join(directory.path, "freed.yaml");
  await writeFile(file, `members:\n${lines.join("")}`);
  const restore = ["restore", snapshot, "--members", file, "--all-members", "--bump-revision", "none"];
  // Two guards, two members, and the first of the guards that go.
  const order = JSON.stringify({ at: 6, when: "before", kinds: ["rename"] });
  await runCli(restore, { nodeArguments: ["--import", CRASH_POINTS], env: { [CRASH_VARIABLE]: order } });
  const guarded = () => members.filter(({ dataDir }) => existsSync(join(dataDir, "proxy")));
  const waiting = guarded();
  expect(waiting).toHaveLength(1);
  const first = members.filter((member) => !waiting.includes(member));
  await using cluster = await startCluster({ members: first, directory: directory.path, initialClusterState: "existing", waitFor: "nothing" });
  await expect.poll(() => cluster.members[0]!.logTail(80), { timeout: 20_000 }).toContain("opened backend db");
  const plan = await expectExit(0, [...restore, "--plan"]);
  expect(plan.stdout).toMatch(/^! A restore that began at .*; restore finishes that one/m);
  const finished = await expectExit(0, restore);
  expect(finished.stdout).toMatch(/this run has finished it\.\nRestored 2 members/);
  expect(guarded()).toEqual([]);
  expectFailure("ETCD_MAY_BE_ALIVE", await runCli([...restore, "--replace"]), { message: /lock/, hint: /./ });
  await releasePorts(waiting.flatMap(({ clientUrl, peerUrl, metricsUrl }) => [clientUrl, peerUrl, metricsUrl].map((url) => Number(new URL(url).port))));
});

test("data and WAL directory may be mounts: both are written, replaced and started from there", { timeout: 120_000 }, async () => {
  const member = await aMember("mounts");
  const { dataDir, walDir, clientUrl, peerUrl, name } = member;
  const { etcd, etcdctl } = await provisionEtcd("3.7");
  for (const path of [dataDir, walDir]) await mkdir(path, { recursive: true });
  const restore = [NODE, LAUNCHER, ...restoreOf(member, "--wal-dir", walDir)].map((word) => `'${word}'`).join(" ");
  const urls = `--listen-client-urls ${clientUrl} --advertise-client-urls ${clientUrl} --listen-peer-urls ${peerUrl} --initial-advertise-peer-urls ${peerUrl}`;
  const script = `set -e
mount -t tmpfs -o size=300m tmpfs ${dataDir}; mount -t tmpfs -o size=300m tmpfs ${walDir}
${restore} 2>&1; ${restore} --replace 2>&1
'${etcd}' --name ${name} --data-dir ${dataDir} --wal-dir ${walDir} ${urls} --initial-cluster ${name}=${peerUrl} --initial-cluster-state existing >${directory.path}/log 2>&1 &
trap "kill $!" EXIT
until '${etcdctl}' --endpoints ${clientUrl} endpoint health >/dev/null 2>&1; do sleep 0.1; done
'${etcdctl}' --endpoints ${clientUrl} get '' --from-key --count-only -w fields
cd ${dataDir}; ls -d */snap/db; cd ${walDir}; ls -d *.wal */*.wal`;
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const { stdout, stderr } = await runCommand("unshare", ["--mount", ...asRoot, "--", "sh", "-c", script], { limitMs: 100_000 });
  expect(stdout, stderr).toMatch(/"Count" : 50$/m);
  expect(stdout).toMatch(/^member\.before-restore-\w+\/snap\/db\nmember\/snap\/db$/m);
  expect(stdout).toMatch(new RegExp(`^${WAL_NAME}\nbefore-restore-\\w+/${WAL_NAME}$`, "m"));
  await releasePorts([member.clientUrl, member.peerUrl, member.metricsUrl].map((url) => Number(new URL(url).port)));
});

test.each([
  {
    mounted: "member/wal",
    message: /\/member\/wal is a mount of its own: it would go with the old member, and the next boot/,
    hint: /\/etc\/fstab.*--wal-dir/,
  },
  { mounted: "member/snap", message: /\/member\/snap is a mount of its own/, hint: /Unmount it/ },
  { mounted: "member/snap/db", message: /\/member\/snap\/db is a mount of its own/, hint: /Unmount it/ },
  { mounted: "member", message: /\/member is a mount of its own, so it cannot be moved/, hint: /on the data directory/ },
])("what is mounted at $mounted, of the same file system too, is refused with the plan and before anything is written", async ({ mounted, message, hint }) => {
  const place = join(directory.path, `mounted at ${mounted.replaceAll("/", "-")}`);
  const [dataDir, link, at] = [join(place, "data"), join(place, "link"), join(place, "data", mounted)];
  for (const path of ["snap", "wal"]) await mkdir(join(dataDir, "member", path), { recursive: true });
  await writeFile(join(dataDir, "member/snap/db"), "old");
  await writeFile(join(dataDir, "member/wal", WAL_NAME), "old");
  await symlink(dataDir, link);
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const startedBy = ["unshare", "--mount", ...asRoot, "--", "sh", "-c", `mount --bind "$1" "$1" && shift && exec "$@"`, "sh", at];
  const restore = (...flags: readonly string[]) =>
    runCli(["restore", snapshot, "--bump-revision", "none", "--data-dir", link, "--replace", "--etcd-is-stopped", ...flags], { startedBy });
  const planned = await restore("--plan");
  expect(planned.stdout, planned.stderr).toMatch(message);
  expectFailure("TARGET_NOT_EMPTY", await restore(), { message, hint });
  expect(await readdir(dataDir)).toEqual(["member"]);
  expect(await readdir(join(dataDir, "member"))).toEqual(["snap", "wal"]);
});

test("a log that was on another disk by a link is said to come off it", async () => {
  const dataDir = join(directory.path, "linked/data");
  const disk = join(directory.path, "linked/disk");
  for (const path of [join(dataDir, "member/snap"), disk]) await mkdir(path, { recursive: true });
  await writeFile(join(dataDir, "member/snap/db"), "old");
  await writeFile(join(disk, WAL_NAME), "old");
  await symlink("../../disk", join(dataDir, "member/wal"));
  const plan = ["restore", snapshot, "--bump-revision", "none", "--data-dir", dataDir, "--replace", "--plan"];
  const { stdout } = await expectExit(0, plan);
  expect(stdout).toContain(`${dataDir}/member/wal is a link to ${disk}: the restored member gets a directory of its own there`);
  expect(stdout).toContain(`give --wal-dir ${disk}, to etcd as well`);
  expect((await expectExit(0, [...plan, "--wal-dir", disk])).stdout).not.toContain("is a link to");
});

/** Of files below a directory, by path: owner and mode. */
async function accessBelow(path: string, names: readonly string[]): Promise<Record<string, string>> {
  const entries = await Promise.all(
    names.map(async (name) => {
      const { uid, gid, mode } = await stat(join(path, name));
      return [name, `${uid}:${gid} ${(mode & 0o7777).toString(8)}`] as const;
    }),
  );
  return Object.fromEntries(entries);
}

const SNAP_NAME = "0000000000000001-0000000000000001.snap";
const PLACES = ["", "member", "member/snap", "member/snap/db", `member/snap/${SNAP_NAME}`, "member/wal", `member/wal/${WAL_NAME}`];

test("owners and modes are those of what is replaced, kind by kind; or of --owner; or of the directory", async () => {
  expect(process.getuid?.(), "only root may give files to others: run this test as root").toBe(0);
  const dataDir = join(directory.path, "owned/data");
  const restore = ["restore", snapshot, "--bump-revision", "none", "--data-dir", dataDir];
  await mkdir(dataDir, { recursive: true });
  await chown(dataDir, 1001, 1002);
  await expectExit(0, restore);
  const own = "1001:1002 700";
  const file = "1001:1002 600";
  expect(await accessBelow(dataDir, PLACES.slice(1))).toEqual(Object.fromEntries(PLACES.slice(1).map((name) => [name, /\.|db$/.test(name) ? file : own])));
  await chown(join(dataDir, "member/snap/db"), 1003, 1004);
  await chmod(join(dataDir, "member/snap/db"), 0o640);
  await chmod(join(dataDir, "member/wal"), 0o750);
  await expectExit(0, [...restore, "--replace"]);
  const wanted = { "member/snap/db": "1003:1004 640", "member/wal": "1001:1002 750", [`member/wal/${WAL_NAME}`]: file, member: own };
  expect(await accessBelow(dataDir, PLACES)).toMatchObject(wanted);
  const { stdout } = await expectExit(0, [...restore, "--replace", "--owner", "daemon", "--plan"]);
  expect(stdout).toMatch(/^owner of default +1:1 \(--owner\)$/m);
  await expectExit(0, [...restore, "--replace", "--owner", "daemon:1005"]);
  expect(new Set(Object.values(await accessBelow(dataDir, PLACES)).map((access) => access.split(" ")[0]))).toEqual(new Set(["1:1005"]));
  const fresh = join(directory.path, "owned/new/data");
  await expectExit(0, ["restore", snapshot, "--bump-revision", "none", "--data-dir", fresh, "--owner", "1006:1007"]);
  expect(await accessBelow(join(directory.path, "owned"), ["new", "new/data", "new/data/member/snap/db"])).toEqual({
    new: "1006:1007 700",
    "new/data": "1006:1007 700",
    "new/data/member/snap/db": "1006:1007 600",
  });
});

test("who may not give files away is refused before anything is written, and so is an owner that nobody knows", async () => {
  expect(process.getuid?.(), "only root may become another user: run this test as root").toBe(0);
  const dataDir = join(directory.path, "given/data");
  await mkdir(dataDir, { recursive: true });
  for (const path of [directory.path, join(directory.path, "given"), snapshot]) await chmod(path, 0o755);
  await chmod(dataDir, 0o777);
  const startedBy = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
  const restore = ["restore", snapshot, "--bump-revision", "none", "--data-dir", dataDir];
  const options = { startedBy, env: { NODE_COMPILE_CACHE: "" } };
  const refused = await runCli(restore, options);
  expectFailure("OWNER_NOT_PERMITTED", refused, { message: /are to belong to 0:0, as the directory does, but this runs as 65534:65534/, hint: /--owner/ });
  expectFailure("OWNER_NOT_PERMITTED", await runCli([...restore, "--owner", "daemon"], options), { message: /1:1, as --owner says/ });
  expect(await readdir(dataDir)).toEqual([]);
  // For himself he may restore wherever he may write; the directory stays whose it is.
  expect((await runCli([...restore, "--owner", "65534:65534"], options)).exitCode).toBe(0);
  expect(await accessBelow(dataDir, ["", "member"])).toEqual({ "": "0:0 777", member: "65534:65534 700" });
  expectFailure("USAGE", await runCli([...restore, "--owner", "nobody-of-that-name"]), { message: /knows no user "nobody-of-that-name"/, hint: /UID:GID/ });
  expectFailure("USAGE", await runCli([...restore, "--owner", "98765"]), { message: /not its group/, hint: /UID:GID/ });
});

test("SELinux labels are those of what is replaced (by `stat` and `chcon`, which are stubs here: the tests' kernels have no SELinux)", async () => {
  const dataDir = join(directory.path, "labelled/data");
  const bin = join(directory.path, "labelled/bin");
  const restore = ["restore", snapshot, "--bump-revision", "none", "--data-dir", dataDir];
  await expectExit(0, restore);
  await mkdir(bin, { recursive: true });
  const stub = (name: string, text: string) => writeFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await stub("stat", 'echo "system_u:object_r:container_file_t:s0"');
  await stub("chcon", `echo "$@" >> ${bin}/labelled; test -e "$3/snap/db"`);
  const env = { PATH: `${bin}:${process.env["PATH"]}` };
  const { exitCode } = await runCli([...restore, "--replace"], { env });
  expect(exitCode).toBe(0);
  expect(await readFile(join(bin, "labelled"), "utf8")).toMatch(new RegExp(`^-R --reference=${dataDir}/member ${dataDir}/member\\.etcdsafe-\\w+\n$`));
  await stub("chcon", "echo 'Operation not supported' >&2; exit 1");
  const names = await readdir(dataDir);
  expectFailure("FILE_FAILED", await runCli([...restore, "--replace"], { env }), {
    message: /SELinux label of .*container_file_t:s0.*: Operation not supported$/,
  });
  expect(await readdir(dataDir)).toEqual(names);
});

test("room: a file system that is too small is refused before anything is written, and the plan says so", async () => {
  const place = join(directory.path, "small");
  await mkdir(place);
  const small = { directory: place, sizeBytes: 1024 * 1024 };
  const restore = ["restore", snapshot, "--bump-revision", "none", "--data-dir", join(place, "data")];
  const { stdout } = await runCliMounted(small, [...restore, "--plan"]);
  expect(stdout).toMatch(/^free disk +1\.0 MB for 64\.0 MB \(.*\/small\/data\)$/m);
  expect(stdout).toMatch(/^! the restore needs \d+ bytes .*; restore refuses that\.$/m);
  const refused = await runCliMounted(small, restore);
  expectFailure("TARGET_NO_SPACE", refused, { message: /small\/data, but only \d+ are free$/ });
  expect(refused.left).toEqual([]);
});
