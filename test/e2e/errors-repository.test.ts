// What can be wrong with a repository and the backups in it, caused for real: on copies of one that the command line made.
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openStorage } from "../../src/storage/open.ts";
import { readOnly } from "../../src/storage/read-only.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { runCli } from "../support/cli.ts";
import type { CommandResult } from "../support/command.ts";
import { SEED } from "../support/counts.ts";
import { type EtcdCluster, startCluster } from "../support/etcd.ts";
import { putMany } from "../support/etcd-data.ts";
import { expectFailure, expectThrown, expectVerdict } from "../support/failures.ts";
import { randomNumbers } from "../support/random-history.ts";
import { expectExit, quietRuntime } from "../support/saving.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = await temporaryDirectory("errors-repository");
const original = join(directory.path, "original");
let cluster: EtcdCluster;
let stranger: EtcdCluster;
/** Oldest first. */
let ids: readonly string[];
let copies = 0;

beforeAll(async () => {
  [cluster, stranger] = await Promise.all([startCluster({ minor: "3.7" }), startCluster({ minor: "3.6" })]);
  const random = randomNumbers(SEED);
  const rows = Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: random.bytes(1000) }));
  await putMany(await cluster.client(), rows);
  const save = async (): Promise<string> => JSON.parse((await expectExit(0, [...saving(cluster), "--repository", original, "-o", "json"])).stdout).manifest.id;
  ids = [await save(), await save()]; // Within one second, their names do not tell which is older.
});
/** Whatever a restore failed with, it left nothing. */
afterEach(async () => expect(await readdir(directory.path)).not.toContain("data"));
afterAll(async () => {
  await cluster?.stop();
  await stranger?.stop();
  await directory.remove();
});

interface Copy {
  run(...args: readonly string[]): Promise<CommandResult>;
  path(key: string): string;
  /** Of the newest backup. */
  readonly manifest: string;
  readonly object: string;
  /** Replaces a part of a text file. */
  change(key: string, part: string | RegExp, by: string): Promise<void>;
}

/** A copy of the repository to damage. */
async function copied(): Promise<Copy> {
  const root = join(directory.path, `copy-${copies++}`);
  await cp(original, root, { recursive: true });
  const path = (key: string) => join(root, key);
  const backup = `default/backups/${ids.at(-1)}`;
  return {
    run: (...args) => runCli([...args, "--repository", root], { cwd: directory.path }),
    path,
    manifest: `${backup}/manifest.json`,
    object: `${backup}/snapshot.db.zst`,
    change: async (key, part, by) => {
      const before = await readFile(path(key), "utf8");
      expect(before).toMatch(part);
      await writeFile(path(key), before.replace(part, by));
    },
  };
}

const latest = () => ids.at(-1)!;
const restoring = (reference: string) => ["restore", reference, "--data-dir", "data", "--copy"];
const saving = (from: EtcdCluster) => ["save", "--endpoints", from.endpoints.join(",")];

/** Nothing is stored of what a restore found out. */
const wayOn = () => new RegExp(`; use another backup\\. \`etcdsafe verify ${latest()}\` marks this one .*; the newest good one beside it is ${ids[0]}\\.$`);

