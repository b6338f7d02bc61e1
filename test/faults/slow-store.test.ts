// A store that stands still must not slow etcd down: it holds no read transaction, which would make a defragmentation block every write.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Etcd3 } from "etcd3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RepositoryTarget } from "../../src/backup/repository-target.ts";
import { type SaveRequest, save } from "../../src/backup/save.ts";
import { openMember } from "../../src/cluster/channel.ts";
import type { ConnectionOptions } from "../../src/cluster/connection-options.ts";
import { openSnapshot } from "../../src/cluster/snapshot-stream.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { startCli } from "../support/cli.ts";
import { SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { randomNumbers } from "../support/random-history.ts";
import { report } from "../support/report.ts";
import { logLines, quietRuntime } from "../support/saving.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { harmed } from "./kit/harmed-storage.ts";
import { stallingStorage } from "./kit/storages.ts";

const AUTHOR = { tool: { name: "etcdsafe", version: "0.1.0" }, writer: { host: "test", pid: 1 } };
/** More than all buffers between etcd and a reader that reads nothing. */
const DATABASE_MEBIBYTES = 40;
const PUTS_MIN = 10;

let directory: TemporaryDirectory;
let cluster: EtcdCluster;
let client: Etcd3;
let connection: ConnectionOptions;

beforeAll(async () => {
  directory = await temporaryDirectory("slow-store");
  cluster = await startCluster();
  client = await cluster.client();
  connection = { endpoints: cluster.endpoints, dialTimeoutMs: 2_000, commandTimeoutMs: 5_000 };
  const random = randomNumbers(SEED);
  const values = Array.from({ length: DATABASE_MEBIBYTES }, (_, index) => ({ key: `big-${index}`, value: random.bytes(65_536) }));
  await putMany(
    client,
    values.map(({ key, value }) => ({ key, value: Buffer.concat(Array(16).fill(value)) })),
  );
});

afterAll(async () => {
  await cluster?.stop();
  await directory?.remove();
});

test("a snapshot stream that nobody reads makes a defragmentation block every put: what the spool is for", async () => {
  const member = openMember(cluster.endpoints[0]!, connection);
  const { signal } = new AbortController();
  await using _closed = member;
  const stream = await openSnapshot(member, { signal, stallLimitMs: 60_000 });
  const work = defragmentAndPut();
  const finished = await Promise.race([work, sleep(2_000, undefined)]);
  await stream.close();
  expect(finished).toBeUndefined();
  await work;
});

test("a store that stands still while etcd takes puts and a defragmentation: the puts do not wait", async () => {
  const inner = new MemoryStorage();
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const storage = harmed(
    inner,
    { operations: ["put"], key: /snapshot\.db/ },
    {
      body: async function* (body) {
        reached.resolve();
        await released.promise;
        yield* body;
      },
    },
  );
  const alone = await defragmentAndPut();
  const saving = save(request(storage, directory.path), options());
  await Promise.race([reached.promise, saving]);
  const endedTooEarly = saving.then(() => Promise.reject(new Error("the save did not wait for its store")));
  const beside = await Promise.race([defragmentAndPut(), endedTooEarly]);
  released.resolve();
  const { saved } = await saving;
  expect(inner.bytesOf(`default/backups/${saved.manifest!.id}/manifest.json`)).toBeDefined();
  report("slowest put during a defragmentation, ms", {
    "no save": Math.round(alone.slowestPutMs),
    "a save's store stands still": Math.round(beside.slowestPutMs),
  });
});

test("a save that is stopped while its store stands still ends, and leaves nothing", async () => {
  const inner = new MemoryStorage();
  const stop = new AbortController();
  const reached = Promise.withResolvers<void>();
  const storage = harmed(
    stallingStorage(inner, { operations: ["put"], key: /snapshot\.db/, afterBytes: 1_000_000 }),
    { key: /snapshot\.db/ },
    {
      before: async () => reached.resolve(),
    },
  );
  const saving = save(request(storage, directory.path), options(stop.signal));
  await Promise.race([reached.promise, saving]);
  await sleep(300);
  stop.abort(new Error("enough"));
  await expect(saving).rejects.toThrow("enough");
  expect(await keysOf(inner)).toEqual(["etcdsafe-repository.json"]);
});

test("without a spool, a store that stands still loses the stream after the stall limit, and etcd works on", async () => {
  const inner = new MemoryStorage();
  const storage = stallingStorage(inner, { operations: ["put"], key: /snapshot\.db/ });
  const saving = save({ ...request(storage, undefined), stallLimitMs: 1_000 }, options());
  const rejected = expect(saving).rejects.toMatchObject({
    code: "ETCD_STREAM_STALLED",
    message: expect.stringContaining("nobody took what the member had sent"),
  });
  await sleep(300);
  await defragmentAndPut();
  await rejected;
  expect((await keysOf(inner)).filter((key) => !key.startsWith("default/attempts/"))).toEqual(["etcdsafe-repository.json"]);
});

test("without a spool, a reader of standard output that stands still loses the stream after the stall limit", async () => {
  const args = ["save", "--endpoints", cluster.endpoints[0]!, "--output", "-", "--stall-limit", "1s", "--log-format", "json"];
  const saving = startCli(args);
  saving.child.stdout?.pause();
  const ended = new Promise<number | null>((resolve) => saving.child.once("exit", resolve));
  expect(await ended).toBe(4);
  saving.child.stdout?.resume();
  const { stderr } = await saving.finished;
  expect(logLines(stderr).find(({ code }) => code !== undefined)).toMatchObject({ code: "ETCD_STREAM_STALLED" });
  await defragmentAndPut();
});

/** Puts one after the other while a defragmentation goes on, and a few more. */
async function defragmentAndPut(): Promise<{ slowestPutMs: number }> {
  let defragmented = false;
  const defragmenting = cluster.etcdctl(["defrag", "--command-timeout", "60s"]).finally(() => {
    defragmented = true;
  });
  let slowestPutMs = 0;
  let puts = 0;
  for (; !defragmented || puts < PUTS_MIN; puts++) {
    const startedAt = performance.now();
    await client.put("small").value(String(puts));
    slowestPutMs = Math.max(slowestPutMs, performance.now() - startedAt);
  }
  await defragmenting;
  return { slowestPutMs };
}

function request(storage: Storage, spoolDirectory: string | undefined): SaveRequest {
  const target = new RepositoryTarget({
    storage,
    author: AUTHOR,
    cluster: "default",
    compareEveryMs: undefined,
    encryption: "not-said",
    isOnThisHost: true,
    signing: undefined,
  });
  const spool = spoolDirectory === undefined ? undefined : join(spoolDirectory, "spool");
  if (spool !== undefined) mkdirSync(spool, { recursive: true });
  return { connection, checkMembers: "all", stallLimitMs: 30_000, spoolDirectory: spool, target };
}

function options(signal: AbortSignal = new AbortController().signal) {
  return { signal, runtime: quietRuntime };
}

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list("", options())) keys.push(key);
  return keys;
}
