import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databaseLock } from "../../src/bytes/file-locks.ts";
import { applyRestore } from "../../src/restore/apply.ts";
import { snapshotFileSource } from "../../src/restore/file-source.ts";
import { type LivenessOptions, type LivenessPlan, lookForEtcd } from "../../src/restore/liveness-look.ts";
import { planRestore } from "../../src/restore/plan.ts";
import { planTargets, readTargets } from "../../src/restore/targets.ts";
import { createAuthority } from "../support/certificates.ts";
import { startCluster } from "../support/etcd.ts";
import { plainRows } from "../support/random-history.ts";
import { restoreRequest } from "../support/restore-request.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const signal = new AbortController().signal;

function planFor(dataDir: string, changes: Partial<LivenessPlan> = {}): LivenessPlan {
  const member = { name: "m", id: "0000000000000001", peerUrls: [], clientUrls: ["http://127.0.0.1:1"], clientUrlsAssumed: true, dataDir, walDir: null };
  return { clusterId: "00000000000000bb", copy: false, formerMembers: [], members: [member, member], ...changes };
}

async function lookedAt(plan: LivenessPlan): Promise<string[]> {
  const { checks } = await lookForEtcd(plan, { signal });
  return checks.map(({ kind, what }) => `${kind} ${what}`);
}

test("members of the former cluster are asked, by the source and by what is replaced; those of a copy's source are not", async () => {
  await using directory = await temporaryDirectory("look");
  const dataDir = join(directory.path, "data");
  await mkdir(join(dataDir, "member/snap"), { recursive: true });
  writeSnapshot(join(dataDir, "member/snap/db"), { members: [{ id: 2n, name: "replaced", peerURLs: ["http://127.0.0.1:2"], clientURLs: [] }] });
  const formerMembers = [{ id: "0000000000000003", name: "source", peerUrls: ["http://127.0.0.1:3"], clientUrls: ["http://127.0.0.1:4"] }];
  const others = ["manifest /etc/kubernetes/manifests", "unit units of systemd"];
  expect(await lookedAt(planFor(dataDir, { formerMembers }))).toEqual([
    `lock ${dataDir}`,
    "url http://127.0.0.1:3",
    "url http://127.0.0.1:4",
    "url http://127.0.0.1:2",
    ...others,
  ]);
  expect(await lookedAt(planFor(dataDir, { formerMembers, copy: true }))).toEqual([`lock ${dataDir}`, "url http://127.0.0.1:2", ...others]);
  expect(await lookedAt(planFor(join(directory.path, "new"), { formerMembers, copy: true }))).toEqual([]);
});

test("every URL is asked at the same time: hosts that say nothing cost three seconds together", { timeout: 10_000 }, async () => {
  await using directory = await temporaryDirectory("look");
  const mute = createHttpServer(() => undefined).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const member = { name: "m", id: "0000000000000001", clientUrls: [], clientUrlsAssumed: true, dataDir: join(directory.path, "d"), walDir: null };
  const peerUrls = [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `http://127.0.0.2:1`];
  const started = performance.now();
  const { verdict } = await lookForEtcd(planFor("", { members: [{ ...member, peerUrls }] }), { signal });
  expect(verdict).toBe("alive");
  expect(performance.now() - started).toBeLessThan(5_000);
  mute.closeAllConnections();
  mute.close();
});

