// HashKV compared with the members: never a false alarm while they compact under load, always the right name when one holds other data.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Etcd3 } from "etcd3";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../src/repository/manifest.ts";
import { createAuthority } from "../support/certificates.ts";
import { runCli } from "../support/cli.ts";
import { runs } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { currentRevision, deleteMany, putMany } from "../support/etcd-data.ts";
import type { EtcdMember } from "../support/etcd-member.ts";
import { expectFailure } from "../support/failures.ts";
import { report } from "../support/report.ts";
import { expectExit, listedBackups, logLines, saveArguments } from "../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const SAVES = runs(10, 100);
const COMPACT_EVERY_MS = runs(300, 1_000);
const KEYS = 20;
/** Writes until the writer rests for as long as it takes to the next compaction. */
const BURST = 100;
const ROOT_PASSWORD = "correct horse";
const ORIGINAL = "the value of a key, as the cluster agreed on it";
const ALTERED = "the value of a key, as nobody ever agreed on it";

let directory: TemporaryDirectory;
let cluster: EtcdCluster;
let client: Etcd3;

beforeAll(async () => {
  directory = await temporaryDirectory("compare");
  cluster = await startCluster({ size: 3 });
  client = await cluster.client();
  await putMany(client, [{ key: "agreed", value: ORIGINAL }]);
});

afterAll(async () => {
  await cluster?.stop();
  await directory?.remove();
});

test(`${SAVES} saves while the cluster compacts under load: nobody is said to disagree`, async () => {
  const repository = path("load");
  const startedMs = performance.now();
  const stop = new AbortController();
  const load = Promise.all([writeUntil(stop.signal), compactUntil(stop.signal)]);
  const outcomes: Record<string, number> = { agreed: 0, "not-comparable": 0, disagreed: 0, unreachable: 0 };
  const states: Record<string, number> = { proven: 0, unconfirmed: 0, suspect: 0 };
  try {
    for (let save = 0; save < SAVES; save++) {
      const manifest = await saved(cluster.endpoints, repository);
      states[manifest.state]!++;
      for (const { outcome } of manifest.comparison.members) outcomes[outcome]!++;
    }
  } finally {
    stop.abort();
  }
  const [written, compactions] = await load;
  report(`${SAVES} saves, ${written} writes, ${compactions} compactions`, { ...states, ...outcomes });
  expect(outcomes).toMatchObject({ disagreed: 0, unreachable: 0 });
  expect(states).toMatchObject({ suspect: 0 });
  // Those that asked for the very revision of a compaction cannot be.
  expect(states["proven"]).toBeGreaterThan(SAVES / 4);
  expect(compactions).toBeGreaterThan((performance.now() - startedMs) / COMPACT_EVERY_MS / 4); // They went on all the time, as fast as the machine let them.
});

test("--check-members: all, all but the serving one, or none", async () => {
  const all = await saved(cluster.endpoints, path("which"));
  expect(all).toMatchObject({ state: "proven", quorumSeen: true, comparison: { asked: "all", why: null } });
  expect(all.checked).toContain("hashkv");
  expect(all.comparison.members.map(({ name, outcome }) => `${name} ${outcome}`).sort()).toEqual(["m0 agreed", "m1 agreed", "m2 agreed"]);
  const others = await saved(cluster.endpoints, path("which"), "--check-members", "others");
  expect(others).toMatchObject({ state: "proven", comparison: { asked: "others" } });
  expect(others.comparison.members.map(({ name }) => name).sort()).toEqual(["m0", "m1", "m2"].filter((name) => name !== others.servingMember!.name));
  const none = await saved(cluster.endpoints, path("which"), "--check-members", "none");
  expect(none).toMatchObject({ state: "unconfirmed", comparison: { asked: "none", revision: null, members: [] } });
  expect(none.checked).not.toContain("hashkv");
  expect(none.comparison.why).toContain("--check-members none");
});

