// Two agents as processes, over a cluster, a store and hosts that all misbehave: a minute here, half an hour with full counts. And a copy of the whole setup beside it.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AgentStatus } from "../../src/agent/status.ts";
import { runCli } from "../support/cli.ts";
import { runs, SEED } from "../support/counts.ts";
import { etcdutl, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany } from "../support/etcd-data.ts";
import { randomNumbers } from "../support/random-history.ts";
import { leaseHistory, requireFlat, requireNoMissedPoint, requireOneHolder, requireOneWriter, requirePublishedByHolder } from "./agent-soak-checks.ts";
import { type SoakProxy, startSoakProxy } from "./agent-soak-proxy.ts";
import { type Soak, SoakAgent, startSoak } from "./agent-soak-setup.ts";
import { Storm, TAKE_OVER_LIMIT_MS } from "./agent-soak-storm.ts";

const MINUTE_MS = 60_000;
/** Of the storm in its long form, which ETCDSAFE_TEST_SOAK_MINUTES shortens; the short one is as long as one takeover and what comes before and after. */
const LONG_MS = Number(process.env["ETCDSAFE_TEST_SOAK_MINUTES"] ?? 30) * MINUTE_MS;
const IS_LONG = runs(0, 1) === 1;
/** How often a save is asked for in the short form; in the long one the schedule alone has to do. */
const ASK_EVERY_MS = 2_000;
/** What a save takes at most where nothing is in the way but other tests; with it, how often an agent looks what is due. */
const SAVE_MS = 25_000;
/** Of hosts' clocks; S3 refuses whoever is off by more than a quarter of an hour. */
const JUMPS_MINUTES = [-12, -3, 3, 12];
const RESTORES = runs(1, 5);

/** Of what is done, and of what varies with time: with the same seed the same things are done in the same order. */
const [random, load] = [randomNumbers(SEED), randomNumbers(SEED + 1)];
let soak: Soak;
let storm: Storm;
let cloneData = "";

beforeAll(async () => {
  soak = await startSoak(load);
  // A save that failed is tried again after a minute, or when the next is due.
  storm = new Storm(soak, { random, load }, IS_LONG ? { askEveryMs: undefined, retryMs: MINUTE_MS + 5_000 } : { askEveryMs: ASK_EVERY_MS, retryMs: 0 });
  cloneData = soak.at("clone/m0");
});
afterAll(async () => {
  await storm?.[Symbol.asyncDispose]();
  await soak?.[Symbol.asyncDispose]();
});

test("of two agents in a storm one writes at a time, no recovery point is missed, nothing grows, and every backup is good", {
  timeout: LONG_MS + 10 * MINUTE_MS,
}, async () => {
  const startedMs = performance.now();
  await Promise.all(soak.agents.map((agent) => agent.start()));
  const first = await storm.writer();
  await first.until(({ catalogue }) => (catalogue?.total ?? 0) > 0, 60_000);
  await storm.start();
  await (IS_LONG ? longStorm() : shortStorm());
  const calmMs = performance.now();
  const [a, b] = soak.agents;
  const isSaved = () => [...a.proxy.puts, ...b.proxy.puts].some(({ key, beganMs }) => key.endsWith("/manifest.json") && beganMs > calmMs);
  while (!isSaved() && performance.now() - calmMs < 3 * MINUTE_MS) await sleep(100);
  expect(isSaved()).toBe(true);
  await storm.stop();
  // Whoever stops cleanly leaves nothing.
  const printed = await Promise.all(soak.agents.map((agent) => agent.end("SIGTERM")));
  expect(printed.join("\n")).not.toMatch(/\n\s+at |"code":"INTERNAL"/);

  const puts = soak.agents.flatMap(({ proxy }) => proxy.puts);
  const history = leaseHistory(puts);
  const changes = requireOneHolder(history);
  const points = requirePublishedByHolder(puts, history);
  const both = requireOneWriter(storm.samples, history);
  const period = { periodMs: IS_LONG ? MINUTE_MS : ASK_EVERY_MS, saveMs: SAVE_MS };
  const longestMs = requireNoMissedPoint(
    points.map(({ atMs }) => atMs),
    storm.disturbances,
    period,
  );
  const processes = soak.agents.flatMap(({ name, usage }) => [...usage.values()].map((samples) => `agent ${name}: ${requireFlat(samples)}`));
  const figures = {
    ...{ disturbances: storm.disturbances.length, writes: storm.writes, compactions: storm.compactions, asked: storm.asked, certificates: soak.rotations },
    ...{ leaseChanges: changes, bothSaidWriter: both, looks: storm.samples.length, points: points.length, longestMs: Math.round(longestMs) },
    ...{ failures: storm.failures, seconds: Math.round((performance.now() - startedMs) / 1000) },
    ...{ slowestAnswerMs: soak.agents.map(({ slowestAnswerMs }) => Math.round(slowestAnswerMs)), requests: soak.agents.map(({ proxy }) => proxy.requests) },
  };
  console.log(`soak, seed ${SEED}: ${JSON.stringify(figures)}\n${processes.join("\n")}`);
  expect(changes).toBeGreaterThanOrEqual(2);
  expect(soak.rotations).toBeGreaterThanOrEqual(3);
  await nothingIsHalf();
});

