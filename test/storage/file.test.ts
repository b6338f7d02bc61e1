import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { openFileStorage } from "../../src/storage/file.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageConformance } from "../conformance/storage.ts";
import { NODE } from "../support/cli.ts";
import { runCommand } from "../support/command.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const runtime = { randomBytes, sleep: (delayMs: number, signal: AbortSignal) => sleep(delayMs, undefined, { signal }) };
const { signal } = new AbortController(); // Each test has its time-out.

storageConformance("file storage", async () => {
  const directory = await temporaryDirectory("storage");
  const open = () => openFileStorage(join(directory.path, "not", "there", "yet"), runtime);
  return { storage: open(), again: async () => open(), [Symbol.asyncDispose]: directory.remove };
});

test("file storage: creates files and directories for their owner alone", async () => {
  await using directory = await temporaryDirectory("storage");
  const root = join(directory.path, "repository");
  await put(openFileStorage(root, runtime), "a/b/c.json", "x");
  await put(openFileStorage(root, runtime), "a/b/c.json", "y");
  for (const path of ["", "a", "a/b", ".etcdsafe"]) expect(((await stat(join(root, path))).mode & 0o777).toString(8)).toBe("700");
  expect(((await stat(join(root, "a/b/c.json"))).mode & 0o777).toString(8)).toBe("600");
});