test("--check-members-every: compares only if no stored backup did so within that time", async () => {
  const repository = path("every");
  const unasked = await saved(cluster.endpoints, repository, "--check-members", "none");
  const first = await saved(cluster.endpoints, repository, "--check-members-every", "6h");
  const second = await saved(cluster.endpoints, repository, "--check-members-every", "6h");
  const third = await saved(cluster.endpoints, repository, "--check-members-every", "1ms");
  expect([unasked, first, second, third].map(({ comparison }) => comparison.asked)).toEqual(["none", "all", "none", "all"]);
  expect(second).toMatchObject({ state: "unconfirmed", comparison: { why: expect.stringContaining(first.id) } });
});

test("a member altered offline is named by every save, and a backup of it is suspect", async () => {
  const leader = await cluster.leader();
  const [altered, other] = cluster.members.filter((member) => member !== leader);
  await altered!.stop();
  await alter(altered!);
  await altered!.start();
  const repository = path("altered");
  for (const more of [[], ["--check-members", "others"], ["--member", leader.name], ["--member", other!.name]]) {
    // The altered one last, so that it is not chosen: they are equally good otherwise.
    const endpoints = [leader.clientUrl, other!.clientUrl, altered!.clientUrl];
    const { stdout, stderr } = await expectExit(0, saveArguments(endpoints, repository, ...more));
    const { manifest } = JSON.parse(stdout) as { manifest: Manifest };
    expect(manifest, more.join(" ")).toMatchObject({ state: "proven" });
    expect(namesOf(manifest, "disagreed"), more.join(" ")).toEqual([altered!.name]);
    expect(manifest.servingMember!.name).not.toBe(altered!.name);
    expect(warningsOf(stderr)).toContainEqual(expect.stringMatching(new RegExp(`^${altered!.name} holds other data than this snapshot`)));
  }

  // That they were compared lately is no reason not to do so again where one was found to differ: it might be the one that serves.
  const { stdout, stderr } = await expectExit(
    0,
    saveArguments([altered!.clientUrl, other!.clientUrl, leader.clientUrl], repository, "--check-members-every", "6h"),
  );
  const { manifest, suspects } = JSON.parse(stdout) as { manifest: Manifest; suspects: { manifest: Manifest }[] };
  expect(suspects.map((suspect) => suspect.manifest)).toMatchObject([{ state: "suspect", servingMember: { name: altered!.name } }]);
  expect(namesOf(suspects[0]!.manifest, "disagreed").sort()).toEqual([leader.name, other!.name].sort());
  expect(manifest).toMatchObject({ state: "proven" });
  expect(namesOf(manifest, "disagreed")).toEqual([altered!.name]);
  const news = `^${altered!.name} holds other data than .*; taking a snapshot of a member that a majority may agree with$`;
  expect(warningsOf(stderr)).toContainEqual(expect.stringMatching(new RegExp(news)));

  const forced = await runCli(saveArguments(cluster.endpoints, repository, "--member", altered!.name));
  expectFailure("MEMBER_IN_MINORITY", forced, {
    message: new RegExp(`^${altered!.name} holds other data than m\\d, m\\d: .* kept as suspect, .*, and no other member was tried, as --member demands$`),
  });
  const [newest] = await listedBackups(repository);
  expect(newest?.entry).toMatchObject({ state: "suspect" });
  expect(await latest(repository)).toBe(manifest.id);

  // Nor does it take the place of a file that is good.
  const file = path("snapshot.db");
  await writeFile(file, "the last good one");
  const toFile = ["save", "--endpoints", cluster.endpoints.join(","), "--member", altered!.name, "--output", file, "-o", "json"];
  expectFailure("MEMBER_IN_MINORITY", await runCli(toFile), { message: new RegExp(`kept as suspect, ${file}\\.suspect, and no other`) });
  expect(await readFile(file, "utf8")).toBe("the last good one");
  await expectExit(0, ["verify", `${file}.suspect`]);
});