test("a copy of the whole setup that boots beside it changes nothing in the repository, and keeps its agents from nothing", {
  timeout: 4 * MINUTE_MS,
}, async () => {
  const [planned] = (await planMembers(1, soak.at("clone"), "https")) as [Awaited<ReturnType<typeof planMembers>>[0]];
  const members = [{ ...planned, dataDir: cloneData }];
  await using clone = await startCluster({ members, directory: soak.at("clone"), tls: soak.tls, extraArgs: ["--force-new-cluster"], electionTimeoutMs: 100 });
  await using proxy: SoakProxy = await startSoakProxy(soak.server.url, load, () => agent.pid);
  const surroundings = { proxy, env: soak.server.env, clockPath: soak.at("clock-clone") };
  const agent: SoakAgent = new SoakAgent("clone", soak.agentArguments(clone.endpoints, proxy.url), surroundings);
  await using _ = agent;
  // As production, it has gone on.
  const ahead = await currentRevision(await soak.cluster.client());
  const [client, value] = [await clone.client(), randomUUID()];
  while ((await currentRevision(client)) <= ahead)
    await putMany(
      client,
      Array.from({ length: 500 }, (_, index) => ({ key: `clone-${index}`, value })),
    );

  const [production] = soak.agents;
  await production.start();
  await production.until(({ role }) => role === "writer", TAKE_OVER_LIMIT_MS);
  await agent.start();
  await agent.until(({ role, lease }) => role === "standby" && lease.holder !== null, 30_000);
  await Promise.all([agent.end("SIGTERM"), production.end("SIGTERM")]);

  // By its ids and URLs it is the same cluster: its first save shows that it is not, and then it lets go.
  const before = await contents();
  await agent.start();
  const isRefused = ({ role, lease }: AgentStatus) => role === "standby" && lease.error?.code === "CLUSTER_MISMATCH";
  await agent.until((status) => status.role === "writer" || isRefused(status), 30_000);
  await agent.ask("/backups"); // Unless the schedule was first.
  const refused = await agent.until(isRefused, 60_000);
  expect(refused.lease.error!.message).toMatch(/hold different data at revision \d+/);
  expect((await agent.ask("/backups")).status).toBe(409);
  // That it tried is on record; what it read back meanwhile was good or bad whoever read it.
  expect(changesOf(before, await contents(), /\/attempts\/|\/verifications\//)).toEqual(["etcd/default/writer.json"]);
  await production.start();
  await production.until(({ role }) => role === "writer", 20_000);
  expect((await production.ask("/backups")).status).toBeLessThan(300);
  await production.until(({ tasks }) => tasks.some(({ kind, last }) => kind === "save" && last?.state === "done"), 60_000);
  await Promise.all([agent.end("SIGTERM"), production.end("SIGTERM")]);

  // With a URL of its own, it never gets as far as the lease.
  const [id] = (await clone.etcdctl(["member", "list", "-w", "simple"])).split(",");
  await clone.etcdctl(["member", "update", id!, "--peer-urls", planned.peerUrl]);
  const untouched = await contents();
  await agent.start();
  const { lease } = await agent.until(isRefused, 30_000);
  expect(lease.error!.message).toMatch(/had the peer URLs .* and now has/);
  await agent.end("SIGTERM");
  expect(changesOf(untouched, await contents())).toEqual([]);
});

/** In order, because there is time for one takeover alone; what happens at which moment is random all the same. */
async function shortStorm(): Promise<void> {
  await Promise.all([storm.storeTrouble(4_000), storm.memberKilled(random.integer(0, 2_000), cloneData)]);
  await sleep(random.integer(0, 3_000));
  await storm.writerLost(random.pick(["suspended", "killed"]), async () => {
    const [a, b] = soak.agents;
    const jump = storm.clockJump(random.pick([a, b]), random.pick(JUMPS_MINUTES) * MINUTE_MS, random.integer(10_000, 30_000));
    await Promise.all([jump, storm.memberAdded(), storm.storeTrouble(5_000)]);
    await storm.memberKilled(random.integer(0, 2_000));
  });
  await sleep(random.integer(2_000, 4_000));
  await storm.storeTrouble(3_000);
  await storm.writerStopped();
}

/** Processes live on in the second half, so that what grows shows. */
async function longStorm(): Promise<void> {
  const startedMs = performance.now();
  const passedMs = () => performance.now() - startedMs;
  await storm.memberKilled(2_000, cloneData);
  await storm.memberAdded();
  const agentTrouble = async () => {
    while (passedMs() < LONG_MS - 2 * MINUTE_MS) {
      await sleep(random.integer(60_000, 180_000));
      const isEarly = passedMs() < LONG_MS * 0.4;
      const kind = isEarly ? random.pick(["suspended", "killed", "stopped"] as const) : "suspended";
      await (kind === "stopped" ? storm.writerStopped() : storm.writerLost(kind));
    }
  };
  const otherTrouble = async () => {
    while (passedMs() < LONG_MS - MINUTE_MS) {
      await sleep(random.integer(5_000, 25_000));
      const jump = () => storm.clockJump(random.pick(soak.agents), random.pick(JUMPS_MINUTES) * MINUTE_MS, random.integer(20_000, 90_000));
      await random.pick([() => storm.storeTrouble(random.integer(2_000, 20_000)), () => storm.memberKilled(random.integer(0, 10_000)), jump])();
    }
  };
  await Promise.all([agentTrouble(), otherTrouble()]);
  await sleep(Math.max(0, LONG_MS - passedMs()));
}

/** What is listed is good, a few are restored and hold what they say, and what else is there one plan of `repo gc` names. */
async function nothingIsHalf(): Promise<void> {
  const listed = (JSON.parse(await etcdsafe("list", "-o", "json")).backups as { id: string; state: string }[]).map(({ id }) => id);
  expect(listed.length).toBeGreaterThan(0);
  const { verified } = JSON.parse(await etcdsafe("verify", "--all", "--level", "structure", "-o", "json"));
  expect(verified).toHaveLength(listed.length);
  expect(verified.filter(({ outcome }: { outcome: string }) => outcome !== "passed")).toEqual([]);
  for (let count = 0; count < RESTORES; count++) {
    const id = count === 0 ? listed[0]! : random.pick(listed);
    const path = soak.at(`restored-${count}.db`);
    await etcdsafe("restore", id, "--to-snapshot", path, "--bump-revision", "none");
    const { manifest } = JSON.parse(await etcdsafe("show", id, "-o", "json"));
    const { hash } = JSON.parse(await etcdutl("3.7", ["hashkv", path, "-w", "json"]));
    expect(hash).toBe(manifest.hashKv.hash);
  }
  const { plan } = JSON.parse(await etcdsafe("repo", "gc", "--plan", "-o", "json"));
  const idsOf = (garbage: readonly { backup: string | null }[]) => garbage.map(({ backup }) => backup);
  const named = idsOf([...plan.remove, ...plan.leave]);
  const ids = Object.keys(await contents()).flatMap((key) => /\/(?:backups|uploads|deleting)\/([^/.]+)/.exec(key)?.[1] ?? []);
  expect([...new Set(ids)].filter((id) => !listed.includes(id) && !named.includes(id))).toEqual([]);
  await etcdsafe("repo", "gc");
  const { plan: next } = JSON.parse(await etcdsafe("repo", "gc", "--plan", "-o", "json"));
  expect(next.remove).toEqual([]);
  // What a process that was killed has just been writing counts as dead a little later.
  expect(idsOf(next.leave)).toEqual(idsOf(plan.leave));
  expect(JSON.parse(await etcdsafe("repo", "check", "-o", "json")).findings).toEqual([]);
}

async function etcdsafe(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCli([...args, ...soak.store], { env: soak.server.env, limitMs: 4 * MINUTE_MS });
  if (exitCode !== 0) throw new Error(`etcdsafe ${args.join(" ")} ended with ${exitCode}:\n${stderr}${stdout}`);
  return stdout;
}

/** Every object in the store, by its key, as base64. */
async function contents(): Promise<Record<string, string>> {
  const { client } = soak.server;
  const Bucket = soak.repository.split("/")[2]!;
  const { Contents: listed = [], IsTruncated } = await client.send(new ListObjectsV2Command({ Bucket }));
  expect(IsTruncated ?? false).toBe(false);
  const bodies = listed.map(
    async ({ Key = "" }) => [Key, await (await client.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString("base64")] as const,
  );
  return Object.fromEntries(await Promise.all(bodies));
}

/** Keys of what was added, removed or overwritten. */
function changesOf(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>, except = /^$/): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.filter((key) => before[key] !== after[key] && !except.test(key)).sort();
}
