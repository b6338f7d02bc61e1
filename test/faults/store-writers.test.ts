// Two writers in one repository, on each kind of store; and stores and spools that are full.
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collect, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { SNAPSHOT_OBJECT, uploadKey } from "../../src/repository/names.ts";
import { beginUpload } from "../../src/repository/publish.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { NODE, runCli } from "../support/cli.ts";
import { type RunningCommand, startCommand } from "../support/command.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure, expectThrown } from "../support/failures.ts";
import { FaultyStore } from "../support/faulty-store.ts";
import { runCliMounted } from "../support/file-systems.ts";
import { quietRuntime, saveArguments } from "../support/saving.ts";
import { REMOTE_KINDS, startS3Store, startStore } from "../support/stores.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CHILD = fileURLToPath(new URL("lease-child.ts", import.meta.url));
const ID = "20261121T093000Z-0000000000000012345-k3jv2a";
const AUTHOR = { tool: { name: "test", version: "0" }, writer: { host: "test", pid: 1 } };
const KEY = "default/published";
const LEASE_SECONDS = 2;
const TAKE_OVER_LIMIT_MS = 60_000;
const MIB = 1024 * 1024;
/** 20 MB at random. */
const VALUES = 40;
const VALUE_SIZE_BYTES = 500_000;

const { signal } = new AbortController();
const directory = await temporaryDirectory("store-writers");
let cluster: EtcdCluster;
beforeAll(async () => {
  cluster = await startCluster({ minor: "3.7" });
  await putMany(
    await cluster.client(),
    Array.from({ length: VALUES }, (_, index) => ({ key: `key-${index}`, value: randomBytes(VALUE_SIZE_BYTES) })),
  );
});
afterAll(async () => {
  await cluster?.stop();
  await directory.remove();
});