test("where one member holds other data and one is down nobody knows who is right: suspect, whichever side it is, until a majority decides", async () => {
  const leader = await cluster.leader();
  const altered = await memberWith(ALTERED);
  const down = cluster.members.find((member) => member !== leader && member !== altered)!;
  const repository = path("split");
  const { id } = await saved([leader.clientUrl, down.clientUrl], repository);
  await down.stop();
  const living = cluster.members.filter((member) => member !== down);
  for (const serving of living) {
    const other = living.find((member) => member !== serving)!;
    // The one that is to serve comes first: neither is the better choice otherwise but that one of them may lead.
    const forced = serving === leader ? ["--member", leader.name] : [];
    const failed = await runCli(
      saveArguments(
        [serving, other].map(({ clientUrl }) => clientUrl),
        repository,
        ...forced,
      ),
    );
    expectFailure("MEMBERS_DISAGREE", failed, {
      message: new RegExp(
        `^the members hold different data, and ${serving.name} may be wrong: ${other.name} holds other data, and no majority decides: 1 of 3 `,
      ),
    });
    expect(warningsOf(failed.stderr)).toContainEqual(expect.stringMatching(new RegExp(`^${other.name} holds other data than this snapshot`)));
    const [newest] = await listedBackups(repository);
    const { manifest } = newest!.entry;
    expect(manifest).toMatchObject({ state: "suspect", servingMember: { name: serving.name }, stateWhy: expect.stringContaining("no majority decides") });
    expect([namesOf(manifest!, "disagreed"), namesOf(manifest!, "unreachable")]).toEqual([[other.name], [down.name]]);
  }
  expect(await listedBackups(repository)).toHaveLength(3); // The other side was not saved each time.
  expect(await latest(repository)).toBe(id);
  await down.start();
  const decided = await saved([leader.clientUrl, down.clientUrl], repository);
  expect(decided).toMatchObject({ state: "proven" });
  expect(await latest(repository)).toBe(decided.id);
});

test("without a quorum the member that is left is saved as it is, and the backup says so", async () => {
  const [left, ...lost] = cluster.members;
  await putMany(client, [{ key: "last", value: "words" }]);
  for (const member of lost) await member.kill();
  await untilWithoutLeader(left!);
  const { stdout, stderr } = await expectExit(0, saveArguments(cluster.endpoints, path("no-quorum")));
  const { manifest } = JSON.parse(stdout) as { manifest: Manifest };
  expect(manifest).toMatchObject({ quorumSeen: false, state: "unconfirmed", servingMember: { name: left!.name } });
  expect(namesOf(manifest, "unreachable").sort()).toEqual(lost.map(({ name }) => name).sort());
  expect(warningsOf(stderr)).toContainEqual(expect.stringMatching(/^the cluster has no quorum: .*may lack the newest writes/));
  await expectExit(0, ["verify", "latest", "--repository", path("no-quorum")]);
});

test("without a quorum a password does not get in, and the error says that a client certificate does; it does", async () => {
  const authority = await createAuthority(path("tls"));
  const [server, root, host] = await Promise.all(["server", "root", "host"].map((name) => authority.issue({ name })));
  const tls = { caPath: authority.path, server: server!, client: root!, requireClientCertificate: true };
  await using pair = await startCluster({ size: 2, tls, rootPassword: ROOT_PASSWORD, extraArgs: ["--bcrypt-cost", "4"] });
  await pair.members[1]!.kill();
  await untilWithoutLeader(pair.members[0]!);
  const endpoint = pair.members[0]!.clientUrl;
  const common = ["--cacert", authority.path, "--command-timeout", "1s", "--check-members", "none"];
  const byPassword = saveArguments(endpoint, path("auth"), ...common, "--cert", host!.cert, "--key", host!.key, "--user", "root");
  const refused = await expectExit(4, byPassword, { ETCDSAFE_PASSWORD: ROOT_PASSWORD });
  const error = logLines(refused.stderr).find(({ code }) => code !== undefined);
  expect(error).toMatchObject({ code: "ETCD_NO_QUORUM", message: expect.stringContaining("the login of user root") });
  expect(error?.hint).toContain("Password logins need a quorum too; a client certificate gets in without one");
  const manifest = await saved([endpoint], path("auth"), ...common, "--cert", root!.cert, "--key", root!.key);
  expect(manifest).toMatchObject({ quorumSeen: false, authEnabled: true, state: "unconfirmed" });
});

