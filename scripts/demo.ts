// `npm run demo`: a real three-member etcd is written to, saved, verified, destroyed, rebuilt from the backup, and compared with what it was.
// Everything etcdsafe does here is done by its command line, as an operator types it. The repository stays in .demo/ to be looked at;
// the members' data goes when the demo ends, also when a signal or a failure ends it.
import { rmSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { startCli } from "../test/support/cli.ts";
import type { RunningCommand } from "../test/support/command.ts";
import { type EtcdCluster, planMembers, startCluster } from "../test/support/etcd.ts";
import { deleteMany, grantLease, type KeyValueBytes, putMany, type ReadKeyValue, readAll } from "../test/support/etcd-data.ts";
import { ProvisionError } from "./provision/provision-error.ts";
import { provisionEtcd } from "./provision.ts";

const DEMO = join(process.cwd(), ".demo");
const REPOSITORY = ".demo/repository";
const DATA = join(DEMO, "etcd");

// Exit listeners are called in order: that of the members, which ends them, is there already.
process.on("exit", () => rmSync(DATA, { recursive: true, force: true, maxRetries: 5 }));
let command: RunningCommand | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, async () => {
    command?.signal("SIGTERM");
    await command?.finished.catch(() => undefined);
    process.exit(128 + constants.signals[signal]);
  });

// What cannot be had is told in one line; anything else is a fault of the demo's.
process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
  const isKnown = error instanceof ProvisionError || error.syscall !== undefined;
  process.stderr.write(`etcdsafe: ${isKnown ? error.message : error.stack}\n`);
  process.exit(1);
});

const steps: { name: string; durationMs: number }[] = [];

await provisionEtcd("3.7");
await rm(DEMO, { recursive: true, force: true });
await mkdir(DATA, { recursive: true });

const original = await step("start three members of etcd 3.7", () => startCluster({ minor: "3.7", size: 3, directory: join(DATA, "original") }));
try {
  await step("write a keyspace like that of a Kubernetes cluster", () => writeKeyspace(original));
  await etcdsafe("save", ["save", "--endpoints", original.endpoints.join(","), "--repository", REPOSITORY]);
  await etcdsafe("verify", ["verify", "latest", "--repository", REPOSITORY]);
  const before = await step("ask the cluster for its HashKV and all its keys", () => stateOf(original));
  await step("destroy the cluster", () => original.stop());

  const members = await planMembers(3, DATA);
  await writeFile(
    join(DEMO, "members.yaml"),
    stringify({ members: members.map(({ name, peerUrl, clientUrl, dataDir }) => ({ name, peerUrls: [peerUrl], clientUrls: [clientUrl], dataDir })) }),
  );
  await etcdsafe("restore", ["restore", "latest", "--repository", REPOSITORY, "--members", ".demo/members.yaml", "--all-members", "--bump-revision", "none"]);
  const restored = await step("start the three restored members", () =>
    startCluster({ minor: "3.7", members, directory: DATA, initialClusterState: "existing" }),
  );
  try {
    const after = await step("ask the new cluster for the same", () => stateOf(restored, before.revision));
    compare(before, after);
  } finally {
    await restored.stop();
  }
} finally {
  await original.stop();
}

const totalMs = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
console.log(`\n${"step".padEnd(56)} seconds`);
for (const { name, durationMs } of [...steps, { name: "together", durationMs: totalMs }])
  console.log(`${name.padEnd(56)} ${(durationMs / 1000).toFixed(2).padStart(7)}`);
console.log(`
The repository is still there. Try:
  npm run -s etcdsafe -- list --repository ${REPOSITORY}
  npm run -s etcdsafe -- show latest --repository ${REPOSITORY}
  npm run -s etcdsafe -- verify latest --repository ${REPOSITORY}
  npm run -s etcdsafe -- restore latest --repository ${REPOSITORY} --members .demo/members.yaml --all-members --plan`);

interface ClusterState {
  readonly memberIds: readonly string[];
  readonly revision: number;
  readonly hashes: readonly number[];
  readonly keys: readonly ReadKeyValue[];
}