test("no repository there, and a place that cannot hold one", async () => {
  const none = join(directory.path, "none");
  expectFailure("REPOSITORY_NOT_FOUND", await runCli(["list", "--repository", none]), {
    message: /^there is no repository in \/.*\/none: etcdsafe-repository\.json/,
  });
  expectFailure("REPOSITORY_NOT_FOUND", await runCli([...restoring("latest"), "--repository", `file://${none}`, "-o", "json"]), { message: /\/none: / });
  const file = join(original, "etcdsafe-repository.json");
  expectFailure("REPOSITORY_NOT_FOUND", await runCli([...saving(cluster), "--repository", file]), {
    message: /^\/.*\/etcdsafe-repository\.json is a file, not a repository$/,
    hint: /etcdsafe inspect/,
  });
  // As NFS says it when the server came back with another file system.
  const stale = `import files from "node:fs/promises"; import { syncBuiltinESMExports } from "node:module";
    const { open } = files;
    files.open = async (path, ...rest) => {
      if (!String(path).endsWith("/etcdsafe-repository.json")) return open(path, ...rest);
      throw Object.assign(new Error("ESTALE: stale file handle, open '" + path + "'"), { code: "ESTALE", syscall: "open" });
    };
    syncBuiltinESMExports();`;
  const nodeArguments = ["--import", `data:text/javascript,${encodeURIComponent(stale)}`];
  expectFailure("STORAGE_UNREACHABLE", await runCli(["list", "--repository", original], { nodeArguments }), {
    message: /^cannot read etcdsafe-repository\.json in the repository \/.*: ESTALE/,
  });
  expectFailure("CONFIG_INVALID", await runCli(["list", "--repository", "ftp://host/backups"]), { message: /^ftp:\/\/host\/backups: /, hint: /file:\/\// });
});

test("no repository is created where something else is: not by save, and not by init", async () => {
  const taken = join(directory.path, "taken");
  // What no file makes is nothing: the root of a fresh file system, and what an etcdsafe that was killed leaves.
  for (const name of ["lost+found", ".etcdsafe/unfinished/left"]) await mkdir(join(taken, name), { recursive: true });
  await writeFile(join(taken, ".etcdsafe", "unfinished", "left", "part"), "");
  await mkdir(join(taken, "two", "member", "snap"), { recursive: true });
  await writeFile(join(taken, "two", "member", "snap", "db"), "etcd's");
  for (const args of [
    [...saving(cluster), "--cluster", "two"],
    ["repo", "init"],
  ]) {
    expectFailure("REPOSITORY_NOT_EMPTY", await runCli([...args, "--repository", taken]), {
      message: /^no repository was created in \/.*\/taken: something else is there already, two\/member\/snap\/db$/,
      hint: /^Name an empty or new directory/,
    });
  }
  expect((await readdir(taken)).sort()).toEqual([".etcdsafe", "lost+found", "two"]);
  expect(await readdir(join(taken, "two"))).toEqual(["member"]);
  await rm(join(taken, "two"), { recursive: true });
  await expectExit(0, ["repo", "init", "--repository", taken]);
});

test("a repository file and a cluster file that were damaged", async () => {
  const { run, path, change } = await copied();
  await change("default/cluster.json", '"clusterId"', '"clusterID"');
  expectFailure("REPOSITORY_INVALID", await run(...saving(cluster)), {
    message: /^default\/cluster\.json is not a valid cluster file: clusterId: expected string, /,
    hint: /`etcdsafe repo adopt`/,
  });
  await truncate(path("etcdsafe-repository.json"), 30);
  expectFailure("REPOSITORY_INVALID", await run("list"), {
    message: /^etcdsafe-repository\.json is not a valid repository file: it is not JSON/,
    hint: /`etcdsafe repo init` makes/,
  });
});

test("a repository, and a backup, that a newer etcdsafe wrote", async () => {
  const { run, change, manifest } = await copied();
  await change(manifest, '"requires": []', '"requires": ["holograms"]');
  expectFailure("REPOSITORY_UNSUPPORTED", await run(...restoring(latest())), {
    message: /\/manifest\.json: this manifest requires holograms, which this etcdsafe does not know$/,
  });
  await change("etcdsafe-repository.json", '"format": 1', '"format": 2');
  expectFailure("REPOSITORY_UNSUPPORTED", await run("list", "-o", "json"), {
    message: /^etcdsafe-repository\.json: this repository file has format 2, and this etcdsafe knows 1$/,
  });
});

test("a name that means no backup, or several", async () => {
  const { run } = await copied();
  expectFailure("BACKUP_NOT_FOUND", await run("show", "20200101"), {
    message: /^there is no backup "20200101" in cluster default of \/.*$/,
    hint: new RegExp(`^What is there: ${[...ids].reverse().join(", ")}\\.$`),
  });
  expectFailure("BACKUP_NOT_FOUND", await run("verify", "latest", "--cluster", "other"), {
    message: /^there is no backup in cluster other of \//,
    hint: /^Other clusters there are default: name one with --cluster\.$/,
  });
  expectFailure("BACKUP_AMBIGUOUS", await run("show", latest().slice(0, 4)), {
    message: new RegExp(`^"${latest().slice(0, 4)}" may mean any of ${[...ids].reverse().join(", ")} in cluster default of /`),
  });
});

test("a manifest that was damaged: it is told when named, and passed over when not", async () => {
  const { run, change, manifest } = await copied();
  await change(manifest, /\n {2}"revision": "\d+"/, '\n  "revision": 5');
  const message = new RegExp(`^${manifest} is not a valid manifest: revision: `);
  expectFailure("MANIFEST_INVALID", await run("show", latest()), { message });
  expectFailure("MANIFEST_INVALID", await run(...restoring(latest())), { message });
  expectVerdict("MANIFEST_INVALID", await run("verify", latest(), "-o", "json"), { message });
  expect(JSON.parse((await run("show", "latest", "-o", "json")).stdout).manifest.id).toBe(ids[0]);
});

test("an object that is gone, or cut short", async () => {
  const { run, path, object } = await copied();
  const { size } = await stat(path(object));
  await truncate(path(object), size - 100);
  expectFailure("SNAPSHOT_DAMAGED", await run(...restoring(latest())), {
    message: new RegExp(`^${latest()} is damaged: snapshot\\.db\\.zst holds ${size - 100} bytes instead of ${size}$`),
    hint: /^`etcdsafe list` shows the others\. Where only reading it had failed, `etcdsafe verify \S+` finds it good again, and then it can be restored\.$/,
  });
  expectVerdict("OBJECT_TRUNCATED", await run("verify", latest(), "-o", "json"), {
    message: new RegExp(`^${object} holds ${size - 100} of its ${size} bytes$`),
  });
  // As after a crash of the store: all of the size, but not all of the bytes.
  await truncate(path(object), size);
  await rm(path("default/verifications"), { recursive: true });
  expectFailure("OBJECT_TRUNCATED", await run(...restoring(latest())), {
    message: new RegExp(`^${object}: no seek table where it should end at byte \\d+$`),
    hint: wayOn(),
  });
  await rm(path(object));
  await rm(path("default/verifications"), { recursive: true, force: true });
  expectVerdict("STORAGE_NOT_FOUND", await run("verify", latest(), "-o", "json"), {
    message: new RegExp(`^${object} is missing in /.*, though its manifest`),
    hint: /put it back from a copy, or use another backup/,
  });
});

test("an object that was changed", async () => {
  const { run, path, object } = await copied();
  const bytes = await readFile(path(object));
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(path(object), bytes);
  expectFailure("OBJECT_CORRUPT", await run(...restoring(latest())), {
    message: new RegExp(`^${object}: frame 0 (does not decompress|has not the checksum) .*at byte 0$`),
    hint: wayOn(),
  });
  for (const level of ["stored-bytes", "hash", "structure"]) {
    expectVerdict("OBJECT_CORRUPT", await run("verify", latest(), "--level", level, "-o", "json"), { message: new RegExp(`^${object}: `) });
  }
});

test("what was written is not what the manifest says: nothing is put in place", async () => {
  const { run, change, manifest } = await copied();
  await change(manifest, /("hashKv": \{[^}]*"hash": )\d+/, "$11");
  expectFailure("SELF_CHECK_FAILED", await run(...restoring(latest())), {
    message: /^the database written from \/.*: 2.* has the HashKV at revision \d+ \d+ instead of 1$/,
  });
});

test("a name to adopt that was never bound: nothing is bound, and those that are are named", async () => {
  const { run, path } = await copied();
  expectFailure("CLUSTER_NOT_FOUND", await run("repo", "adopt", "--cluster", "defualt", "--endpoints", stranger.endpoints.join(",")), {
    message: /^nothing was adopted: the name defualt was never bound in \/.*$/,
    hint: /^The names there are default: check --cluster\. .* the first save binds it\.$/,
  });
  expect(await readdir(path("."))).not.toContain("defualt");
});

test("another cluster under the same name: nothing of it is stored", async () => {
  const { run, path } = await copied();
  expectFailure("CLUSTER_MISMATCH", await run(...saving(stranger)), {
    message: /^default belongs to cluster [0-9a-f]{16}; this is cluster [0-9a-f]{16}, and no restore on record makes that its successor$/,
  });
  expect((await readdir(path("default/backups"))).sort()).toEqual([...ids].sort());
});

test("adopting says what it does: once for the cluster that is bound, once for another, and nothing the second time", async () => {
  const { run } = await copied();
  const adopt = async (from: EtcdCluster) => (await run("repo", "adopt", "--endpoints", from.endpoints.join(","))).stdout;
  const accepted = "Its next save is accepted whatever it holds, and starts a new timeline unless it continues the newest backup.\n";
  expect(await adopt(cluster)).toMatch(new RegExp(`^default stays the name of cluster [0-9a-f]{16}\\. ${accepted}$`));
  expect(await adopt(stranger)).toMatch(new RegExp(`^default is now the name of cluster [0-9a-f]{16}\\. ${accepted}$`));
  expect(await adopt(stranger)).toMatch(/^default is the name of cluster [0-9a-f]{16} already; nothing changed\.\n$/);
  expect((await run(...saving(stranger))).exitCode).toBe(0);
});

test("two writers of one object, and a writer where only reading was meant", async () => {
  const root = join(directory.path, "storage");
  await mkdir(root);
  const storage = await openStorage(root, DEFAULT_SETTINGS, quietRuntime);
  const { signal } = new AbortController();
  const put = (options: { ifAbsent?: true; ifVersion?: string }) => storage.put("a/b", streamOf(Buffer.from("x")), { signal, ...options });
  const { version } = await put({ ifAbsent: true });
  await expectThrown("STORAGE_CONFLICT", () => put({ ifAbsent: true }), /^a\/b was not written: it exists already$/);
  await put({});
  await expectThrown("STORAGE_CONFLICT", () => put({ ifVersion: version }), /^a\/b was not written: it was changed since it was read$/);
  const only = readOnly(storage);
  await expectThrown("STORAGE_READ_ONLY", () => only.remove("a/b", { signal }), /^a\/b in \/.* was not changed: it is opened read-only$/);
});
