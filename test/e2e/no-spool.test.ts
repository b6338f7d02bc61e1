// Saves without a local copy, of real etcd: the bytes that come out, and that what nobody looked into when it was saved restores all the same.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGrpcProxy } from "../faults/kit/grpc-proxy.ts";
import { runCli } from "../support/cli.ts";
import { type EtcdCluster, etcdutl, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany, readAll } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { expectExit, filesBelow } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const COMPACTED_AT = 10;
const VALUE_SIZE_BYTES = 100_000;
const HASH_SIZE_BYTES = 32;
/** Far inside the stream, in a value. */
const CHANGED_AT = 500_000;
const SAVE = ["save", "--endpoints"];
const directory = await temporaryDirectory("no-spool");
const path = (name: string) => join(directory.path, name);
let cluster: EtcdCluster;

beforeAll(async () => {
  cluster = await startCluster();
  await putMany(
    await cluster.client(),
    Array.from({ length: 20 }, (_, index) => ({ key: `key-${index % 12}`, value: "x".repeat(VALUE_SIZE_BYTES) })),
  );
  await cluster.etcdctl(["compact", String(COMPACTED_AT)]);
});

afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

test("no spool, a compacted cluster: the plan says what is in the snapshot, and what is restored holds the same", async () => {
  const id = await saved("compacted", cluster.endpoints[0]!);
  const revision = await currentRevision(await cluster.client());
  await expectExit(0, ["verify", id, "--repository", path("compacted")]);
  expect(await restoredRevision("compacted", id)).toBe(revision);
});

test("no spool, while the cluster is written to: the plan has the revision of the snapshot, not the one read before it", async () => {
  const client = await cluster.client();
  const before = await currentRevision(client);
  let written = false;
  // The revision has been read when the snapshot is asked for; it goes on in between.
  await using proxy = await startGrpcProxy(cluster.endpoints[0]!, (method) => {
    if (method !== "Maintenance/Snapshot" || written) return {};
    written = true;
    void putMany(client, [
      { key: "meanwhile", value: "1" },
      { key: "meanwhile-2", value: "2" },
      { key: "meanwhile-3", value: "3" },
    ]);
    return { delayMs: 500 };
  });
  const id = await saved("written", proxy.url);
  const { manifest } = JSON.parse((await expectExit(0, ["show", id, "--repository", path("written"), "-o", "json"])).stdout);
  expect(BigInt(manifest.revision)).toBe(before);
  expect(await restoredRevision("written", id)).toBe(before + 3n);
});

test.each<[string, (name: string) => Promise<Uint8Array>]>([
  [
    "to a file",
    async (name) => {
      await expectExit(0, [...SAVE, cluster.endpoints[0]!, "--no-spool", "--output", path(name)]);
      return readFile(path(name));
    },
  ],
  [
    "to standard output",
    async () => {
      const { exitCode, stdoutBytes, stderr } = await runCli([...SAVE, cluster.endpoints[0]!, "--output", "-"]);
      expect(exitCode, stderr).toBe(0);
      return stdoutBytes;
    },
  ],
  [
    "to a repository",
    async (name) => {
      const id = await saved(`${name}-repository`, cluster.endpoints[0]!);
      await expectExit(0, ["restore", id, "--repository", path(`${name}-repository`), "--to-snapshot", path(name), "--bump-revision", "none"]);
      return readFile(path(name));
    },
  ],
])("no spool, %s: every byte that etcd sent, and the SHA-256 of them at the end", async (where, save) => {
  const bytes = await save(`${where}.db`);
  const database = bytes.subarray(0, -HASH_SIZE_BYTES);
  expect(database.length).toBeGreaterThan(20 * VALUE_SIZE_BYTES);
  expect(Buffer.from(bytes.subarray(-HASH_SIZE_BYTES)).toString("hex")).toBe(createHash("sha256").update(database).digest("hex"));
  const file = path("looked-at.db");
  await writeFile(file, bytes);
  const revision = Number(await currentRevision(await cluster.client()));
  expect(JSON.parse(await etcdutl("3.7", ["snapshot", "status", file, "-w", "json"]))).toMatchObject({ revision, totalSize: database.length });
});