test("file storage: the disk is given what comes in steps of 16 MiB, the next when the last is done; one that fails fails the put", async () => {
  await using directory = await temporaryDirectory("storage");
  await using file = await open("/dev/null");
  const handles = Object.getPrototypeOf(file) as FileHandle;
  const log: string[] = [];
  let givenMib = 0;
  const datasync = vi.spyOn(handles, "datasync").mockImplementation(async () => {
    log.push(`begins at ${givenMib}`);
    await sleep(50);
    log.push("ends");
  });
  const body = async function* () {
    for (; givenMib < 36; givenMib += 4) yield Buffer.alloc(4 * 1024 * 1024);
  };
  await openFileStorage(directory.path, runtime).put("a", body(), { signal });
  datasync.mockRestore();
  // A chunk counts as given when the next is asked for, which is after its write and what that began.
  expect(log).toEqual(["begins at 12", "ends", "begins at 28", "ends"]);
  const failing = vi.spyOn(handles, "datasync").mockRejectedValueOnce(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  await expect(openFileStorage(directory.path, runtime).put("b", streamOf(Buffer.alloc(16 * 1024 * 1024)), { signal })).rejects.toThrow("EIO");
  failing.mockRestore();
  expect(await readdir(directory.path)).not.toContain("b");
});

test("file storage: takes only names that keys map to for objects, and follows links to directories", async () => {
  await using directory = await temporaryDirectory("storage");
  const storage = openFileStorage(directory.path, runtime);
  await put(storage, "a/b", "x");
  await mkdir(join(directory.path, "lost+found"));
  await writeFile(join(directory.path, "lost+found", "x"), "");
  for (const name of [".nfs0001", "notes~", "%zz", "%2f", "%61"]) await writeFile(join(directory.path, name), "");
  await mkdir(join(directory.path, "elsewhere"));
  await symlink(join(directory.path, "a"), join(directory.path, "elsewhere", "linked"));
  await symlink(join(directory.path, "gone"), join(directory.path, "elsewhere", "dangling"));
  expect((await Array.fromAsync(storage.list("", { signal }))).map(({ key }) => key)).toEqual(["a/b", "elsewhere/linked/b"]);
});

test("file storage: removes directories that became empty, but not its own root", async () => {
  await using directory = await temporaryDirectory("storage");
  const storage = openFileStorage(directory.path, runtime);
  await put(storage, "a/b/c", "x");
  await put(storage, "a/d", "x");
  await storage.remove("a/b/c", { signal });
  expect(await readdir(join(directory.path, "a"))).toEqual(["d"]);
  await storage.remove("a/d", { signal });
  expect(await readdir(directory.path)).toEqual([".etcdsafe"]);
});

test("file storage: puts objects into directories that others remove, being empty, at the same time", async () => {
  await using directory = await temporaryDirectory("storage");
  const comeAndGo = async (name: string) => {
    const storage = openFileStorage(directory.path, runtime);
    for (let round = 0; round < 60; round++) {
      await storage.put(`a/b/${name}`, streamOf(Buffer.from("x")), { signal, ifAbsent: round % 2 === 0 });
      await storage.remove(`a/b/${name}`, { signal });
    }
  };
  await Promise.all(["1", "2", "3", "4"].map(comeAndGo));
  expect(await readdir(directory.path)).toEqual([".etcdsafe"]);
});

test("file storage: gives a replaced object another version though clock, size and content stay", async () => {
  await using directory = await temporaryDirectory("storage");
  const storage = openFileStorage(directory.path, runtime);
  await put(storage, "k", "x");
  const future = new Date(Date.now() + 3_600_000);
  await utimes(join(directory.path, "k"), future, future);
  const before = await storage.stat("k", { signal });
  const after = await put(storage, "k", "x");
  expect(after.modifiedAt.getTime()).toBeGreaterThan(before!.modifiedAt.getTime());
});

test("file storage: removes what killed processes left a day ago, and nothing younger", async () => {
  await using directory = await temporaryDirectory("storage");
  await put(openFileStorage(directory.path, runtime), "k", "x");
  const unfinished = join(directory.path, ".etcdsafe", "unfinished");
  for (const [name, ageHours] of [
    ["old", 25],
    ["young", 23],
  ] as const) {
    await mkdir(join(unfinished, name));
    await writeFile(join(unfinished, name, name), "");
    const time = new Date(Date.now() - ageHours * 3_600_000);
    await utimes(join(unfinished, name, name), time, time);
  }
  await put(openFileStorage(directory.path, runtime), "k", "y");
  expect(await readdir(unfinished)).toEqual(["young"]);
});

test("file storage: says where a file is in the place of the root, of what is above it, or of what is in it", async () => {
  await using directory = await temporaryDirectory("storage");
  const root = join(directory.path, "file");
  await writeFile(root, "");
  const storage = openFileStorage(root, runtime);
  const isFile = { code: "REPOSITORY_NOT_FOUND", message: `${root} is a file, not a repository`, hint: expect.stringContaining(`etcdsafe verify ${root}`) };
  await expect(put(storage, "k", "x")).rejects.toMatchObject(isFile);
  await expect(Array.fromAsync(storage.list("", { signal }))).rejects.toMatchObject(isFile);
  await expect(storage.stat("k", { signal })).rejects.toMatchObject(isFile);
  await expect(openFileStorage(join(root, "a", "b"), runtime).stat("k", { signal })).rejects.toMatchObject({
    code: "REPOSITORY_NOT_FOUND",
    message: `there is no repository in ${root}/a/b: ${root} is a file`,
  });
  await expect(openFileStorage(directory.path, runtime).stat("file/k", { signal })).rejects.toMatchObject({
    code: "REPOSITORY_INVALID",
    message: expect.stringContaining(`cannot look up file/k in the repository ${directory.path}, where a file is in the place of a directory`),
  });
});

test("file storage: says denied where it may not read or write", async () => {
  await using directory = await temporaryDirectory("storage");
  const storage = openFileStorage(join(directory.path, "repository"), runtime);
  await put(storage, "a/k", "x");
  await withoutRights(storage.location, async () => {
    await expect(put(storage, "k", "x")).rejects.toMatchObject({ code: "STORAGE_DENIED" });
    await expect(Array.fromAsync(storage.list("", { signal }))).rejects.toMatchObject({ code: "STORAGE_DENIED" });
    await expect(Array.fromAsync(storage.read("a/k", { signal }))).rejects.toMatchObject({ code: "STORAGE_DENIED" });
    await expect(storage.remove("a/k", { signal })).rejects.toMatchObject({ code: "STORAGE_DENIED" });
  });
});

test("file storage: says full where the file system is, and gives back what it had taken", async () => {
  await using directory = await temporaryDirectory("storage");
  const child = fileURLToPath(new URL("put-child.ts", import.meta.url));
  const script = `mount -t tmpfs -o size=2m tmpfs "$1" && { "$2" "$3" "$1" big absent 9000000; echo; "$2" "$3" "$1" small absent 9000 && ls "$1"; }`;
  const result = await runCommand("unshare", ["-rm", "sh", "-c", script, "sh", directory.path, NODE, child]);
  expect(result.stderr).toBe("");
  expect(result.stdout).toBe("STORAGE_FULL\nsmall\n");
});

function put(storage: Storage, key: string, content: string) {
  return storage.put(key, streamOf(Buffer.from(content)), { signal });
}

/** Runs `work` as a user who may not enter `directory`: another one for root, whom no mode keeps out. */
async function withoutRights(directory: string, work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid!() === 0;
  const enter = () => (isRoot ? process.seteuid!(65_534) : chmodSync(directory, 0));
  const leave = () => (isRoot ? process.seteuid!(0) : chmodSync(directory, 0o700));
  enter();
  try {
    await work();
  } finally {
    leave();
  }
}

test("file storage: what is being written is told by its key; removed, it never becomes an object", async () => {
  await using directory = await temporaryDirectory("storage");
  const storage = openFileStorage(directory.path, runtime);
  const released = Promise.withResolvers<void>();
  const body = async function* () {
    yield Buffer.from("half");
    await released.promise;
    yield Buffer.from(" and half");
  };
  const keys = ["c/backups/x y/snapshot.db.zst", `c/${"long/".repeat(40)}`];
  const puts = keys.map((key) => storage.put(key, body(), { signal }).catch((error: unknown) => error));
  const unfinished = (prefix: string) => Array.fromAsync(storage.unfinished!.list(prefix, { signal }));
  await expect.poll(() => unfinished("c/")).toMatchObject([{ key: keys[0], startedAt: expect.any(Date) }]);
  expect(await unfinished("d")).toEqual([]);
  const [upload] = await unfinished("");
  await storage.unfinished!.abort(upload!, { signal });
  await storage.unfinished!.abort(upload!, { signal });
  released.resolve();
  expect(await Promise.all(puts)).toMatchObject([{ code: "STORAGE_UNREACHABLE" }, { key: keys[1] }]);
  expect((await Array.fromAsync(storage.list("", { signal }))).map(({ key }) => key)).toEqual([keys[1]]);
  expect(await unfinished("")).toEqual([]);
});
