import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { createStage, discardStage, writeRaftFiles } from "../../src/restore/stage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const FILES = { wal: Buffer.from("wal"), snapName: "0000000000000001-0000000000000001.snap", snap: Buffer.from("snap") };
const WAL_NAME = "0000000000000000-0000000000000000.wal";

test("stage: everything lies below one directory inside the data directory", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "new/data");
  const stage = await createStage({ name: "m1", dataDir }, "abc");
  await writeFile(stage.databasePath, "db");
  await writeRaftFiles(stage, FILES);
  expect(await readdir(dataDir)).toEqual(["member.etcdsafe-abc"]);
  expect((await readdir(stage.stageDir, { recursive: true })).sort()).toEqual(["snap", `snap/${FILES.snapName}`, "snap/db", "wal", `wal/${WAL_NAME}`]);
});

test("stage: modes are for the owner alone, and the WAL has etcd's preallocated size", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "data");
  const stage = await createStage({ name: "m1", dataDir }, "abc");
  await writeRaftFiles(stage, FILES);
  for (const path of [dataDir, stage.stageDir, stage.snapDir, dirname(stage.walPath)]) expect((await stat(path)).mode & 0o777, path).toBe(0o700);
  const wal = await stat(stage.walPath);
  expect(wal.mode & 0o777).toBe(0o600);
  expect(wal.size).toBe(64_000_000);
});

test("stage: a separate WAL directory gets the WAL, not under its final name yet", async () => {
  await using directory = await temporaryDirectory("stage");
  const [dataDir, walDir] = [join(directory.path, "data"), join(directory.path, "wal")];
  const stage = await createStage({ name: "m1", dataDir, walDir }, "abc");
  await writeRaftFiles(stage, FILES);
  expect(await readdir(walDir)).toEqual([`${WAL_NAME}.etcdsafe-abc`]);
  expect(await readdir(stage.stageDir)).toEqual(["snap"]);
});

test("stage: a discarded one leaves nothing, not even the directories made for it", async () => {
  await using directory = await temporaryDirectory("stage");
  const stage = await createStage({ name: "m1", dataDir: join(directory.path, "a/b/data"), walDir: join(directory.path, "w/wal") }, "abc");
  await writeRaftFiles(stage, FILES);
  await discardStage(stage);
  expect(await readdir(directory.path)).toEqual([]);
});

test("stage: a directory that existed before stays when the stage is discarded", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "data");
  await mkdir(dataDir);
  await discardStage(await createStage({ name: "m1", dataDir }, "abc"));
  expect(await readdir(directory.path)).toEqual(["data"]);
});

test("stage: one that cannot be made leaves nothing", async () => {
  await using directory = await temporaryDirectory("stage");
  const walDir = join(directory.path, "file");
  await writeFile(walDir, "not a directory");
  await expect(createStage({ name: "m1", dataDir: join(directory.path, "data"), walDir: join(walDir, "wal") }, "abc")).rejects.toThrow();
  expect(await readdir(directory.path)).toEqual(["file"]);
});

test("stage: what a run of the same plan left when it died is removed, in both directories", async () => {
  await using directory = await temporaryDirectory("stage");
  const target = { name: "m1", dataDir: join(directory.path, "data"), walDir: join(directory.path, "wal") };
  const died = await createStage(target, "abc");
  await writeFile(died.databasePath, "half a db");
  await writeRaftFiles(died, FILES);
  const stage = await createStage(target, "abc");
  expect(stage.inode).not.toBe(died.inode);
  expect(await readdir(target.dataDir, { recursive: true })).toEqual(["member.etcdsafe-abc", "member.etcdsafe-abc/snap"]);
  expect(await readdir(target.walDir)).toEqual([]);
  await writeRaftFiles(stage, FILES);
  await createStage({ name: "m1", dataDir: target.dataDir }, "other");
  expect((await readdir(target.dataDir)).sort()).toEqual(["member.etcdsafe-abc", "member.etcdsafe-other"]);
});