test("no spool: bytes that changed on the way are found out, and what holds them is no snapshot", async () => {
  const changed = (chunk: Buffer, offset: number) => {
    if (offset > CHANGED_AT || CHANGED_AT >= offset + chunk.length) return chunk;
    const other = Buffer.from(chunk);
    other[CHANGED_AT - offset]! ^= 1;
    return other;
  };
  await using proxy = await startGrpcProxy(cluster.endpoints[0]!, (method) => (method === "Maintenance/Snapshot" ? { answer: changed } : {}));
  const mismatch = {
    message: /^etcd sent the SHA-256 [0-9a-f]{64}, but the bytes that arrived give [0-9a-f]{64}$/,
    hint: /^The bytes changed on the way or in memory; nothing was published\..*, or this host's memory\.$/,
  };
  for (const to of [
    ["--no-spool", "--output", path("changed.db")],
    ["--no-spool", "--repository", path("changed")],
  ]) {
    expectFailure("SNAPSHOT_HASH_MISMATCH", await runCli([...SAVE, proxy.url, ...to]), mismatch);
  }
  // Whoever reads standard output has the bytes by then, and goes by the exit code.
  const { exitCode, stderr } = await runCli([...SAVE, proxy.url, "--output", "-"]);
  expect(exitCode).toBe(6);
  expect(stderr).toContain("SNAPSHOT_HASH_MISMATCH");
  expect(stderr).toContain("The bytes changed on the way or in memory; what was passed on is no snapshot.");
  expect((await readdir(directory.path)).filter((name) => name.startsWith("changed"))).toEqual(["changed"]);
  expect(Object.keys(await filesBelow(path("changed"))).filter((name) => /backups|uploads/.test(name))).toEqual([]);
});

/** Saves into a repository of its own; the backup's id. */
async function saved(name: string, endpoint: string): Promise<string> {
  const { stdout } = await expectExit(0, ["save", "--no-spool", "--endpoints", endpoint, "--repository", path(name), "-o", "json"]);
  const { manifest } = JSON.parse(stdout);
  expect(manifest).toMatchObject({ state: "partial", compactRevision: null });
  return manifest.id;
}

/** Restores the backup as a file and as a member, which starts; both have the source's HashKV at the revision that the plan says. */
async function restoredRevision(name: string, id: string): Promise<bigint> {
  const from = ["restore", id, "--repository", path(name), "--bump-revision", "none", "-o", "json"];
  const [member] = await planMembers(1, path(`${name}-members`));
  const to = ["--name", member!.name, "--data-dir", member!.dataDir, "--initial-cluster", `${member!.name}=${member!.peerUrl}`];
  to.push("--initial-advertise-peer-urls", member!.peerUrl, "--copy");
  const { plan } = JSON.parse((await expectExit(0, [...from, ...to, "--plan"])).stdout);
  const { revision } = plan.source;
  const { hash } = (await cluster.hashKv(Number(revision)))[0]!;
  expect(plan.source).toMatchObject({ state: "partial", compactRevision: String(COMPACTED_AT) });

  const file = path(`${name}.db`);
  const { file: written } = JSON.parse((await expectExit(0, [...from, "--to-snapshot", file])).stdout);
  expect(written.hashKv).toEqual({ revision, compactRevision: String(COMPACTED_AT), hash });
  expect(JSON.parse(await etcdutl("3.7", ["snapshot", "status", file, "-w", "json"])).revision).toBe(Number(revision));

  const { hashKv } = JSON.parse((await expectExit(0, [...from, ...to])).stdout);
  expect(hashKv.hash).toBe(hash);
  await using restored = await startCluster({ members: [member!], directory: path(`${name}-members`), initialClusterState: "existing" });
  expect((await restored.hashKv(Number(revision)))[0]!.hash).toBe(hash);
  expect(await readAll(await restored.client())).toEqual(await readAll(await cluster.client(), revision));
  return BigInt(revision);
}
