// What a network, a dying member and an operator do to a save. Whatever it is: nothing half done is listed or left, and the error says what happened.
import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { runCli, startCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { runs, SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { randomNumbers } from "../support/random-history.ts";
import { report } from "../support/report.ts";
import { expectExit, filesBelow, listedBackups, logLines, saveArguments } from "../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { type ProxyFaults, startProxy, type TcpProxy } from "./kit/proxy.ts";
import { signalAtPhase } from "./kit/signal-at-phase.ts";

/** By then the first chunk, 32 KiB, has arrived. */
const STREAMING_AT_BYTES = 70_000;
const HELD_LIMIT_MS = 20_000;

let directory: TemporaryDirectory;
let cluster: EtcdCluster;
let streamBytes: number;
let repository: string;
let spool: string;
let runNumber = 0;

beforeAll(async () => {
  directory = await temporaryDirectory("network");
  spool = join(directory.path, "spool");
  await mkdir(spool);
  cluster = await startCluster();
  await writeSome(cluster);
  const { stdout } = await expectExit(0, saveArguments(cluster.endpoints, join(directory.path, "first")));
  streamBytes = JSON.parse(stdout).manifest.snapshot.dataSizeBytes;
});

beforeEach(() => {
  repository = join(directory.path, `repository-${runNumber++}`);
});

afterAll(async () => {
  await cluster?.stop();
  await directory?.remove();
});

test("a stream that is cut, or ends early, at any byte: exit code 4, and nothing is listed", async () => {
  const places = [2_000, STREAMING_AT_BYTES, ...spread(runs(1, 40)), streamBytes];
  const faults = [...places.map((bytes) => ({ cutAfterBytes: bytes })), ...spread(runs(1, 10)).map((bytes) => ({ endAfterBytes: bytes }))];
  for (const toClient of faults) {
    const result = await saveThrough({ toClient });
    expect(errorOf(result), JSON.stringify(toClient)).toMatchObject({ exitCode: 4, code: "ETCD_STREAM_CUT" });
    await nothingIsLeft();
  }
});

test("a stream that stands still is given up after the stall limit", async () => {
  const startedAt = performance.now();
  const result = await saveThrough({ toClient: { stallAfterBytes: Math.floor(streamBytes / 2) } }, ["--stall-limit", "1s"]);
  expect(errorOf(result)).toMatchObject({ exitCode: 4, code: "ETCD_STREAM_STALLED", message: expect.stringContaining("the member sent nothing for 1000 ms") });
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  await nothingIsLeft();
});

test("a byte of the database that changes on the way is found, and nothing is listed", async () => {
  const found: Record<string, number> = {};
  const beforeTheStream = Array.from({ length: runs(0, 100) }, (_, index) => index * 10);
  for (const corruptByte of [...beforeTheStream, ...spread(runs(6, 100))]) {
    const result = await saveThrough({ toClient: { corruptByte } });
    const { code = "nothing, being no part of the database" } = errorOf(result);
    found[code] = (found[code] ?? 0) + 1;
    if (result.exitCode === 0) {
      await expectExit(0, ["verify", "latest", "--repository", repository]);
      repository = join(directory.path, `repository-${runNumber++}`);
      continue;
    }
    expect([4, 6], `byte ${corruptByte}: ${result.stderr}`).toContain(result.exitCode);
    await nothingIsLeft();
  }
  report("a changed byte was found as", found);
  expect(found).toHaveProperty("SNAPSHOT_HASH_MISMATCH");
});

test("two saves to the same file at once: both end well, the last with its name, and nothing else is left", async () => {
  const output = join(directory.path, "same", "etcd.db");
  await mkdir(dirname(output));
  await using proxy = await startProxy(cluster.endpoints[0]!, { toClient: { stallAfterBytes: Math.floor(streamBytes / 2) } });
  const held = startCli(["save", "--endpoints", urlOf(proxy), "--output", output]);
  await untilOneHas([proxy], Math.floor(streamBytes / 2));
  await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--output", output]);
  await expectExit(0, ["verify", output]);
  const { ino } = await stat(output);
  proxy.change({});
  const { exitCode, stderr } = await held.finished;
  expect(exitCode, stderr).toBe(0);
  expect((await stat(output)).ino).not.toBe(ino);
  await expectExit(0, ["verify", output]);
  expect(await readdir(dirname(output))).toEqual(["etcd.db"]);
});

test("a member that dies while it streams: the save goes on with another, and says so", async () => {
  const trio = await startCluster({ size: 3 });
  onTestFinished(() => trio.stop()); // Also after a time-out, which ends no `using`.
  await writeSome(trio);
  const held: ProxyFaults = { toClient: { stallAfterBytes: Math.floor(streamBytes / 2) } };
  const proxies = await Promise.all(trio.members.map((member) => startProxy(member.clientUrl, held)));
  try {
    const saving = startCli(saveArguments(proxies.map(urlOf), repository, "--spool-dir", spool));
    await saving.printed(/"phase":"stream"/);
    const serving = await untilOneHas(proxies, Math.floor(streamBytes / 2));
    await trio.members[serving]!.kill();
    for (const proxy of proxies) proxy.change({});
    const { exitCode, stdout, stderr } = await saving.finished;
    expect(exitCode, stderr).toBe(0);
    const { manifest } = JSON.parse(stdout);
    const dead = trio.members[serving]!.name;
    expect(manifest).toMatchObject({ state: "proven", quorumSeen: true });
    expect(manifest.servingMember.name).not.toBe(dead);
    const { outcome } = manifest.comparison.members.find(({ name }: { name: string }) => name === dead);
    expect(outcome).toBe("unreachable");
    const warning = logLines(stderr).find(({ level, message }) => level === "warn" && message.includes("; trying "));
    expect(warning?.message).toContain(`${urlOf(proxies[serving]!)}: the snapshot stream broke off after`);
    const attempt = Object.entries(await filesBelow(repository)).find(([name]) => name.startsWith("default/attempts/"))?.[1] ?? "";
    expect(JSON.parse(Buffer.from(attempt, "base64").toString())).toMatchObject({ phase: "stream", failure: { code: "ETCD_STREAM_CUT" } });
    await expectExit(0, ["verify", "latest", "--repository", repository]);
  } finally {
    for (const proxy of proxies) await proxy.close();
  }
});

test("a member that stands still while it streams: it is given up, and not waited for again", async () => {
  const trio = await startCluster({ size: 3 });
  onTestFinished(() => trio.stop()); // Also after a time-out, which ends no `using`.
  await writeSome(trio);
  const held: ProxyFaults = { toClient: { stallAfterBytes: Math.floor(streamBytes / 2) } };
  const proxies = await Promise.all(trio.members.map((member) => startProxy(member.clientUrl, held)));
  try {
    const saving = startCli(saveArguments(proxies.map(urlOf), repository, "--spool-dir", spool, "--stall-limit", "1s"));
    await saving.printed(/"phase":"stream"/);
    const serving = await untilOneHas(proxies, Math.floor(streamBytes / 2));
    trio.members[serving]!.pause();
    for (const proxy of proxies) proxy.change({});
    const pausedAtMs = performance.now();
    const { exitCode, stdout, stderr } = await saving.finished;
    expect(exitCode, stderr).toBe(0);
    expect(performance.now() - pausedAtMs).toBeLessThan(25_000);
    const { manifest } = JSON.parse(stdout);
    const { name } = trio.members[serving]!;
    const silent = manifest.comparison.members.find((each: { name: string }) => each.name === name);
    expect(silent).toMatchObject({ outcome: "unreachable", why: expect.stringMatching(/; before that, .*: the member sent nothing for 1000 ms, after /) });
    expect(logLines(stderr).map(({ message }) => message)).toContain(`waiting for the HashKV of ${name}, for up to 5 s if it gives no sign of life`);
  } finally {
    for (const member of trio.members) member.resume();
    for (const proxy of proxies) await proxy.close();
  }
});

for (const [name, exitCode] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`${name} stops a save in any phase: exit code ${exitCode}, and nothing is left`, async () => {
    for (const [stallAfterBytes, until] of [
      [400, /^/],
      [Math.floor(streamBytes / 2), /"phase":"stream"/],
    ] as const) {
      await using proxy = await startProxy(cluster.endpoints[0]!, { toClient: { stallAfterBytes } });
      const saving = startCli(saveArguments(urlOf(proxy), repository, "--spool-dir", spool));
      await untilOneHas([proxy], stallAfterBytes);
      await saving.printed(until);
      saving.signal(name);
      expect(errorOf(await saving.finished)).toMatchObject({ exitCode, code: "INTERRUPTED", message: `stopped by ${name}` });
      await nothingIsLeft();
    }
    for (const phase of ["check", "upload", "manifest"]) {
      const args = saveArguments(cluster.endpoints, repository, "--spool-dir", spool);
      const result = await runCli(args, { nodeArguments: signalAtPhase(phase, name) });
      expect(errorOf(result), `${phase}: ${result.stderr}`).toMatchObject({ exitCode, code: "INTERRUPTED", message: `stopped by ${name}` });
      await nothingIsLeft();
    }
  });
}

async function saveThrough(faults: ProxyFaults, more: readonly string[] = []): Promise<CommandResult> {
  await using proxy = await startProxy(cluster.endpoints[0]!, faults);
  return await runCli(saveArguments(urlOf(proxy), repository, "--spool-dir", spool, ...more));
}

/** Nothing is listed, and of the attempt there is no more than its record. */
async function nothingIsLeft(): Promise<void> {
  expect(await listedBackups(repository).catch((error: { code: string }) => error.code)).toSatisfy(
    (listed: unknown) => listed === "REPOSITORY_NOT_FOUND" || (listed as unknown[]).length === 0,
  );
  const files = Object.keys(await filesBelow(repository));
  expect(files.filter((path) => path !== "etcdsafe-repository.json" && !path.startsWith("default/attempts/"))).toEqual([]);
  expect(await readdir(spool).catch(() => [])).toEqual([]);
}

/** Resolves to the index of the first proxy through which so many bytes came to the client. */
async function untilOneHas(proxies: readonly TcpProxy[], bytes: number): Promise<number> {
  for (const giveUpAt = performance.now() + HELD_LIMIT_MS; performance.now() < giveUpAt; await sleep(5)) {
    const index = proxies.findIndex(({ passedBytes }) => passedBytes.toClient >= bytes);
    if (index >= 0) return index;
  }
  throw new Error(`no member sent ${bytes} bytes`);
}

function errorOf({ exitCode, stderr }: CommandResult) {
  return { ...logLines(stderr).find(({ code }) => code !== undefined), exitCode };
}

/** Places within the stream, in bytes from the connection's start. */
function spread(count: number): number[] {
  return Array.from({ length: count }, (_, index) => STREAMING_AT_BYTES + Math.floor(((index + 0.5) * (streamBytes - STREAMING_AT_BYTES)) / count));
}

async function writeSome(target: EtcdCluster): Promise<void> {
  const random = randomNumbers(SEED);
  const values = Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: random.bytes(50_000) }));
  await putMany(await target.client(), values);
}

function urlOf({ port }: TcpProxy): string {
  return `http://127.0.0.1:${port}`;
}
