import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { createStage, discardStage, nextRun, takenOver, writeRaftFiles } from "../../src/restore/stage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const FILES = { wal: Buffer.from("wal"), snapName: "0000000000000001-0000000000000001.snap", snap: Buffer.from("snap") };
const WAL_NAME = "0000000000000000-0000000000000000.wal";

test("stage: everything lies below one directory inside the data directory", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "new/data");
  const stage = await createStage({ name: "m1", dataDir }, "abc", 1);
  await writeFile(stage.databasePath, "db");
  await writeRaftFiles(stage, FILES);
  expect(await readdir(dataDir)).toEqual(["member.etcdsafe-abc"]);
  expect((await readdir(stage.stageDir, { recursive: true })).sort()).toEqual(["snap", `snap/${FILES.snapName}`, "snap/db", "wal", `wal/${WAL_NAME}`]);
});

test("stage: modes are for the owner alone, and the WAL has etcd's preallocated size", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "data");
  const stage = await createStage({ name: "m1", dataDir }, "abc", 1);
  await writeRaftFiles(stage, FILES);
  for (const path of [dataDir, stage.stageDir, stage.snapDir, dirname(stage.walPath)]) expect((await stat(path)).mode & 0o777, path).toBe(0o700);
  const wal = await stat(stage.walPath);
  expect(wal.mode & 0o777).toBe(0o600);
  expect(wal.size).toBe(64_000_000);
});

test("stage: a separate WAL directory gets the WAL, not under its final name yet", async () => {
  await using directory = await temporaryDirectory("stage");
  const [dataDir, walDir] = [join(directory.path, "data"), join(directory.path, "wal")];
  const stage = await createStage({ name: "m1", dataDir, walDir }, "abc", 1);
  await writeRaftFiles(stage, FILES);
  expect(await readdir(walDir)).toEqual([`${WAL_NAME}.etcdsafe-abc`]);
  expect(await readdir(stage.stageDir)).toEqual(["snap"]);
});

test("stage: a discarded one leaves nothing, not even the directories made for it", async () => {
  await using directory = await temporaryDirectory("stage");
  const stage = await createStage({ name: "m1", dataDir: join(directory.path, "a/b/data"), walDir: join(directory.path, "w/wal") }, "abc", 1);
  await writeRaftFiles(stage, FILES);
  await discardStage(stage);
  expect(await readdir(directory.path)).toEqual([]);
});

test("stage: a directory that existed before stays when the stage is discarded", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "data");
  await mkdir(dataDir);
  await discardStage(await createStage({ name: "m1", dataDir }, "abc", 1));
  expect(await readdir(directory.path)).toEqual(["data"]);
});

test("stage: one that cannot be made leaves nothing", async () => {
  await using directory = await temporaryDirectory("stage");
  const walDir = join(directory.path, "file");
  await writeFile(walDir, "not a directory");
  await expect(createStage({ name: "m1", dataDir: join(directory.path, "data"), walDir: join(walDir, "wal") }, "abc", 1)).rejects.toThrow();
  expect(await readdir(directory.path)).toEqual(["file"]);
});

test("stage: what runs of the same plan left when they died is removed, in both directories", async () => {
  await using directory = await temporaryDirectory("stage");
  const target = { name: "m1", dataDir: join(directory.path, "data"), walDir: join(directory.path, "wal") };
  for (const run of [1, 2]) {
    expect(await nextRun([target], "abc")).toBe(run);
    const died = await createStage(target, "abc", run);
    await writeFile(died.databasePath, "half a db");
    await writeRaftFiles(died, FILES);
  }
  expect(await nextRun([{ dataDir: join(directory.path, "none") }, target], "abc")).toBe(3);
  const stage = await createStage(target, "abc", 3);
  expect(await readdir(target.dataDir, { recursive: true })).toEqual(["member.etcdsafe-abc-3", "member.etcdsafe-abc-3/snap"]);
  expect(await readdir(target.walDir)).toEqual([]);
  await writeRaftFiles(stage, FILES);
  for (const id of ["other", "ab", "abcd"]) await createStage({ name: "m1", dataDir: target.dataDir }, id, 1);
  expect((await readdir(target.dataDir)).sort()).toEqual(["ab", "abc-3", "abcd", "other"].map((id) => `member.etcdsafe-${id}`));
});

test("stage: an earlier run of the same plan that lives finds that another one is at work, and takes nothing from it", async () => {
  await using directory = await temporaryDirectory("stage");
  const target = { name: "m1", dataDir: join(directory.path, "data"), walDir: join(directory.path, "wal") };
  const earlier = await createStage(target, "abc", 1);
  expect(await takenOver(earlier)).toBeUndefined();
  const later = await createStage(target, "abc", 2);
  expect(await takenOver(earlier)).toMatchObject({
    code: "TARGET_NOT_EMPTY",
    message: expect.stringContaining("another restore by the same plan runs on this host"),
  });
  await expect(writeRaftFiles(earlier, FILES)).rejects.toMatchObject({ code: "ENOENT" });
  await discardStage(earlier);
  await writeRaftFiles(later, FILES);
  expect(await takenOver(later)).toBeUndefined();
  expect(await readdir(target.walDir)).toEqual([`${WAL_NAME}.etcdsafe-abc-2`]);
});

test("stage: of runs of the same plan that begin at once one goes on, and no other", async () => {
  await using directory = await temporaryDirectory("stage");
  const target = { name: "m1", dataDir: join(directory.path, "data") };
  const isRefused = { code: "TARGET_NOT_EMPTY", message: expect.stringContaining("another restore by the same plan runs on this host") };
  const stage = await createStage(target, "abc", 2);
  for (const run of [1, 2]) await expect(createStage(target, "abc", run), `run ${run}`).rejects.toMatchObject(isRefused);
  expect(await takenOver(stage)).toBeUndefined();
  expect(await readdir(target.dataDir)).toEqual(["member.etcdsafe-abc-2"]);
});
