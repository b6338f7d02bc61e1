import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MemberClient } from "../../../src/cluster/channel.ts";
import { openSnapshot, type SnapshotStream } from "../../../src/cluster/snapshot-stream.ts";
import { status } from "../../../src/cluster/status.ts";
import { type ProxyScript, startProxy } from "../../faults/kit/proxy.ts";
import { SEED } from "../../support/counts.ts";
import { type EtcdCluster, startCluster } from "../../support/etcd.ts";
import { putMany } from "../../support/etcd-data.ts";
import { MINORS_AT_HAND } from "../../support/minors.ts";
import { randomNumbers } from "../../support/random-history.ts";
import { clientOf, soon } from "./members.ts";

const MIB = 1024 * 1024;
const STALL_LIMIT_MS = 400;
/** What one side holds while the other waits: batches, HTTP/2 window, and the buffers of the sockets and of the proxy. */
const IN_FLIGHT_BYTES_MAX = 14 * MIB;
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  const value = randomNumbers(SEED).bytes(256 * 1024);
  await putMany(
    await cluster.client(),
    Array.from({ length: 120 }, (_, index) => ({ key: `k${index}`, value })),
  );
});
afterAll(() => cluster?.stop());

async function withSnapshot<T>(script: ProxyScript, work: (stream: SnapshotStream, client: MemberClient) => Promise<T>): Promise<T> {
  await using proxy = await startProxy(cluster.endpoints[0] as string, script);
  await using client = clientOf({ clientUrl: `http://127.0.0.1:${proxy.port}` });
  await using stream = await openSnapshot(client, { ...soon(), stallLimitMs: STALL_LIMIT_MS });
  return await work(stream, client);
}

async function readAll(stream: SnapshotStream): Promise<Buffer> {
  const slices: Uint8Array[] = [];
  for await (const batch of stream) slices.push(...batch);
  return Buffer.concat(slices);
}

test.each(MINORS_AT_HAND)("snapshot stream of %s: database and hash arrive whole, with the size told before", async (minor) => {
  await using other = minor === "3.7" ? undefined : await startCluster({ minor });
  await using client = clientOf((other ?? cluster).members[0]);
  await using stream = await openSnapshot(client, { ...soon(), stallLimitMs: STALL_LIMIT_MS });
  // A member of 3.6 or later tells it once its cluster has agreed on a version, seconds after its first start.
  expect(stream.storageVersion).toBeOneOf([undefined, ...(minor === "3.4" || minor === "3.5" ? [] : [`${minor}.0`])]);
  const bytes = await readAll(stream);
  expect(bytes.length).toBe(stream.totalSizeBytes);
  expect(bytes.length % 512).toBe(32);
  expect(createHash("sha256").update(bytes.subarray(0, -32)).digest()).toEqual(bytes.subarray(-32));
  expect((await status(client, soon())).dbSizeBytes).toBeGreaterThanOrEqual(bytes.length - 32);
});

test.each([
  ["reset", { cutAfterBytes: 5 * MIB }],
  ["closed in order", { endAfterBytes: 5 * MIB }],
])("snapshot stream: a connection that is %s on the way is ETCD_STREAM_CUT", async (_, toClient) => {
  await expect(withSnapshot({ toClient }, readAll)).rejects.toMatchObject({
    code: "ETCD_STREAM_CUT",
    message: expect.stringMatching(/^http.*: the snapshot stream broke off after \d+ of \d{8} bytes: /),
  });
});

test("snapshot stream: a member that is killed on the way is ETCD_STREAM_CUT", async () => {
  await using client = clientOf(cluster.members[0]);
  await using stream = await openSnapshot(client, { ...soon(), stallLimitMs: 10_000 });
  await cluster.members[0]?.kill();
  await expect(readAll(stream)).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
  await cluster.members[0]?.start();
});

