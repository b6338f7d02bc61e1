// The agent as a process: real etcd, a real store, two of them at once, one that is killed, one that sleeps past its lease, and what it tells meanwhile.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import type { AgentStatus, Job } from "../../src/agent/status.ts";
import { startCli } from "../support/cli.ts";
import type { RunningCommand } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { claimPorts, releasePorts } from "../support/ports.ts";
import { expectExit } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";

const directory = await temporaryDirectory("agent");
const at = (name: string) => join(directory.path, name);
const TOKEN = "a-token-that-is-long-enough-for-anybody";
const LIMIT_MS = 20_000;
/** Until another agent may take over: the lease's expiry, and how often it is looked at. */
const TAKE_OVER_LIMIT_MS = 60_000;
let cluster: EtcdCluster;
let server: S3Server;

beforeAll(async () => {
  [cluster, server] = await Promise.all([startCluster(), startVersitygw()]);
  await putMany(await cluster.client(), [{ key: "k", value: "v" }]);
  await writeFile(at("token"), TOKEN, { mode: 0o600 });
});
afterAll(async () => {
  await server?.stop();
  await cluster?.stop();
  await directory.remove();
});

interface AgentProcess extends AsyncDisposable {
  readonly url: string;
  readonly process: RunningCommand;
  status(): Promise<AgentStatus>;
  /** Waits until the status is so. */
  until(what: (status: AgentStatus) => boolean, limitMs?: number): Promise<AgentStatus>;
  post(path: string): Promise<{ readonly status: number; readonly job: Job }>;
}

async function startAgent(repository: string, ...more: readonly string[]): Promise<AgentProcess> {
  const [port] = (await claimPorts(1)) as [number];
  const listen = ["--listen", `127.0.0.1:${port}`, "--listen-token-file", at("token")];
  const s3 = repository.startsWith("s3:") ? ["--s3-endpoint", server.url, "--s3-path-style", "--unencrypted"] : [];
  const args = ["agent", "--endpoints", cluster.endpoints[0]!, "--repository", repository, ...s3, ...listen, ...more];
  const running = startCli(args, { env: server.env, limitMs: 150_000 });
  const url = `http://127.0.0.1:${port}`;
  await running.printed(/answers at http/);
  const fetched = async (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(LIMIT_MS) });
  const status = async () => (await (await fetched("/status")).json()) as AgentStatus;
  return {
    url,
    process: running,
    status,
    until: async (what, limitMs = LIMIT_MS) => {
      for (const giveUpAt = performance.now() + limitMs; ; await sleep(100)) {
        const now = await status();
        if (what(now)) return now;
        if (performance.now() > giveUpAt) throw new Error(`the agent did not come to that: ${JSON.stringify(now, null, 2)}`);
      }
    },
    post: async (path) => {
      const answer = await fetched(path, { method: "POST", headers: { authorization: `Bearer ${TOKEN}` } });
      return { status: answer.status, job: (await answer.json()) as Job };
    },
    [Symbol.asyncDispose]: async () => {
      running.signal("SIGCONT");
      running.signal("SIGKILL");
      await running.finished;
      await releasePorts([port]);
    },
  };
}

const lastOf = ({ tasks }: AgentStatus, kind: string) => tasks.find((task) => task.kind === kind)!.last;
const done = (kind: string) => (status: AgentStatus) => lastOf(status, kind)?.state === "done";

