// SIGKILL in every phase of a save. Whatever moment it hits: no half backup is listed, nothing that was good is lost, the next save works.
import { mkdir, readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyBackups } from "../../src/verify/verify.ts";
import { runCli, startCli } from "../support/cli.ts";
import type { RunningCommand } from "../support/command.ts";
import { runs, SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { randomNumbers } from "../support/random-history.ts";
import { report } from "../support/report.ts";
import { expectExit, lastPhase, listedBackups, openedRepository, quietRuntime, saveArguments } from "../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import type { Effect } from "./kit/crash-effects.ts";
import { forEachCrashPoint } from "./kit/for-each-crash-point.ts";
import { startProxy } from "./kit/proxy.ts";

const PHASES = ["connect", "stream", "check", "upload", "manifest"] as const;
type Phase = (typeof PHASES)[number];

const KILLS_PER_PHASE = runs(10, 25);
/** What the member has sent by the time the snapshot begins, in bytes; measured: about 1000. */
const CONNECTED_AT_BYTES = 700;
/** By then the first chunk, 32 KiB, has arrived. */
const STREAMING_AT_BYTES = 70_000;
const HELD_LIMIT_MS = 20_000;

const kills: Record<Phase, number> = { connect: 0, stream: 0, check: 0, upload: 0, manifest: 0 };
/** Backups that were there before a kill, or survived one: these must stay. */
const good = new Set<string>();
let directory: TemporaryDirectory;
let cluster: EtcdCluster;
let repository: string;
let spool: string;
let streamBytes: number;

beforeAll(async () => {
  directory = await temporaryDirectory("kills");
  repository = join(directory.path, "repository");
  spool = join(directory.path, "spool");
  await Promise.all([mkdir(spool), mkdir(join(directory.path, "crash-spool"))]);
  cluster = await startCluster();
  const random = randomNumbers(SEED);
  const values = Array.from({ length: 30 }, (_, index) => ({ key: `key-${index}`, value: random.bytes(50_000) }));
  await putMany(await cluster.client(), values);
  const { stdout } = await expectExit(0, save(endpoint()));
  streamBytes = JSON.parse(stdout).manifest.snapshot.dataSizeBytes;
  await nothingIsHalf();
  expect(good.size).toBe(1);
});

afterAll(async () => {
  await cluster?.stop();
  await directory?.remove();
});

test.concurrent("a save killed while it connects or streams leaves no backup", async () => {
  for (let index = 0; index < KILLS_PER_PHASE; index++) await killHeldAt(Math.floor((index * CONNECTED_AT_BYTES) / KILLS_PER_PHASE), "connect");
  for (let index = 0; index < KILLS_PER_PHASE; index++) {
    await killHeldAt(STREAMING_AT_BYTES + Math.floor((index * (streamBytes - STREAMING_AT_BYTES)) / KILLS_PER_PHASE), "stream");
  }
  await nothingIsHalf();
});

test.concurrent("a save killed while it checks leaves no backup", async () => {
  for (let tries = 0; kills.check < KILLS_PER_PHASE && tries < 3 * KILLS_PER_PHASE; tries++) {
    const saving = startCli(save(endpoint()));
    await saving.printed(/"phase":"check"/);
    await sleep((tries % 10) * 10);
    await kill(saving);
  }
  await nothingIsHalf();
});

test.concurrent("a save killed at any of its writes to the repository leaves a whole backup or none", async () => {
  let number = 0;
  const counted: { index: number }[] = [];
  const summary = await forEachCrashPoint(
    // A name of its own each time, so that binding it is among what is interrupted.
    (crash) => runCli([...save(endpoint(), `${directory.path}/crash-spool`), "--cluster", `crash-${number++}`], crash),
    async ({ signal }, point) => {
      await nothingIsHalf();
      for (const name of await readdir(join(directory.path, "crash-spool"))) {
        expect((await stat(join(directory.path, "crash-spool", name))).size, "what a killed save left in the spool's directory").toBe(0);
      }
      if (signal === "SIGKILL" && point !== undefined) counted.push({ index: point.at - 1 });
    },
    { limit: runs(40, 1_000), match: { path: `^${directory.path}/(repository|crash-spool)/` } },
  );
  for (const { index } of counted) kills[phaseOfEffect(summary.effects, index)]++;
});

test("afterwards: every phase was hit, all that is listed is good, nothing is left in the spool, and saving goes on", async () => {
  report("kills by phase", kills);
  for (const phase of PHASES) expect(kills[phase], phase).toBeGreaterThanOrEqual(KILLS_PER_PHASE);
  expect(await readdir(spool)).toEqual([]);
  const { stdout } = await expectExit(0, save(endpoint()));
  expect(JSON.parse(stdout).manifest).toMatchObject({ timelineBegan: null });
  await expectExit(0, ["verify", "--all", "--all-clusters", "--repository", repository]);
  await nothingIsHalf();
});

test("one garbage collection removes all that the killed have left, once their markers are old, and nothing else", async () => {
  const at = ["repo", "gc", "--repository", repository, "-o", "json"];
  const tooEarly = JSON.parse((await expectExit(0, at)).stdout);
  expect(tooEarly.leave).toContainEqual(
    expect.objectContaining({
      reason: expect.stringMatching(/^it was being written, by .*, which is no process of this host any more.* counts as dead after 2/),
    }),
  );
  await nothingIsHalf();
  await setBack(/\/uploads\//, 200_000);
  await setBack(/^\.etcdsafe\/unfinished\//, 4_000_000);
  const { removed, leave, failed } = JSON.parse((await expectExit(0, at)).stdout);
  expect({ leave, failed }).toEqual({ leave: [], failed: [] });
  report("removed by one garbage collection", { "of backups": removed.length });
  expect(JSON.parse((await expectExit(0, ["repo", "check", "--repository", repository, "-o", "json"])).stdout)).toMatchObject({ findings: [] });
  expect(await readdir(join(repository, ".etcdsafe/unfinished"))).toEqual([]);
  // An empty directory is no object.
  const left = (await readdir(repository, { recursive: true })).flatMap((path) => /\/backups\/([^/]+)\/[^/]+$/.exec(path)?.[1] ?? []);
  expect([...new Set(left)].sort()).toEqual([...good].sort());
  await nothingIsHalf();
});

/** Lets time pass for these files. */
async function setBack(which: RegExp, ageMs: number): Promise<void> {
  const time = new Date(Date.now() - ageMs);
  for (const path of await readdir(repository, { recursive: true })) if (which.test(path)) await utimes(join(repository, path), time, time);
}

/** Lets the save come to where the member has sent so many bytes, holds it there, and kills it. */
async function killHeldAt(bytes: number, expected: Phase): Promise<void> {
  await using proxy = await startProxy(endpoint(), { toClient: { stallAfterBytes: bytes } });
  const saving = startCli(save(`http://127.0.0.1:${proxy.port}`));
  const giveUpAt = performance.now() + HELD_LIMIT_MS;
  while (proxy.connections === 0 || proxy.passedBytes.toClient < bytes) {
    if (performance.now() > giveUpAt) throw new Error(`the save did not get as far as byte ${bytes}`);
    await sleep(5);
  }
  if (expected === "stream") await saving.printed(/"phase":"stream"/);
  await kill(saving);
}

async function kill(saving: RunningCommand): Promise<void> {
  saving.signal("SIGKILL");
  const { signal, stderr } = await saving.finished;
  if (signal === "SIGKILL") kills[lastPhase(stderr) as Phase]++;
}

/** All that is listed passes verification, and what was good is still there. */
async function nothingIsHalf(): Promise<void> {
  const { signal } = new AbortController();
  const listed = (await listedBackups(repository)).map(({ cluster, entry }) => ({ cluster, id: entry.id }));
  const unknown = listed.filter(({ id }) => !good.has(id));
  const author = { tool: { name: "test", version: "0" }, writer: { host: "test", pid: 1 } };
  const options = { runtime: quietRuntime, signal, level: "structure", spoolDirectory: directory.path, stepPrefix: "" } as const;
  const results = await verifyBackups(await openedRepository(repository), unknown, author, options);
  expect(results.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
  const ids = listed.map(({ id }) => id);
  expect([...good].filter((id) => !ids.includes(id))).toEqual([]);
  for (const id of ids) good.add(id);
}

/** By what a save does to files in order: its spool, the upload's marker, the object, then what binds and publishes. */
function phaseOfEffect(effects: readonly Effect[], index: number): Phase {
  const isSpool = (path: string) => path.includes("crash-spool/");
  const [opened, spooled] = [effects.findIndex(({ path }) => isSpool(path)), effects.findLastIndex(({ path }) => isSpool(path))];
  const stored = effects.findIndex(({ kind, path }) => kind === "link" && path.endsWith("/snapshot.db.zst"));
  const tidied = effects.findIndex(({ kind, path }, at) => at > stored && kind === "mkdir" && path.includes("/unfinished/"));
  if (index < opened) return "connect";
  if (index <= spooled) return ["open", "unlink"].includes(effects[index]!.kind) ? "connect" : "stream";
  return index < tidied ? "upload" : "manifest";
}

function save(from: string, into = spool): string[] {
  return saveArguments(from, repository, "--spool-dir", into);
}

function endpoint(): string {
  return cluster.members[0]!.clientUrl;
}
