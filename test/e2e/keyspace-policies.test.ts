// What a restore changes of alarms, authentication and leases, as a started etcd of each minor shows it. The source has two leases with keys that were
// bound, bound again, freed and deleted, authentication on, and a NOSPACE alarm (test/golden/snapshots/README.md, `compacted`).
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import type { Etcd3 } from "etcd3";
import { expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { ETCD_MINORS, type EtcdMinor } from "../../scripts/provision.ts";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision } from "../support/etcd-data.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly version: string;
  readonly lease: string;
}

test.each(ETCD_MINORS)("etcd %s: alarms, authentication, and the three lease policies", async (minor) => {
  const before = await started(minor, 1, ["--disable-auth", "--keep-alarms", "--bump-revision", "none"], async (cluster, client) => {
    await vi.waitFor(async () => expect(await cluster.etcdctl(["alarm", "list"])).toMatch(/alarm:NOSPACE/), { timeout: 20_000, interval: 100 });
    await expect(cluster.etcdctl(["put", "a", "b"])).rejects.toThrow(/database space exceeded/);
    expect(await cluster.etcdctl(["user", "list"])).not.toBe("");
    const leases = await leasesOf(client);
    expect(leases.length).toBeGreaterThan(0);
    for (const { ttl, grantedTtl } of leases) expect(Number(ttl)).toBeGreaterThan(Number(grantedTtl) - 30);
    return { keys: await allKeys(client), bound: leases.flatMap(({ keys }) => keys).sort(), revision: await currentRevision(client) };
  });
  expect(before.bound.length).toBeGreaterThan(1);

  await started(minor, 2, ["--disable-auth", "--expire-leases"], async (cluster, client, hash) => {
    expect(await cluster.etcdctl(["alarm", "list"])).toBe("");
    expect((await cluster.hashKv(Number(hash.revision))).map((each) => each.hash)).toEqual([hash.hash, hash.hash]);
    expect(await leasesOf(client)).toEqual([]);
    expect(await allKeys(client)).toEqual(before.keys.filter(({ key }) => !before.bound.includes(key)));
    await cluster.etcdctl(["put", "after", "restore"]);
  });

  await started(minor, 1, ["--disable-auth", "--keep-leased-keys", "--bump-revision", "none"], async (cluster, client, hash) => {
    expect((await cluster.hashKv(Number(hash.revision))).map((each) => each.hash)).toEqual([hash.hash]);
    expect(await currentRevision(client)).toBe(before.revision + 1n);
    expect(await leasesOf(client)).toEqual([]);
    const detached = ({ version, ...rest }: KeyValue) => ({ ...rest, lease: "0", version: String(Number(version) + 1) });
    expect(await allKeys(client)).toEqual(before.keys.map((each) => (before.bound.includes(each.key) ? detached(each) : each)));
    // The change is one like any other: clients that watch from the source's last revision see it.
    const seen = await client.kv.range({ key: Buffer.of(0), range_end: Buffer.of(0), min_mod_revision: (before.revision + 1n).toString() });
    expect(seen.kvs.map(({ key }) => key.toString("latin1")).sort()).toEqual(before.bound);
  });
});

/** Restores the golden snapshot of `minor` into `size` members, starts them, looks at them, and stops them. */
async function started<T>(
  minor: EtcdMinor,
  size: number,
  flags: readonly string[],
  look: (cluster: EtcdCluster, client: Etcd3, hash: { readonly hash: number; readonly revision: string }) => Promise<T>,
): Promise<T> {
  await using directory = await temporaryDirectory("policies");
  const file = join(directory.path, "snapshot.db");
  await writeFile(file, zstdDecompressSync(await readFile(new URL(`../golden/snapshots/${minor}/compacted.db.zst`, import.meta.url))));
  const members = await planMembers(size, directory.path);
  const membersFile = join(directory.path, "members.yaml");
  await writeFile(membersFile, stringify({ members: members.map(({ name, peerUrl, dataDir }) => ({ name, peerUrls: [peerUrl], dataDir })) }));
  const result = await runCli(["restore", file, "--members", membersFile, "--all-members", ...flags, "-o", "json"]);
  expect(result.exitCode, result.stderr).toBe(0);
  const waitFor = flags.includes("--keep-alarms") ? "nothing" : "healthy"; // With an alarm a member never says that it is healthy.
  await using cluster = await startCluster({ minor, members, directory: directory.path, initialClusterState: "existing", waitFor });
  return await look(cluster, await cluster.client(), JSON.parse(result.stdout).hashKv);
}

async function allKeys(client: Etcd3): Promise<KeyValue[]> {
  const { kvs } = await client.kv.range({ key: Buffer.of(0), range_end: Buffer.of(0) });
  return kvs.map(({ key, value, version, lease }) => ({ key: key.toString("latin1"), value: value.toString("latin1"), version, lease }));
}

async function leasesOf(client: Etcd3): Promise<{ readonly ttl: string; readonly grantedTtl: string; readonly keys: string[] }[]> {
  const { leases } = await client.leaseClient.leaseLeases();
  return Promise.all(
    leases.map(async ({ ID }) => {
      const { TTL, grantedTTL, keys } = await client.leaseClient.leaseTimeToLive({ ID, keys: true });
      return { ttl: TTL, grantedTtl: grantedTTL, keys: keys.map((key) => key.toString("latin1")) };
    }),
  );
}