async function stateOf(cluster: EtcdCluster, revision?: number): Promise<ClusterState> {
  const client = await cluster.client();
  const current = Number((await client.kv.range({ key: Buffer.of(0), count_only: true })).header.revision);
  if (revision !== undefined && revision !== current) throw new Error(`the restored cluster is at revision ${current}, not ${revision}`);
  const hashes = (await cluster.hashKv(current)).map(({ hash }) => hash);
  const memberIds = await Promise.all(cluster.members.map(async (member) => (await cluster.memberId(member)).padStart(16, "0")));
  return { memberIds, revision: current, hashes, keys: await readAll(client) };
}

function compare(before: ClusterState, after: ClusterState): void {
  const hashes = new Set([...before.hashes, ...after.hashes]);
  if (hashes.size !== 1) throw new Error(`HashKV differs: before ${before.hashes.join(", ")}; after ${after.hashes.join(", ")}`);
  const same =
    before.keys.length === after.keys.length &&
    before.keys.every(({ key, value }, index) => after.keys[index]!.key === key && after.keys[index]!.value === value);
  if (!same) throw new Error("the keys differ");
  if (before.memberIds.some((id) => after.memberIds.includes(id))) throw new Error("a member kept its old id");
  console.log(
    `\nEqual: HashKV ${before.hashes[0]} at revision ${before.revision} on all ${before.hashes.length} old and ${after.hashes.length} new members; ${before.keys.length} keys with their values.`,
  );
  console.log(`Members were ${before.memberIds.join(", ")}; they are ${after.memberIds.join(", ")}.`);
}

/** Objects of the sizes and paths a small Kubernetes cluster has: overwritten, deleted, some bound to leases, some history compacted. */
async function writeKeyspace(cluster: EtcdCluster): Promise<void> {
  const client = await cluster.client();
  const lease = await grantLease(client, 3600);
  const kinds = { pods: 3000, configmaps: 700, secrets: 500, "services/specs": 200, deployments: 300, "leases/kube-node-lease": 50 };
  for (let round = 0; round < 2; round++) {
    await putMany(client, objects(kinds, round), 4);
    await putMany(
      client,
      Array.from({ length: 800 }, (_, index) => ({ key: `/registry/events/ns-${index % 20}/event-${round}-${index}`, value: body(700, index), lease })),
    );
    if (round === 0) await cluster.etcdctl(["compact", "900"], [cluster.members[0]!]);
  }
  await deleteMany(
    client,
    Array.from({ length: 150 }, (_, index) => `/registry/configmaps/ns-${index % 20}/configmaps-${index}`),
  );
}

function* objects(kinds: Readonly<Record<string, number>>, round: number): Generator<KeyValueBytes> {
  for (const [kind, count] of Object.entries(kinds)) {
    const share = round === 0 ? count : count / 4;
    for (let index = 0; index < share; index++)
      yield { key: `/registry/${kind}/ns-${index % 20}/${kind.split("/")[0]}-${index}`, value: body(600 + ((index * 37) % 3000), index + round) };
  }
}

function body(sizeBytes: number, seed: number): string {
  const filler = "abcdefghijklmnopqrstuvwxyz 0123456789 ";
  return `{"seed":${seed},"filler":"${filler.repeat(Math.ceil(sizeBytes / filler.length)).slice(0, sizeBytes)}"}`;
}

async function etcdsafe(name: string, args: readonly string[]): Promise<void> {
  console.log(`\n$ etcdsafe ${args.join(" ")}`);
  await step(`etcdsafe ${name}`, async () => {
    command = startCli(args);
    const { exitCode, stdout, stderr } = await command.finished;
    console.log((stderr + stdout).trimEnd());
    if (exitCode !== 0) throw new Error(`etcdsafe ${name} ended with exit code ${exitCode}`);
  });
}

async function step<T>(name: string, action: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const result = await action();
  const durationMs = performance.now() - startedMs;
  steps.push({ name, durationMs });
  if (!name.startsWith("etcdsafe ")) console.log(`\n· ${name} (${(durationMs / 1000).toFixed(2)} s)`);
  return result;
}