describe.each(REMOTE_KINDS)("%s", (kind) => {
  let faulty: FaultyStore;
  let storage: Storage;
  beforeAll(async () => {
    faulty = await FaultyStore.start(await startStore(kind), cluster.endpoints[0]!);
    storage = await openStorage(faulty.repository, faulty.store.settings(), quietRuntime);
  });
  afterAll(async () => {
    await faulty?.[Symbol.asyncDispose]();
  });

  test("two first saves at once: each is stored, in one repository", async () => {
    const [first, second] = await Promise.all([faulty.startSave().finished, faulty.startSave().finished]);
    expect([first.exitCode, second.exitCode], first.stderr + second.stderr).toEqual([0, 0]);
    await faulty.nothingIsHalf();
    expect(faulty.good.size).toBe(2);
    expect(JSON.parse((await faulty.run({}, ["repo", "check", "-o", "json"])).stdout)).toMatchObject({ backups: 2, findings: [] });
  });

  test("two that write a backup of the same id: one does, and who has lost the marker removes nothing, not even what he stored", async () => {
    const repository = await openRepository(storage, { signal });
    const begin = () => beginUpload(repository, AUTHOR, { cluster: "other", id: ID, action: "save" }, { runtime: quietRuntime, signal });
    const first = await begin();
    await expectThrown("STORAGE_CONFLICT", begin, /uploads/);
    await storage.remove(uploadKey("other", ID), { signal }); // As if a garbage collection had taken the first for dead.
    const second = await begin();
    const put = (upload: typeof first) => upload.put({ role: "snapshot", name: SNAPSHOT_OBJECT }, readerOf(streamOf(randomBytes(10 * MIB))), { signal });
    const outcomes = await Promise.allSettled([put(first), put(second)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const { reason } = outcomes.find(({ status }) => status === "rejected") as PromiseRejectedResult;
    await expectThrown("STORAGE_CONFLICT", () => Promise.reject(reason), /snapshot\.db\.zst/);
    await first.abandon(10_000);
    const { value } = outcomes.find(({ status }) => status === "fulfilled") as PromiseFulfilledResult<Awaited<ReturnType<typeof put>>>;
    const stored = await storage.stat(`other/backups/${ID}/${SNAPSHOT_OBJECT}`, { signal });
    expect(stored?.sizeBytes).toBe(value.storedSizeBytes);
    await second.abandon(10_000);
    const left = await Array.fromAsync(storage.list("other/", { signal }), ({ key }) => key);
    expect(left).toEqual(outcomes[0].status === "fulfilled" ? [stored!.key] : []);
    await storage.remove(stored!.key, { signal });
  });

  test("a writer that is suspended past its lease finds it another's when it goes on, and overwrites nothing", async () => {
    const children: RunningCommand[] = [];
    const start = () => {
      const args = [CHILD, faulty.repository, JSON.stringify(faulty.store.settings()), String(LEASE_SECONDS), KEY];
      const child = startCommand(NODE, args, { stdin: "open", limitMs: 120_000 });
      children.push(child);
      return child;
    };
    try {
      const sleeper = start();
      await sleeper.printed(/held/);
      expect((await start().finished).stdout).toBe("WRITER_LOCKED\n");
      sleeper.signal("SIGSTOP");
      const heir = await heldBy(start);
      heir.child.stdin?.write("go\n");
      expect((await heir.finished).stdout).toBe("held\ndone\n");
      sleeper.child.stdin?.write("go\n");
      sleeper.signal("SIGCONT");
      expect((await sleeper.finished).stdout).toBe("held\nWRITER_LEASE_LOST\n");
      const published = await collect(storage.read(KEY, { signal }), 100, () => new Error("too long"));
      expect(Buffer.from(published).toString()).toBe(String(heir.pid));
      await storage.remove(KEY, { signal });
    } finally {
      for (const child of children) child.signal("SIGKILL");
    }
  });
});

test("s3 on a disk that is full: what is there stays whole, and what does not fit leaves nothing", async () => {
  // One backup and the parts of another fit; that other one whole does not.
  await using full = await FaultyStore.start(await startS3Store({ objectsSizeBytes: 52 * MIB }), cluster.endpoints[0]!);
  expect((await full.save()).exitCode).toBe(0);
  const failed = await full.save({}, ["--storage-tries", "2"]);
  expect(failed.exitCode, failed.stderr).toBe(5);
  const storage = await openStorage(full.repository, full.store.settings(), quietRuntime);
  expect(await Array.fromAsync(storage.unfinished!.list("", { signal }))).toEqual([]);
  expect(JSON.parse((await full.run({}, ["repo", "check", "-o", "json"])).stdout)).toMatchObject({ backups: 1, findings: [] });
  expect((await full.run({}, ["verify", "--all"])).exitCode).toBe(0);
});

test("a spool that is full on the way to a store: nothing is stored", async () => {
  await using store = await startStore("s3");
  const repository = await store.newRepository();
  const spool = join(directory.path, "spool");
  await mkdir(spool);
  const args = saveArguments(cluster.endpoints, repository, "--unencrypted", "--spool-dir", spool, ...store.options());
  const failed = await runCliMounted({ directory: spool, sizeBytes: 4 * MIB }, args, { env: store.env });
  expectFailure("SPOOL_NO_SPACE", failed, { message: /spool/, hint: /--spool-dir/ });
  expect(failed.left).toEqual([]);
  const storage = await openStorage(repository, store.settings(), quietRuntime);
  const keys = await Array.fromAsync(storage.list("", { signal }), ({ key }) => key);
  expect(keys.filter((key) => /\/(backups|uploads)\//.test(key))).toEqual([]);
  const listed = await runCli(["list", "--all-clusters", "--repository", repository, ...store.options(), "-o", "json"], { env: store.env });
  expect(JSON.parse(listed.stdout)).toMatchObject({ backups: [] });
});

/** Tried again until the lease before has expired, by the store's clock. */
async function heldBy(start: () => RunningCommand): Promise<RunningCommand> {
  for (const giveUpAt = performance.now() + TAKE_OVER_LIMIT_MS; ; await sleep(200)) {
    const child = start();
    const isHeld = await child.printed(/held\n/).then(
      () => true,
      () => false,
    );
    if (isHeld) return child;
    if (performance.now() > giveUpAt) throw new Error(`the lease did not expire: ${(await child.finished).stdout}`);
  }
}