test("an agent saves a cluster that was never saved at once, does what it is asked for, tells of it, and stops within ten seconds", async () => {
  await using agent = await startAgent(at("first"), "--save-schedule", "@yearly", "--keep-last", "2", "--prune-schedule", "@yearly");
  const first = await agent.until(done("save"));
  expect(first).toMatchObject({ role: "writer", cluster: "default", repositories: [at("first")], configuration: { refused: null } });
  const { backups } = (await agent.until(({ catalogue }) => (catalogue?.total ?? 0) > 0)).catalogue!;
  expect(backups).toMatchObject([{ state: "unconfirmed", verified: null }]);
  for (const path of ["/healthz", "/readyz", "/"]) expect((await fetch(`${agent.url}${path}`)).status, path).toBe(200);

  const asked = await agent.post("/verifications");
  expect([asked.status, asked.job]).toMatchObject([202, { kind: "verify" }]);
  const verified = await agent.until(done("verify"));
  expect(lastOf(verified, "verify")).toMatchObject({ id: asked.job.id, lines: ["1 of 1 read back and good"] });
  expect((await agent.until(({ catalogue }) => catalogue?.backups[0]?.verified?.level === "structure")).catalogue!.total).toBe(1);
  // Whoever asks is told of the newest one as it is now.
  const { job } = await agent.post("/verifications");
  const again = await agent.until((status) => lastOf(status, "verify")?.id === job.id);
  expect(lastOf(again, "verify")).toMatchObject({ state: "done", lines: ["1 of 1 read back and good"] });
  const metrics = await (await fetch(`${agent.url}/metrics`)).text();
  expect(metrics).toMatch(/^etcdsafe_last_verified_timestamp_seconds\{cluster="default",level="structure"\} \d/m);
  expect(metrics).toMatch(/^etcdsafe_writer_lease_state\{cluster="default",role="writer"\} 1$/m);
  const readAt = Number(/^etcdsafe_repository_read_timestamp_seconds\{cluster="default"\} (\d.*)$/m.exec(metrics)?.[1]);
  expect(Math.abs(Date.now() / 1000 - readAt)).toBeLessThan(300);
  expect(metrics).toMatch(/^etcdsafe_next_run_timestamp_seconds\{cluster="default",action="save"\} \d/m);

  // Whoever types a prune meets the agent's lease; its own runs go under it.
  const refused = await expectExit(7, ["prune", "--repository", at("first"), "--keep-last", "1", "--yes"]);
  expect(refused.stderr).toMatch(/agent/);
  const stoppedAt = performance.now();
  agent.process.signal("SIGTERM");
  expect((await agent.process.finished).exitCode).toBe(0);
  expect(performance.now() - stoppedAt).toBeLessThan(10_000);
  await expectExit(0, ["prune", "--repository", at("first"), "--keep-last", "1", "--yes"]);
});

test("an agent that comes back catches up what was missed with one run", async () => {
  const repository = at("missed");
  for (let count = 0; count < 3; count++) await expectExit(0, ["save", "--endpoints", cluster.endpoints[0]!, "--repository", repository]);
  const dated = async (days: number) => {
    const { backups } = JSON.parse((await expectExit(0, ["list", "--repository", repository, "-o", "json"])).stdout);
    for (const { id } of backups as { id: string }[]) {
      const path = join(repository, "default/backups", id, "manifest.json");
      const manifest = JSON.parse(await readFile(path, "utf8"));
      const createdAt = new Date(Date.parse(manifest.createdAt) - days * 86_400_000).toISOString();
      await writeFile(path, `${JSON.stringify({ ...manifest, createdAt }, null, 2)}\n`);
    }
    return backups.length as number;
  };
  expect(await dated(3)).toBe(3);
  await using agent = await startAgent(repository, "--save-schedule", "@daily");
  const { tasks } = await agent.until(done("save"));
  const save = tasks.find(({ kind }) => kind === "save")!;
  expect(Date.parse(save.nextRunAt!)).toBeGreaterThan(Date.now());
  expect((await agent.until(({ catalogue }) => catalogue?.total !== 3)).catalogue!.total).toBe(4);
});

test("SIGHUP ends no agent that is still starting, wherever its options stand; SIGTERM does, and it says nothing of answering", async () => {
  // What an agent needs is loaded after the command line has begun to listen to SIGTERM.
  const starting = (then: string, before: readonly string[] = []) => {
    const preload = `process.on("newListener", (name) => name === "SIGTERM" && ${then})`;
    const args = [
      ...before,
      "agent",
      "--endpoints",
      cluster.endpoints[0]!,
      "--repository",
      at("starting"),
      "--listen",
      "127.0.0.1:0",
      "--listen-token-file",
      at("token"),
    ];
    return startCli(args, { nodeArguments: ["--import", `data:text/javascript,${encodeURIComponent(preload)}`] });
  };
  const hangUp = 'process.kill(process.pid, "SIGHUP")';
  const [hungUp, stopped] = [starting(hangUp), starting('process.nextTick(() => process.kill(process.pid, "SIGTERM"))')];
  const behind = starting(hangUp, ["--log-level", "debug"]);
  for (const agent of [hungUp, behind]) {
    await agent.printed(/answers at http/);
    agent.signal("SIGTERM");
  }
  expect([(await hungUp.finished).exitCode, (await behind.finished).exitCode, await stopped.finished]).toMatchObject([
    0,
    0,
    { exitCode: 0, stderr: expect.stringMatching(/^(warning: SIGTERM: stopping.*\n)?the agent has stopped\n$/) },
  ]);
});