async function saved(endpoints: readonly string[], repository: string, ...more: readonly string[]): Promise<Manifest> {
  return JSON.parse((await expectExit(0, saveArguments(endpoints, repository, ...more))).stdout).manifest;
}

/** The id of the backup that a restore would take. */
async function latest(repository: string): Promise<string> {
  return JSON.parse((await expectExit(0, ["show", "latest", "--repository", repository, "-o", "json"])).stdout).manifest.id;
}

/** The member that holds this value. */
async function memberWith(value: string): Promise<EtcdMember> {
  for (const member of cluster.members) {
    if ((await cluster.etcdctl(["get", "agreed", "--consistency", "s", "--print-value-only"], [member])).trim() === value) return member;
  }
  throw new Error(`no member holds ${value}`);
}

function warningsOf(stderr: string): string[] {
  return logLines(stderr)
    .filter(({ level }) => level === "warn")
    .map(({ message }) => message);
}

/** Until the member has noticed that there is nobody to elect. */
async function untilWithoutLeader({ metricsUrl }: EtcdMember): Promise<void> {
  for (const giveUpAt = performance.now() + 20_000; performance.now() < giveUpAt; await sleep(50)) {
    const metrics = await fetch(`${metricsUrl}/metrics`);
    if ((await metrics.text()).includes("etcd_server_has_leader 0")) return;
  }
  throw new Error("the member still knows of a leader");
}

function namesOf({ comparison }: Manifest, wanted: string): string[] {
  return comparison.members.filter(({ outcome }) => outcome === wanted).map(({ name }) => name);
}

/** Overwrites and deletes a small set of keys in bursts, so that a compaction meets revisions both in use and at rest. */
async function writeUntil(signal: AbortSignal): Promise<number> {
  let written = 0;
  const writer = async () => {
    for (; !signal.aborted; written++) {
      await sleep(written % BURST === 0 ? COMPACT_EVERY_MS : 5);
      const key = `key-${written % KEYS}`;
      if (written % 7 === 0) await deleteMany(client, [key]);
      else await putMany(client, [{ key, value: `value ${written}` }]);
    }
  };
  await writer();
  return written;
}

/** Compacts all there is, so that revisions which saves ask for are gone, or are those of a compaction. */
async function compactUntil(signal: AbortSignal): Promise<number> {
  let compactions = 0;
  for (let last = 0n; !signal.aborted; await sleep(COMPACT_EVERY_MS)) {
    const revision = await currentRevision(client);
    if (revision === last) continue; // etcd refuses to compact the same revision again.
    await client.kv.compact({ revision: String(revision) });
    last = revision;
    compactions++;
  }
  return compactions;
}

/** Changes a value in a stopped member's database: same size, same place, on every page that holds it. */
async function alter(member: EtcdMember): Promise<void> {
  const file = join(member.dataDir, "member/snap/db");
  const bytes = await readFile(file);
  let places = 0;
  for (let at = bytes.indexOf(ORIGINAL); at >= 0; at = bytes.indexOf(ORIGINAL, at + 1), places++) bytes.write(ALTERED, at);
  expect(places).toBeGreaterThan(0);
  await writeFile(file, bytes);
}

function path(name: string): string {
  return join(directory.path, name);
}
