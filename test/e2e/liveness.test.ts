// A restore beside an etcd that may be alive: refused, each time with what was seen and the way out; and never where nothing is.
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { provisionEtcd } from "../../scripts/provision.ts";
import { type CliOptions, runCli } from "../support/cli.ts";
import { startCommand } from "../support/command.ts";
import { initialCluster, planMembers, startCluster } from "../support/etcd.ts";
import type { PlannedMember } from "../support/etcd-member.ts";
import { plainRows } from "../support/random-history.ts";
import { expectExit } from "../support/saving.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const IN_A_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"];

/** Restores the first of `members`. */
function restoreArgs(source: readonly string[], members: readonly PlannedMember[], ...flags: readonly string[]): string[] {
  const [{ name, peerUrl, dataDir }] = members as [PlannedMember];
  const who = ["--name", name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", peerUrl, "--data-dir", dataDir];
  return ["restore", ...source, ...who, "--bump-revision", "1000", ...flags];
}

/** What a refused restore said, without the styling of lines. */
async function refused(args: readonly string[], options: CliOptions = {}): Promise<string> {
  const { exitCode, stderr } = await runCli(args, options);
  expect(exitCode, stderr).toBe(9);
  expect(stderr).toContain("ETCD_MAY_BE_ALIVE");
  return stderr;
}

async function done(args: readonly string[], options: CliOptions = {}): Promise<string> {
  const { exitCode, stderr } = await runCli(args, options);
  expect(exitCode, stderr).toBe(0);
  return stderr;
}

async function snapshotIn(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, "snapshot.db");
  // Members of the source that nobody can mistake for somebody here.
  writeSnapshot(path, { rows: plainRows(20), members: [{ id: 1n, name: "gone", peerURLs: [], clientURLs: [] }] });
  return path;
}

test("etcd runs on the files: its lock and its URLs are told, no word goes past the lock, and once it is stopped the restore goes on", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  await using cluster = await startCluster({ directory: join(directory.path, "cluster") });
  const [member] = cluster.members;
  const database = join(member!.dataDir, "member/snap/db");
  const before = await stat(database);
  const args = restoreArgs([source], cluster.members, "--replace");
  const said = await refused(args);
  expect(said).toContain(`${database} is locked, and 2 more of its files; by process ${member!.pid} (etcd)`);
  expect(said).toContain(`${member!.peerUrl}: in the plan: a member of the former cluster`);
  expect(said).toContain(`${member!.clientUrl}: m0 of the former cluster: a member of the former cluster`);
  const insisted = await refused([...args, "--etcd-is-stopped"]);
  expect(insisted).toContain("no option goes past a lock");
  expect(insisted).not.toContain(member!.peerUrl);
  expect([await readdir(member!.dataDir), (await stat(database)).ino]).toEqual([["member"], before.ino]);
  await member!.stop();
  await done(args);
  expect((await readdir(member!.dataDir)).sort()).toEqual(["member", expect.stringMatching(/^member\.before-restore-/)]);
});

test("the PID namespaces differ, either way: the lock is found, though its holder has no name", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  // What the list of locks leaves out, a try for the database's lock shows.
  const nameless = /member\/snap\/db is locked.*; by a process that cannot be named from here: of another container, or of the host/;
  {
    await using cluster = await startCluster({ directory: join(directory.path, "outside") });
    const args = restoreArgs([source], cluster.members, "--replace", "--etcd-is-stopped");
    expect(await refused(args, { startedBy: IN_A_PID_NAMESPACE })).toMatch(nameless);
  }
  const members = await planMembers(1, join(directory.path, "inside"));
  const { etcd } = await provisionEtcd("3.7");
  const [{ name, clientUrl, peerUrl, dataDir }] = members as [PlannedMember];
  const urls = [
    "--listen-client-urls",
    clientUrl,
    "--advertise-client-urls",
    clientUrl,
    "--listen-peer-urls",
    peerUrl,
    "--initial-advertise-peer-urls",
    peerUrl,
  ];
  const [unshare, ...rest] = IN_A_PID_NAMESPACE;
  const inside = startCommand(unshare!, [...rest, etcd, "--name", name, "--data-dir", dataDir, "--initial-cluster", initialCluster(members), ...urls]);
  try {
    await inside.printed(/ready to serve client requests/);
    const args = restoreArgs([source], members, "--replace");
    expect(await refused([...args, "--etcd-is-stopped"])).toMatch(/member\/snap\/db is locked.*\(etcd\)/);
    expect(await refused(args, { startedBy: IN_A_PID_NAMESPACE })).toMatch(nameless);
  } finally {
    inside.signal("SIGKILL");
    await inside.finished;
  }
});