test("snapshot stream: a member that falls silent is ETCD_STREAM_STALLED, before the first chunk and later", async () => {
  const silent = {
    code: "ETCD_STREAM_STALLED",
    message: expect.stringMatching(/: the member sent nothing for 400 ms, after \d+ of \d{8} bytes of the snapshot/),
  };
  await expect(withSnapshot({ toClient: { stallAfterBytes: 5 * MIB } }, readAll)).rejects.toMatchObject(silent);
  const early = { code: "ETCD_STREAM_STALLED", message: expect.stringMatching(/: the member sent nothing for 400 ms, before the first chunk/) };
  await expect(withSnapshot({ toClient: { stallAfterBytes: 1000 } }, readAll)).rejects.toMatchObject(early);
});

test("snapshot stream: a member that does not even begin to answer is ETCD_STREAM_STALLED", async () => {
  await using client = clientOf(cluster.members[0]);
  await status(client, soon());
  cluster.members[0]?.pause();
  try {
    await expect(openSnapshot(client, { ...soon(), stallLimitMs: STALL_LIMIT_MS })).rejects.toMatchObject({
      code: "ETCD_STREAM_STALLED",
      message: expect.stringMatching(/: the member sent nothing for 400 ms, before the first chunk of the snapshot/),
    });
  } finally {
    cluster.members[0]?.resume();
  }
});

test("snapshot stream: a reader that stops taking is ETCD_STREAM_STALLED, and etcd has sent little more than was taken", async () => {
  await using proxy = await startProxy(cluster.endpoints[0] as string);
  await using client = clientOf({ clientUrl: `http://127.0.0.1:${proxy.port}` });
  await using stream = await openSnapshot(client, { ...soon(), stallLimitMs: STALL_LIMIT_MS });
  const batches = stream[Symbol.asyncIterator]();
  await batches.next();
  await sleep(STALL_LIMIT_MS / 2);
  expect((await status(client, soon())).version).toMatch(/^3\.7/); // Other calls over the same connection are not held up.
  const sent = proxy.passedBytes.toClient;
  expect(sent).toBeLessThan(IN_FLIGHT_BYTES_MAX);
  await sleep(STALL_LIMIT_MS);
  expect(proxy.passedBytes.toClient - sent).toBeLessThan(MIB);
  await expect(batches.next()).rejects.toMatchObject({ code: "ETCD_STREAM_STALLED", message: expect.stringContaining("nobody took what the member had sent") });
});

test("snapshot stream: a slow reader is waited for as long as it goes on taking", async () => {
  const bytes = await withSnapshot({}, async (stream) => {
    let sizeBytes = 0;
    for await (const batch of stream) {
      for (const slice of batch) sizeBytes += slice.length;
      if (sizeBytes < 3 * MIB) await sleep(STALL_LIMIT_MS / 4); // In all longer than the limit, and each pause so much shorter that a busy machine keeps to it.
    }
    return sizeBytes - stream.totalSizeBytes;
  });
  expect(bytes).toBe(0);
});

test("snapshot stream: aborting, leaving the loop and closing end the call on both sides at once", async () => {
  const member = cluster.members[0];
  const ended = async () => {
    const metrics = await (await fetch(`${member?.metricsUrl}/metrics`)).text();
    const rows = metrics.matchAll(/^grpc_server_handled_total\{grpc_code="(\w+)",grpc_method="Snapshot",.* (\d+)$/gm);
    return [...rows].reduce((sum, [, code, count]) => sum + (code === "OK" ? 0 : Number(count)), 0);
  };
  const endings: ((stream: SnapshotStream, abort: AbortController) => Promise<unknown>)[] = [
    async (stream, abort) => {
      await stream[Symbol.asyncIterator]().next();
      abort.abort(new Error("enough"));
      await expect(readAll(stream)).rejects.toThrow("enough");
    },
    async (stream) => {
      for await (const _ of stream) break;
      await expect(readAll(stream)).rejects.toMatchObject({ code: "INTERNAL" });
    },
    (stream) => stream.close(),
  ];
  await using client = clientOf(member);
  for (const end of endings) {
    const before = await ended();
    const abort = new AbortController();
    const stream = await openSnapshot(client, { signal: abort.signal, stallLimitMs: 10_000 });
    await end(stream, abort);
    while ((await ended()) !== before + 1) await sleep(10);
  }
  const aborted = AbortSignal.abort(new Error("no longer wanted"));
  await expect(openSnapshot(client, { signal: aborted, stallLimitMs: 1000 })).rejects.toThrow("no longer wanted");
});