test("behind TLS, who has a client certificate is told of which cluster a member is", async () => {
  await using directory = await temporaryDirectory("look");
  const authority = await createAuthority(directory.path);
  const [server, client] = [await authority.issue({ name: "server" }), await authority.issue({ name: "client" })];
  await using cluster = await startCluster({ tls: { caPath: authority.path, server, client, requireClientCertificate: true } });
  const { clientUrl } = cluster.members[0]!;
  const plan = planFor(join(directory.path, "d"), { formerMembers: [{ id: "0000000000000003", name: "m", peerUrls: [], clientUrls: [clientUrl] }] });
  const look = async (certificate: LivenessOptions["certificate"] = {}) => {
    const { checks } = await lookForEtcd(plan, { signal, liveness: { etcdIsStopped: false, hostRoot: directory.path, certificate } });
    return checks.find(({ kind }) => kind === "url");
  };
  expect(await look()).toMatchObject({ outcome: "alive", detail: expect.stringContaining("does not say who it is") });
  const certificate = { certPath: client.cert, keyPath: client.key };
  expect(await look(certificate)).toMatchObject({ outcome: "stopped", detail: expect.stringContaining("an etcd of another cluster") });
  await expect(look({ certPath: client.cert })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test("manifests name directories as the host does, and a target may be reached by a link", async () => {
  await using directory = await temporaryDirectory("look");
  const manifests = join(directory.path, "etc/kubernetes/manifests");
  await mkdir(manifests, { recursive: true });
  const pod = "{kind: Pod, spec: {containers: [{name: etcd, command: [etcd, --data-dir=/var/lib/etcd, --listen-peer-urls=http://10.9.9.9:2380]}]}}";
  await writeFile(join(manifests, "etcd.yaml"), pod);
  const formerMembers = [{ id: "0000000000000003", name: "", peerUrls: [], clientUrls: [] }];
  const verdict = async (dataDir: string) => {
    const liveness = { etcdIsStopped: false, hostRoot: directory.path };
    return (await lookForEtcd(planFor(join(directory.path, dataDir), { formerMembers }), { signal, liveness })).verdict;
  };
  expect(await verdict("var/lib/etcd")).toBe("alive");
  expect(await verdict("var/lib/etcd-events")).toBe("stopped");
  await mkdir(join(directory.path, "var/lib/etcd"), { recursive: true });
  await symlink("var/lib/etcd", join(directory.path, "link"));
  expect(await verdict("link")).toBe("alive");
});

test("a manifest's directory is the same under another name: by device and inode, or where the target lies in it", async () => {
  await using directory = await temporaryDirectory("look");
  const [root, manifests] = [join(directory.path, "host"), join(directory.path, "host/etc/kubernetes/manifests")];
  for (const each of [manifests, join(root, "var/lib/etcd/data"), join(root, "var/lib/etcd-events")]) await mkdir(each, { recursive: true });
  // As the host sees it, /srv/etcd is a mount of the same directory: here a link, which a mount is to who compares inodes.
  await mkdir(join(root, "srv"));
  await symlink("../var/lib/etcd", join(root, "srv/etcd"));
  const verdict = async (hostPath: string, dataDir: string) => {
    const pod = `{kind: Pod, spec: {containers: [{name: etcd, command: [etcd, --listen-peer-urls=http://10.9.9.9:2380]}], volumes: [{hostPath: {path: ${hostPath}}}]}}`;
    await writeFile(join(manifests, "etcd.yaml"), pod);
    const formerMembers = [{ id: "0000000000000003", name: "", peerUrls: [], clientUrls: [] }];
    return (await lookForEtcd(planFor(join(root, dataDir), { formerMembers }), { signal, liveness: { etcdIsStopped: false, hostRoot: root } })).verdict;
  };
  expect(await verdict("/srv/etcd", "var/lib/etcd")).toBe("alive");
  expect(await verdict("/srv/etcd", "var/lib/etcd/new/etcd")).toBe("alive");
  expect(await verdict("/srv/etcd/data", "var/lib/etcd")).toBe("alive");
  expect(await verdict("/srv/etcd", "var/lib/etcd-events")).toBe("stopped");
  expect(await verdict("/srv/none", "var/lib/etcd")).toBe("stopped");
});

test("with a host root, a manifest's directory may be the target by its own path too: as it is called, and by device and inode", async () => {
  await using directory = await temporaryDirectory("look");
  const [root, manifests] = [join(directory.path, "host"), join(directory.path, "host/etc/kubernetes/manifests")];
  await mkdir(manifests, { recursive: true });
  await mkdir(join(directory.path, "etcd"));
  await symlink("etcd", join(directory.path, "link"));
  const verdict = async (hostPath: string, dataDir: string) => {
    const pod = `{kind: Pod, spec: {containers: [{name: etcd, command: [etcd, --data-dir=${join(directory.path, hostPath)}, --listen-peer-urls=http://10.9.9.9:2380]}]}}`;
    await writeFile(join(manifests, "etcd.yaml"), pod);
    const formerMembers = [{ id: "0000000000000003", name: "", peerUrls: [], clientUrls: [] }];
    const liveness = { etcdIsStopped: false, hostRoot: root };
    return (await lookForEtcd(planFor(join(directory.path, dataDir), { formerMembers }), { signal, liveness })).verdict;
  };
  expect(await verdict("etcd", "etcd")).toBe("alive");
  expect(await verdict("link", "etcd")).toBe("alive");
  expect(await verdict("new", "new")).toBe("alive");
  expect(await verdict("etcd", "etcd-events")).toBe("stopped");
});

test("an etcd that is started while the files are written keeps them from being put in place", async () => {
  await using directory = await temporaryDirectory("look");
  const [path, dataDir] = [join(directory.path, "snapshot.db"), join(directory.path, "data")];
  const database = join(dataDir, "member/snap/db");
  await mkdir(join(dataDir, "member/snap"), { recursive: true });
  writeSnapshot(database);
  writeSnapshot(path, { rows: plainRows(10), members: [] });
  const source = snapshotFileSource(path);
  const cluster = [{ name: "a", peerUrls: ["http://127.0.0.1:1"] }];
  const planned = planRestore(restoreRequest({ source: source.facts, cluster, targets: [{ name: "a", dataDir }] }));
  const plan = planTargets(planned, await readTargets(planned), { replace: true, owner: null });
  let holder = 0;
  // The first thing that is told of is the copy of the source, and so after the first look.
  const progress = () => {
    holder ||= lockNow(database);
  };
  try {
    const restored = applyRestore(plan, source, { signal, runtime: { ...testRuntime(), progress } });
    await expect(restored).rejects.toMatchObject({ code: "ETCD_MAY_BE_ALIVE", message: expect.stringContaining(database) });
  } finally {
    process.kill(-holder, "SIGKILL");
  }
  expect(await readdir(dataDir)).toEqual(["member"]);
  await expect.poll(async () => (await databaseLock(database, { signal })).locked).toBe(false); // The killed processes end in their own time.
  await applyRestore(plan, source, { signal, runtime: testRuntime() });
});

/** Locked when it returns, by a group of processes whose id is returned. */
function lockNow(path: string): number {
  const script = 'setsid flock "$1" sleep 30 </dev/null >/dev/null 2>&1 & echo $!; while flock -s -n "$1" true; do sleep 0.01; done';
  return Number(execFileSync("sh", ["-c", script, "sh", path]));
}
