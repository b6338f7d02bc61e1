// The whole way through each kind of store, on real servers, as a user types it: what was saved there starts as a cluster that holds the same.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { SEED } from "../support/counts.ts";
import { type EtcdCluster, planMembers, startCluster } from "../support/etcd.ts";
import { currentRevision, putMany, type ReadKeyValue, readAll } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { randomNumbers } from "../support/random-history.ts";
import { expectExit } from "../support/saving.ts";
import { type StoreKind, startStore, type TestStore } from "../support/stores.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const KINDS: readonly StoreKind[] = ["file", "s3", "gs", "azblob"];
/** 60 MB. Random, so that it stays as large when it is compressed: several parts, chunks or blocks for each store. */
const VALUES = 200;
const VALUE_SIZE_BYTES = 300_000;

const directory = await temporaryDirectory("stores");
const identity = join(directory.path, "identity.txt");
const stores = new Map<StoreKind, TestStore>();
let recipient: string;
let cluster: EtcdCluster;
let revision: bigint;
let hash: number;
let keys: ReadKeyValue[];

beforeAll(async () => {
  const key = await generateX25519Identity();
  await writeFile(identity, `${key}\n`);
  recipient = await identityToRecipient(key);
  [cluster] = await Promise.all([startCluster({ minor: "3.7" }), ...KINDS.map(async (kind) => void stores.set(kind, await startStore(kind)))]);
  const random = randomNumbers(SEED);
  const client = await cluster.client();
  await putMany(
    client,
    Array.from({ length: VALUES }, (_, index) => ({ key: `key-${index}`, value: random.bytes(VALUE_SIZE_BYTES) })),
  );
  revision = await currentRevision(client);
  hash = (await cluster.hashKv(Number(revision)))[0]!.hash;
  keys = await readAll(client);
});
afterAll(async () => {
  for (const store of stores.values()) await store[Symbol.asyncDispose]();
  await cluster?.stop();
  await directory.remove();
});

for (const kind of KINDS) {
  for (const encrypted of [false, true]) {
    test(`${kind}, ${encrypted ? "encrypted" : "validated and initialised"}: save, list, verify, check, restore, start: same HashKV, same keys`, () =>
      wholeWay(stores.get(kind)!, encrypted));
  }
}

test.each([
  ["gs", /retention of objects.*--enable-per-object-retention/],
  ["azblob", /version-level immutability.*--enable-vlw/],
] as const)("%s: a lock that the store cannot give is refused in that store's own words, before anything is stored", async (kind, words) => {
  const store = stores.get(kind)!;
  const locks = ["--unencrypted", "--object-lock-mode", "compliance", "--retain-for", "1d"];
  const at = ["--repository", await store.newRepository(), ...store.options()];
  const refused = await runCli(["save", "--endpoints", cluster.endpoints.join(","), ...locks, ...at], { env: store.env });
  expectFailure("CONFIG_INVALID", refused, { message: words, hint: words });
});

async function wholeWay(store: TestStore, encrypted: boolean): Promise<void> {
  const repository = await store.newRepository();
  const at = ["--repository", repository, ...store.options()];
  const answerTo = async (...args: string[]) => JSON.parse((await expectExit(0, [...args, ...at, "-o", "json"], store.env)).stdout);
  const reading = encrypted ? ["--identity-file", identity] : [];

  if (!encrypted) {
    expect(await answerTo("repo", "validate")).toMatchObject({ verdict: "good", leftBehind: [] });
    expect(await answerTo("repo", "init")).toMatchObject({ created: true, conditionalCreate: "refused" });
  }
  const { manifest } = await answerTo("save", "--endpoints", cluster.endpoints.join(","), ...(encrypted ? ["--recipient", recipient] : ["--unencrypted"]));
  expect(manifest).toMatchObject({ revision: revision.toString(), hashKv: { hash } });
  expect(manifest.objects[0].encryption).toEqual(encrypted ? expect.objectContaining({ scheme: "age", recipients: [recipient] }) : null);
  expect((await answerTo("list")).backups).toMatchObject([{ id: manifest.id, state: "unconfirmed" }]);
  expect((await answerTo("verify", "latest", "--level", "structure", ...reading)).verified).toMatchObject([
    { backup: manifest.id, outcome: "passed", level: "structure", hashKv: { hash }, findings: [] },
  ]);
  expect(await answerTo("repo", "check")).toMatchObject({ backups: 1, findings: [] });

  const target = join(directory.path, `${store.kind}-${encrypted}`);
  await mkdir(target);
  const members = await planMembers(1, target);
  const [member] = members as [(typeof members)[number]];
  const identityOfMember = ["--name", member.name, "--initial-cluster", `${member.name}=${member.peerUrl}`, "--initial-advertise-peer-urls", member.peerUrl];
  await answerTo("restore", "latest", ...reading, "--data-dir", member.dataDir, "--copy", "--bump-revision", "none", ...identityOfMember);
  await using restored = await startCluster({ minor: "3.7", members, directory: target, initialClusterState: "existing" });
  expect((await restored.hashKv(Number(revision))).map((each) => each.hash)).toEqual([hash]);
  expect(await readAll(await restored.client())).toEqual(keys);
}
