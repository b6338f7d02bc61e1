// A gigabyte on its way from etcd into each kind of store and back, encrypted: each process is killed as soon as more than 200 MB of it are resident.
import { createCipheriv } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { type KeyValueBytes, putMany } from "../support/etcd-data.ts";
import { buildCli, type Command } from "../support/measured-cli.ts";
import { measureProcess } from "../support/process-usage.ts";
import { type StoreKind, startStore } from "../support/stores.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const RSS_LIMIT_BYTES = 200 * 1000 ** 2;
const LIMIT_MS = 1_200_000;
const VALUES = 1_000;
const VALUE_SIZE_BYTES = 1_000_000;
const QUOTA_BYTES = 4 * 1024 ** 3;

let directory: TemporaryDirectory;
let cluster: EtcdCluster;
let etcdsafe: (...args: readonly string[]) => Command;
let recipient: string;
let hash: number;

beforeAll(async () => {
  directory = await temporaryDirectory("stores-memory");
  const build = join(directory.path, "package");
  await mkdir(build);
  etcdsafe = await buildCli(build);
  const identity = await generateX25519Identity();
  await writeFile(join(directory.path, "identity.txt"), `${identity}\n`);
  recipient = await identityToRecipient(identity);
  cluster = await startCluster({ minor: "3.7", electionTimeoutMs: 1000, extraArgs: ["--quota-backend-bytes", String(QUOTA_BYTES)] });
  await putMany(await cluster.client(), incompressible());
  hash = (await cluster.hashKv())[0]!.hash;
}, LIMIT_MS);
afterAll(async () => {
  await cluster?.stop();
  await directory?.remove();
});

const KINDS: readonly StoreKind[] = ["file", "s3", "azblob", "gs"];

test.each(KINDS)("%s: a gigabyte is saved, verified and restored, each within 200 MB", { timeout: LIMIT_MS }, async (kind) => {
  await using store = await startStore(kind);
  const at = ["--repository", await store.newRepository(), ...store.options(), "--format", "json"];
  const key = ["--identity-file", join(directory.path, "identity.txt")];
  const data = join(directory.path, "data");
  const run = (verb: string, ...args: string[]) => withinLimit(`${kind}, ${verb}`, etcdsafe(verb, ...args, ...at), store.env);
  const { manifest } = await run("save", "--endpoints", cluster.endpoints.join(","), "--recipient", recipient, "--spool-dir", directory.path);
  expect(manifest).toMatchObject({ hashKv: { hash } });
  expect((manifest as { objects: { storedSizeBytes: number }[] }).objects[0]?.storedSizeBytes).toBeGreaterThan(VALUES * VALUE_SIZE_BYTES);
  const { verified } = await run("verify", "latest", "--level", "structure", "--spool-dir", directory.path, ...key);
  expect(verified).toMatchObject([{ outcome: "passed", level: "structure", hashKv: { hash } }]);
  try {
    expect(await run("restore", "latest", "--data-dir", data, "--copy", "--bump-revision", "none", ...key)).toMatchObject({ hashKv: { hash } });
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

/** Stays as large when it is compressed. */
function* incompressible(): Generator<KeyValueBytes> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, String(SEED)), Buffer.alloc(16));
  const zeros = Buffer.alloc(VALUE_SIZE_BYTES);
  for (let index = 0; index < VALUES; index++) yield { key: `key-${index}`, value: cipher.update(zeros) };
}

/** The JSON document of a command that succeeded. */
async function withinLimit(name: string, { file, args, env }: Command, credentials: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const usage = await measureProcess(file, args, { env: { ...env, ...credentials }, rssLimitBytes: RSS_LIMIT_BYTES, limitMs: LIMIT_MS });
  const seconds = (usage.wallMs / 1000).toFixed(1);
  console.log(`${name}: ${seconds} s, ${(usage.cpuMs / 1000).toFixed(1)} s of CPU, ${(usage.maxRssBytes / 1000 ** 2).toFixed(0)} MB at most`);
  expect(usage.exitCode, usage.stderr).toBe(0);
  return JSON.parse(usage.stdout);
}