test("a configuration that changes is taken over, and one that is wrong is refused, loudly, and changes nothing", async () => {
  const config = at("agent.yaml");
  await writeFile(config, stringify({ "save-schedule": "@yearly" }));
  await using agent = await startAgent(at("configured"), "--config", config);
  await agent.until(done("save"));
  const scheduleOf = (kind: string) => (status: AgentStatus) => status.tasks.find((task) => task.kind === kind)!.schedule;
  await writeFile(config, stringify({ "save-schedule": "@yearly", "verify-schedule": "@daily" }));
  agent.process.signal("SIGHUP");
  await agent.until((status) => scheduleOf("verify")(status) === "@daily");
  await writeFile(config, stringify({ "save-schedule": "every hour", "verify-schedule": "@weekly" }));
  agent.process.signal("SIGHUP");
  const { configuration, ...refused } = await agent.until((status) => status.configuration.refused !== null);
  expect(configuration.refused!.message).toMatch(/save-schedule .*agent\.yaml:1\): "every hour" .* is no schedule/);
  expect([scheduleOf("save")({ configuration, ...refused }), scheduleOf("verify")({ configuration, ...refused })]).toEqual(["@yearly", "@daily"]);
  await rm(config);
  await writeFile(config, stringify({ "save-schedule": "@monthly" }));
  await agent.until((status) => scheduleOf("save")(status) === "@monthly" && status.configuration.refused === null);
  expect((await agent.status()).tasks.map(({ schedule }) => schedule)).toEqual(["@monthly", null, null]);
});

test("a fault in whom to tell keeps an agent from no save, and each run tells of it until it is mended", async () => {
  const config = at("untold.yaml");
  await writeFile(config, stringify({ "save-schedule": "@yearly", heartbeat: "https://hc.example/hidden" }));
  await using agent = await startAgent(at("untold"), "--config", config);
  const saved = lastOf(await agent.until((status) => lastOf(status, "save") !== null), "save");
  expect(saved).toMatchObject({
    state: "failed",
    failure: { reason: "partly-done", message: expect.stringMatching(/untold\.yaml:2: heartbeat names more than a server/) },
  });
  expect(JSON.parse((await expectExit(0, ["list", "--repository", at("untold"), "-o", "json"])).stdout).backups).toHaveLength(1);
  // The heartbeat is that of the saves.
  await agent.post("/verifications");
  await agent.until(done("verify"));
  await writeFile(config, stringify({ "save-schedule": "@yearly" }));
  agent.process.signal("SIGHUP");
  await agent.process.printed(/the configuration was read again/);
  await agent.post("/backups");
  await agent.until(done("save"));
});

test("of two agents one works; the other takes over when that is killed, and one that slept past its lease publishes nothing", async () => {
  const repository = `s3://${await server.createBucket("plain")}/etcd`;
  await using first = await startAgent(repository, "--save-schedule", "@yearly");
  await first.until(done("save"));
  await using second = await startAgent(repository, "--save-schedule", "@yearly");
  const standby = await second.until(({ lease, catalogue }) => lease.holder !== null && catalogue !== null);
  expect(standby).toMatchObject({ role: "standby", lease: { holder: { pid: first.process.pid } }, catalogue: { total: 1 } });
  expect((await second.post("/backups")).status).toBe(409);

  // It sleeps in the middle of a save: the lease is the other's before it wakes.
  expect((await first.post("/backups")).status).toBe(202);
  first.process.signal("SIGSTOP");
  await second.until(({ role }) => role === "writer", TAKE_OVER_LIMIT_MS);
  const { total } = (await second.until(({ catalogue }) => catalogue !== null)).catalogue!;
  first.process.signal("SIGCONT");
  const woken = await first.until(({ role, lease }) => role === "standby" && lease.holder?.pid === second.process.pid, TAKE_OVER_LIMIT_MS);
  expect(lastOf(woken, "save")).toMatchObject({ state: "failed" });
  expect((await second.post("/backups")).status).toBe(202);
  const after = await second.until((status) => (status.catalogue?.total ?? 0) > total);
  expect(after.catalogue!.total).toBe(total + 1);

  second.process.signal("SIGTERM");
  expect((await second.process.finished).exitCode).toBe(0);
  // Given back, it is free at once.
  await first.until(({ role }) => role === "writer");
  // Whatever hangs, also what does not listen: here the store does.
  process.kill(server.pid, "SIGSTOP");
  const stoppedAt = performance.now();
  first.process.signal("SIGTERM");
  const stopped = await first.process.finished.finally(() => process.kill(server.pid, "SIGCONT"));
  expect(stopped.exitCode).toBe(0);
  expect(performance.now() - stoppedAt).toBeLessThan(10_000);
  expect(stopped.stderr).toMatch(/writer\.json could not be given back, and expires by itself.*\n.*the agent has stopped/);
  const s3 = ["--s3-endpoint", server.url, "--s3-path-style"];
  const { verified } = JSON.parse((await expectExit(0, ["verify", "--all", "--repository", repository, ...s3, "-o", "json"], server.env)).stdout);
  expect(verified).toHaveLength(total + 1);
});