test("only the WAL is locked, as while etcd puts another database in place", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  const wal = join(directory.path, "wal");
  await using cluster = await startCluster({ directory: join(directory.path, "cluster"), extraArgs: ["--wal-dir", wal] });
  const database = join(cluster.members[0]!.dataDir, "member/snap/db");
  await copyFile(database, `${database}.copy`);
  await rename(`${database}.copy`, database);
  const args = restoreArgs([source], cluster.members, "--replace", "--wal-dir", wal, "--etcd-is-stopped");
  expect(await refused(args)).toMatch(new RegExp(`${wal}/\\S+ is locked`));
});

test("the old quorum lives on other ports: refused unless the new cluster is a copy, which cannot save under the old one's name", async () => {
  await using directory = await temporaryDirectory("liveness");
  const repository = join(directory.path, "repository");
  await using old = await startCluster({ size: 3, directory: join(directory.path, "old") });
  await expectExit(0, ["save", "--endpoints", old.endpoints.join(","), "--repository", repository]);
  await old.members[0]!.kill();
  const members = await planMembers(1, join(directory.path, "new"));
  const args = restoreArgs(["latest", "--repository", repository], members);
  const said = await refused(args);
  for (const { name, peerUrl, clientUrl } of old.members.slice(1)) {
    for (const url of [peerUrl, clientUrl]) expect(said).toContain(`${url}: ${name} of the former cluster: a member of the former cluster`);
  }
  expect(said).not.toContain(`${old.members[0]!.peerUrl}:`);
  expect(said).toContain("--copy");
  expect(await readdir(directory.path)).not.toContain("new");
  const planned = JSON.parse((await expectExit(0, [...args, "--plan", "-o", "json"])).stdout);
  expect(planned.liveness.verdict).toBe("alive");
  expect(planned.refusals).toEqual([expect.stringMatching(/^2 of the former cluster's 3 members answer/), expect.stringContaining("etcd may be alive")]);
  await done([...args, "--copy"]);
  expect(await readdir(join(repository, "default"))).not.toContain("restores");
  await using copy = await startCluster({ members, directory: join(directory.path, "new"), initialClusterState: "existing" });
  expect((await runCli(["save", "--endpoints", copy.endpoints.join(","), "--repository", repository])).stderr).toContain("CLUSTER_MISMATCH");
  // A copy with the URLs of somebody who lives could not be started, or would meet them.
  expect(
    await refused(restoreArgs(["latest", "--repository", repository], [{ ...old.members[1]!, dataDir: join(directory.path, "third") }], "--copy")),
  ).toContain(`${old.members[1]!.peerUrl}: in the plan: a member of the former cluster`);
});

test("a member that was restored and started already is no reason to refuse the next one", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  const members = await planMembers(2, directory.path);
  const token = ["--initial-cluster-token", "one-for-both"];
  await done(restoreArgs([source], members, ...token));
  const { etcd } = await provisionEtcd("3.7");
  const [{ name, clientUrl, peerUrl, dataDir }] = members as [PlannedMember];
  const urls = [
    "--listen-client-urls",
    clientUrl,
    "--advertise-client-urls",
    clientUrl,
    "--listen-peer-urls",
    peerUrl,
    "--initial-advertise-peer-urls",
    peerUrl,
  ];
  const first = startCommand(etcd, [
    "--name",
    name,
    "--data-dir",
    dataDir,
    "--initial-cluster",
    initialCluster(members),
    "--initial-cluster-state",
    "existing",
    ...urls,
  ]);
  try {
    await first.printed(/serving peer traffic/);
    const [other] = members.slice(1) as [PlannedMember];
    const args = ["restore", source, "--name", other.name, "--initial-cluster", initialCluster(members), "--initial-advertise-peer-urls", other.peerUrl];
    await done([...args, "--data-dir", other.dataDir, "--bump-revision", "1000", ...token]);
    expect(await refused([...args, "--data-dir", `${other.dataDir}-again`, "--bump-revision", "1000", "--initial-cluster-token", "another"])).toContain(
      `${peerUrl}: in the plan: an etcd of another cluster`,
    );
  } finally {
    first.signal("SIGKILL");
    await first.finished;
  }
});

test("a static pod of etcd is in place on the host, seen from a container too: refused until it is moved out, or for somebody who knows", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  const manifest = join(directory.path, "host/etc/kubernetes/manifests/etcd.yaml");
  await mkdir(dirname(manifest), { recursive: true });
  await writeFile(
    manifest,
    "{kind: Pod, spec: {containers: [{name: etcd, command: [etcd, --data-dir=/var/lib/etcd]}], volumes: [{hostPath: {path: /var/lib/etcd}}]}}\n",
  );
  const members = [{ ...(await planMembers(1, directory.path))[0]!, dataDir: join(directory.path, "host/var/lib/etcd") }];
  const args = restoreArgs([source], members, "--host-root", join(directory.path, "host"));
  const said = await refused(args);
  expect(said).toContain(`${manifest}: a static pod of etcd`);
  expect(said).toContain(`mv ${manifest}`);
  expect(await done([...args, "--etcd-is-stopped"])).toContain("the kubelet starts it again; going on, as --etcd-is-stopped says");
  await rm(members[0]!.dataDir, { recursive: true });
  // The word holds for one run, and a saved plan does not carry it.
  const plan = join(directory.path, "plan.json");
  await writeFile(plan, (await expectExit(0, [...args, "--etcd-is-stopped", "--plan", "-o", "json"])).stdout);
  const byPlan = ["restore", source, "--from-plan", plan, "--host-root", join(directory.path, "host")];
  await refused(byPlan);
  await done([...byPlan, "--etcd-is-stopped"]);
  await rm(members[0]!.dataDir, { recursive: true });
  await rename(manifest, `${directory.path}/etcd.yaml`);
  await done(args);
});

test("a unit is about to start etcd again: refused where the directory may be its own", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  const members = await planMembers(1, directory.path);
  // systemd does not run where tests do: what a real `systemctl show` says of a unit between two tries to start.
  const shown = (dataDir: string) =>
    `Id=etcd.service\\nActiveState=activating\\nExecStart={ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --data-dir ${dataDir} ; }\\n`;
  const systemctl = (dataDir: string) => writeFile(join(directory.path, "systemctl"), `#!/bin/sh\nprintf '${shown(dataDir)}'\n`, { mode: 0o755 });
  const env = { PATH: `${directory.path}:${process.env["PATH"]}` };
  await systemctl(members[0]!.dataDir);
  const said = await refused(restoreArgs([source], members), { env });
  expect(said).toContain(`etcd.service: activating, with the data directory ${members[0]!.dataDir}`);
  expect(said).toContain("systemctl stop etcd.service");
  await systemctl("/var/lib/another");
  await done(restoreArgs([source], members), { env });
});

test("nothing tells of locks: what is there is only replaced on the operator's word", async () => {
  await using directory = await temporaryDirectory("liveness");
  const source = await snapshotIn(directory.path);
  const members = await planMembers(1, directory.path);
  const args = restoreArgs([source], members, "--replace");
  await done(args);
  const blind: CliOptions = {
    env: { PATH: "/nowhere" },
    startedBy: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", '/bin/mount -t tmpfs none /proc && exec "$@"', "sh"],
  };
  const said = await refused(args, blind);
  expect(said).toContain(`${members[0]!.dataDir}: whether somebody has a lock on the database or the WAL cannot be found out`);
  expect(said).toContain("--etcd-is-stopped");
  await done([...args, "--etcd-is-stopped"], blind);
  const elsewhere = [{ ...members[0]!, dataDir: join(directory.path, "fresh") }];
  await done(restoreArgs([source], elsewhere), blind);
  expect((await readFile(join(elsewhere[0]!.dataDir, "member/snap/db"))).length).toBeGreaterThan(0);
});
