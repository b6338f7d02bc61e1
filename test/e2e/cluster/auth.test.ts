import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Revision } from "../../../src/bytes/u64.ts";
import type { ConnectionOptions } from "../../../src/cluster/connection-options.ts";
import { hashKv } from "../../../src/cluster/hashkv.ts";
import { linearizableRevision } from "../../../src/cluster/revision.ts";
import { openSnapshot } from "../../../src/cluster/snapshot-stream.ts";
import { leases, memberList, status } from "../../../src/cluster/status.ts";
import { type EtcdCluster, startCluster } from "../../support/etcd.ts";
import { MINORS_AT_HAND } from "../../support/minors.ts";
import { clientOf, soon } from "./members.ts";

const TOKEN_TTL_MS = 2000;
const ROOT = { user: "root", password: "old iron" };
const LATEST = 0n as Revision;
const clusters = new Map<string, EtcdCluster>();

beforeAll(async () => {
  await Promise.all(
    MINORS_AT_HAND.map(async (minor) => {
      const cluster = await startCluster({ minor, extraArgs: ["--auth-token-ttl", String(TOKEN_TTL_MS / 1000), "--bcrypt-cost", "4"] });
      clusters.set(minor, cluster);
      await cluster.etcdctl(["role", "add", "reader"]);
      await cluster.etcdctl(["role", "grant-permission", "reader", "read", "--prefix", ""]);
      await cluster.etcdctl(["user", "add", "ann:secret"]);
      await cluster.etcdctl(["user", "grant-role", "ann", "reader"]);
      await cluster.enableAuth(ROOT.password);
    }),
  );
});
afterAll(() => Promise.all([...clusters.values()].map((cluster) => cluster.stop())));

function member(minor: string, options: Partial<ConnectionOptions>) {
  return clientOf(clusters.get(minor)?.members[0], options);
}

async function snapshotSize(client: ReturnType<typeof member>): Promise<number> {
  await using stream = await openSnapshot(client, { ...soon(), stallLimitMs: 5000 });
  let sizeBytes = 0;
  for await (const batch of stream) for (const slice of batch) sizeBytes += slice.length;
  return sizeBytes;
}

test.concurrent.each(MINORS_AT_HAND)("login on %s: root reads everything, and goes on when its token has expired", async (minor) => {
  await using client = member(minor, ROOT);
  await using another = member(minor, ROOT);
  expect((await status(client, soon())).version).toMatch(`${minor}.`);
  expect(await snapshotSize(another)).toBeGreaterThan(4096);
  await sleep(TOKEN_TTL_MS + 1500);
  expect((await linearizableRevision(client, soon())).revision).toBe(1n);
  expect(await snapshotSize(another)).toBeGreaterThan(4096);
  expect(await hashKv(client, LATEST, soon())).toMatchObject({ compactRevision: -1n });
});

test.each(MINORS_AT_HAND)("login on %s: a token that a change of users made stale is replaced", async (minor) => {
  await using client = member(minor, ROOT);
  await status(client, soon());
  await clusters.get(minor)?.etcdctl(["user", "add", "bob:b"]);
  expect((await linearizableRevision(client, soon())).revision).toBe(1n);
});

test.each(MINORS_AT_HAND)("login on %s: wrong passwords and missing users are ETCD_AUTH_FAILED", async (minor) => {
  await using wrong = member(minor, { user: "root", password: "new iron" });
  const failed = { code: "ETCD_AUTH_FAILED", message: expect.stringMatching(/^http.*: the login of user root failed: etcdserver: authentication failed/) };
  await expect(status(wrong, soon())).rejects.toMatchObject(failed);
  await expect(openSnapshot(wrong, { ...soon(), stallLimitMs: 5000 })).rejects.toMatchObject({ code: "ETCD_AUTH_FAILED" });
  await using nobody = member(minor, {});
  await expect(openSnapshot(nobody, { ...soon(), stallLimitMs: 5000 })).rejects.toMatchObject({
    code: "ETCD_AUTH_FAILED",
    message: expect.stringMatching(/Maintenance\/Snapshot failed: .*user name is empty/),
    hint: expect.stringContaining("--user"),
  });
});

test.each(MINORS_AT_HAND)("login on %s: a reader is denied snapshots and hashes, and gets the rest", async (minor) => {
  await using client = member(minor, { user: "ann", password: "secret" });
  await expect(openSnapshot(client, { ...soon(), stallLimitMs: 5000 })).rejects.toMatchObject({
    code: "ETCD_PERMISSION_DENIED",
    message: expect.stringMatching(/Maintenance\/Snapshot failed: .*permission denied/),
  });
  expect(await hashKv(client, LATEST, soon())).toEqual({ refused: "permission denied" });
  expect((await status(client, soon())).dbSizeBytes).toBeGreaterThan(4096);
  expect((await memberList(client, soon())).members).toHaveLength(1);
  expect(await leases(client, soon())).toEqual([]);
});

test("login: a user does no harm where authentication is off", async () => {
  await using cluster = await startCluster({ minor: "3.6" });
  await using client = clientOf(cluster.members[0], ROOT);
  expect((await status(client, soon())).version).toMatch(/^3\.6\./);
  await cluster.enableAuth(ROOT.password); // And is asked for again once it is on.
  expect((await linearizableRevision(client, soon())).revision).toBe(1n);
});
