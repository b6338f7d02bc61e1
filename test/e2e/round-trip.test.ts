// The promise the project stands on, on each minor of real etcd: what was saved starts as a new cluster, with ETCD_VERIFY=all, and holds the same data.
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, etcdutl, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, deleteMany, grantLease, type KeyValueBytes, putMany, type ReadKeyValue, readAll } from "../support/etcd-data.ts";
import { MINORS_AT_HAND, type TestedMinor } from "../support/minors.ts";
import { randomHistory } from "../support/random-history.ts";
import { writeSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ROOT_PASSWORD = "correct horse";

const OLDEST_AND_NEWEST = [MINORS_AT_HAND[0]!, MINORS_AT_HAND.at(-1)!] as const;
/** Every minor with itself; and the oldest with the newest, which reads the members from other files. */
const ROUND_TRIPS: readonly { readonly minor: TestedMinor; readonly to: TestedMinor; readonly size: number }[] = [
  ...MINORS_AT_HAND.flatMap((minor) => [1, 3].map((size) => ({ minor, to: minor, size }))),
  { minor: OLDEST_AND_NEWEST[0], to: OLDEST_AND_NEWEST[1], size: 1 },
];

for (const { minor, to, size } of ROUND_TRIPS) {
  test(`etcd ${minor}${to === minor ? "" : `, restored for ${to}`}, ${size} member(s): save, verify, restore, start: same HashKV, same keys, and a cluster that works on`, async () => {
    await using directory = await temporaryDirectory("round-trip");
    const repository = join(directory.path, "repository");
    let revision: bigint;
    let hash: number;
    let keys: ReadKeyValue[];
    {
      await using source = await startCluster({ minor, size });
      await writeKeyspace(source);
      await succeed(["save", "--endpoints", source.endpoints.join(","), "--repository", repository, "--tag", "env=test", "--tag", "reason=round trip"]);
      const client = await source.client();
      revision = await currentRevision(client);
      hash = (await source.hashKv(Number(revision)))[0]!.hash;
      keys = await readAll(client);
    }
    await succeed(["verify", "latest", "--repository", repository]);
    const shown = JSON.parse((await succeed(["show", "latest", "--repository", repository, "-o", "json"])).stdout);
    const tags = { env: "test", reason: "round trip" };
    expect(shown.manifest).toMatchObject({ revision: revision.toString(), state: size === 1 ? "unconfirmed" : "proven", hashKv: { hash }, tags });
    await agreesWithEtcdutl(minor, repository, directory.path, shown.manifest);

    const members = await planMembers(size, directory.path);
    await restore(["latest", "--repository", repository], members, directory.path);
    await using restored = await startCluster({ minor: to, members, directory: directory.path, initialClusterState: "existing", electionTimeoutMs: 1000 });
    expect((await restored.hashKv(Number(revision))).map((member) => member.hash)).toEqual(members.map(() => hash));
    expect(await readAll(await restored.client())).toEqual(keys);
    await worksOn(restored, revision);
  });
}

test.each(OLDEST_AND_NEWEST)("etcd %s, authentication on: the users of the source get in, nobody else", async (minor) => {
  await using directory = await temporaryDirectory("auth");
  const file = join(directory.path, "snapshot.db");
  {
    await using source = await startCluster({ minor });
    await writeKeyspace(source);
    await source.enableAuth(ROOT_PASSWORD);
    await succeed(["save", "--endpoints", source.endpoints.join(","), "--user", "root", "--output", file], { ETCDSAFE_PASSWORD: ROOT_PASSWORD });
  }
  const members = await planMembers(1, directory.path);
  await restore([file], members, directory.path);
  await using restored = await startCluster({ minor, members, directory: directory.path, initialClusterState: "existing" });
  await expect(restored.etcdctl(["get", "a", "--prefix"])).rejects.toThrow(/user name is empty/);
  expect(await restored.etcdctl(["--user", `root:${ROOT_PASSWORD}`, "get", "", "--prefix", "--keys-only", "--limit", "1"])).not.toBe("");
});

test.each(OLDEST_AND_NEWEST)("etcd %s, alarms of the old members do not come along: a snapshot taken under NOSPACE takes writes again", async (minor) => {
  await using directory = await temporaryDirectory("alarm");
  const file = join(directory.path, "snapshot.db");
  {
    await using source = await startCluster({ minor, extraArgs: ["--quota-backend-bytes", String(2 * 1024 * 1024)] });
    await expect(fillUp(source)).rejects.toThrow(/space exceeded/);
    await succeed(["save", "--endpoints", source.endpoints.join(","), "--output", file]);
  }
  const members = await planMembers(1, directory.path);
  await restore([file], members, directory.path);
  await using restored = await startCluster({ minor, members, directory: directory.path, initialClusterState: "existing" });
  expect(await restored.etcdctl(["alarm", "list"])).toBe("");
  expect(await restored.etcdctl(["put", "after", "restore"])).toContain("OK");
});

test("a file with 64 KiB pages starts and works on, and etcdutl agrees about it", async () => {
  await using directory = await temporaryDirectory("pages");
  const file = join(directory.path, "snapshot.db");
  const history = randomHistory(64, { revisions: 400, keys: 60, valueSizeBytesMax: 5_000, compaction: "finished" });
  writeSnapshot(file, { ...history, pageSizeBytes: 65_536 });
  const facts = JSON.parse((await succeed(["inspect", file, "-o", "json"])).stdout);
  expect(facts.snapshot.pageSizeBytes).toBe(65_536);
  const members = await planMembers(1, directory.path);
  await restore([file], members, directory.path);
  await using restored = await startCluster({ minor: "3.7", members, directory: directory.path, initialClusterState: "existing" });
  expect(await readAll(await restored.client())).toHaveLength(history.live.size);
  await worksOn(restored, BigInt(history.revision));
});

test.each(OLDEST_AND_NEWEST)(
  "etcd %s, a revision bump: it answers the HashKV that was printed; clients that held an old revision are told that it is compacted; every key is there",
  async (minor) => {
    await using directory = await temporaryDirectory("bump");
    const file = join(directory.path, "snapshot.db");
    let keys: unknown;
    {
      await using source = await startCluster({ minor });
      await writeKeyspace(source);
      await succeed(["save", "--endpoints", source.endpoints.join(","), "--output", file]);
      keys = await readAll(await source.client());
    }
    const members = await planMembers(1, directory.path);
    const { stdout } = await restore([file], members, directory.path, ["--bump-revision", "1000000"]);
    const [, hash, command = ""] = /must then answer (\d+) to: etcdctl (endpoint hashkv.*)$/m.exec(stdout) ?? [];
    await using restored = await startCluster({ minor, members, directory: directory.path, initialClusterState: "existing" });
    const client = await restored.client();
    for (const _ of ["at its first start", "started again"]) {
      const [answer] = JSON.parse(await restored.etcdctl([...command.split(" "), "-w", "json"]));
      expect(answer.HashKV.hash).toBe(Number(hash));
      await restored.members[0]!.stop();
      await restored.members[0]!.start();
    }
    expect(await currentRevision(client)).toBeGreaterThan(1_000_000n);
    expect(await readAll(client)).toEqual(keys);
    await expect(restored.etcdctl(["get", "plain-1", "--rev", "50"])).rejects.toThrow(/compacted/);
  },
);

test.each(OLDEST_AND_NEWEST)(
  "etcd %s, compacted up to its last revision: the restored member answers to the command that the restore printed",
  async (minor) => {
    await using directory = await temporaryDirectory("compacted");
    const file = join(directory.path, "snapshot.db");
    {
      await using source = await startCluster({ minor });
      const client = await source.client();
      await putMany(
        client,
        Array.from({ length: 20 }, (_, index) => ({ key: `key-${index % 7}`, value: String(index) })),
      );
      await source.etcdctl(["compact", String(await currentRevision(client))]);
      await succeed(["save", "--endpoints", source.endpoints.join(","), "--output", file]);
    }
    const members = await planMembers(1, directory.path);
    const { stdout } = await restore([file], members, directory.path);
    const [, hash, command = ""] = /must then answer (\d+) to: etcdctl (endpoint hashkv.*)$/m.exec(stdout) ?? [];
    await using restored = await startCluster({ minor, members, directory: directory.path, initialClusterState: "existing" });
    const [answer] = JSON.parse(await restored.etcdctl([...command.split(" "), "-w", "json"]));
    expect(answer.HashKV.hash).toBe(Number(hash));
  },
);

test("a copied member/snap/db restores with --skip-hash-check only, and a WAL directory of its own is used", async () => {
  await using directory = await temporaryDirectory("copied");
  const source = await startCluster({ minor: "3.7", directory: directory.path });
  const copy = join(directory.path, "copied.db");
  try {
    await writeKeyspace(source);
    await source.members[0]!.stop();
    await rename(join(source.members[0]!.dataDir, "member/snap/db"), copy);
  } finally {
    await source.stop();
  }
  const [member] = await planMembers(1, join(directory.path, "new"));
  const args = ["restore", copy, "--name", member!.name, "--data-dir", member!.dataDir, "--wal-dir", join(directory.path, "wal")];
  args.push("--initial-cluster", `${member!.name}=${member!.peerUrl}`, "--initial-advertise-peer-urls", member!.peerUrl);
  const refused = await runCli(args);
  expect(refused.exitCode).toBe(6);
  expect(refused.stderr).toContain("--skip-hash-check");
  await succeed([...args, "--skip-hash-check"]);
  expect(await readdir(join(directory.path, "wal"))).toEqual(["0000000000000000-0000000000000000.wal"]);
  await using restored = await startCluster({
    minor: "3.7",
    members: [member!],
    directory: directory.path,
    initialClusterState: "existing",
    extraArgs: ["--wal-dir", join(directory.path, "wal")],
  });
  expect(await readAll(await restored.client())).not.toHaveLength(0);
});

/** Compacted history, tombstones, binary keys, a value of 1.5 MB, leases, several operations in one revision. */
async function writeKeyspace(cluster: EtcdCluster): Promise<void> {
  const client = await cluster.client();
  const lease = await grantLease(client, 3600);
  const rows: KeyValueBytes[] = Array.from({ length: 300 }, (_, index) => ({ key: `plain-${index % 120}`, value: `value ${index}`.repeat(1 + (index % 50)) }));
  await putMany(client, rows);
  await putMany(
    client,
    Array.from({ length: 60 }, (_, index) => ({ key: Buffer.from([0, index, 0xff, 0xc3, 0x28]), value: Buffer.alloc(index * 3, index), lease })),
  );
  await putMany(
    client,
    Array.from({ length: 90 }, (_, index) => ({ key: `txn-${index}`, value: "together" })),
    30,
  );
  await putMany(client, [{ key: "big", value: "b".repeat(1_500_000) }]);
  await deleteMany(
    client,
    Array.from({ length: 40 }, (_, index) => `plain-${index}`),
  );
  await cluster.etcdctl(["compact", "250"], [cluster.members[0]!]);
  await putMany(client, rows.slice(0, 80));
  await deleteMany(client, ["txn-1", "txn-2"]);
}

/** One after the other: etcd looks at its quota as each comes in. */
async function fillUp(cluster: EtcdCluster): Promise<void> {
  const client = await cluster.client();
  for (let index = 0; index < 200; index++) await putMany(client, [{ key: `fill-${index}`, value: "x".repeat(100_000) }]);
}

/** Put, compact, defragment, restart; and a member added later gets the whole keyspace, which only a written .snap file makes sure of. */
async function worksOn(cluster: EtcdCluster, revision: bigint): Promise<void> {
  const client = await cluster.client();
  await putMany(client, [{ key: "after", value: "restore" }]);
  expect(await currentRevision(client)).toBe(revision + 1n);
  await cluster.etcdctl(["compact", String(revision)], [cluster.members[0]!]);
  await cluster.etcdctl(["defrag"]);
  for (const member of cluster.members) {
    await member.stop();
    await member.start();
  }
  const joined = await cluster.addMember("learner");
  await cluster.promote(joined);
  const hashes = await cluster.hashKv(Number(revision) + 1);
  expect(new Set(hashes.map(({ hash }) => hash)).size, JSON.stringify(hashes)).toBe(1);
  expect(hashes).toHaveLength(cluster.members.length);
}

/** The stored backup as a plain file: `etcdutl snapshot status` accepts it and says the same of it. */
async function agreesWithEtcdutl(minor: TestedMinor, repository: string, directory: string, manifest: Manifest): Promise<void> {
  const plain = join(directory, "plain.db");
  await succeed(["restore", "latest", "--repository", repository, "--to-snapshot", plain, "--bump-revision", "none"]);
  const status = JSON.parse(await etcdutl(minor, ["snapshot", "status", plain, "-w", "json"]));
  expect(status).toMatchObject({ hash: manifest.snapshot.statusHash, revision: Number(manifest.revision), totalSize: manifest.snapshot.dataSizeBytes });
  expect(status.totalKey).toBe(minor === "3.4" || minor === "3.5" ? manifest.counts.totalRows : manifest.counts.keys);
  await etcdutl(minor, ["snapshot", "restore", plain, "--data-dir", join(directory, "by-etcdutl")]);
}

async function restore(
  source: readonly string[],
  members: readonly { readonly name: string; readonly peerUrl: string; readonly dataDir: string }[],
  directory: string,
  flags: readonly string[] = ["--bump-revision", "none"],
): Promise<{ readonly stdout: string }> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, "members.yaml");
  await writeFile(file, stringify({ members: members.map(({ name, peerUrl, dataDir }) => ({ name, peerUrls: [peerUrl], dataDir })) }));
  return succeed(["restore", ...source, "--members", file, "--all-members", ...flags]);
}

async function succeed(args: readonly string[], env: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  const result = await runCli(args, { env });
  expect(result.exitCode, `etcdsafe ${args.join(" ")}\n${result.stderr}`).toBe(0);
  return result;
}

interface Manifest {
  readonly revision: string;
  readonly snapshot: { readonly statusHash: number; readonly dataSizeBytes: number };
  readonly counts: { readonly keys: number; readonly totalRows: number };
}
