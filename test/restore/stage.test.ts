import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitStage, createStage, discardStage, requireEmptyTarget, writeRaftFiles } from "../../src/restore/stage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const FILES = { wal: Buffer.from("wal"), snapName: "0000000000000001-0000000000000001.snap", snap: Buffer.from("snap") };
const WAL_NAME = "0000000000000000-0000000000000000.wal";

test("stage: everything lies below one directory inside the data directory until it is put in place", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "new/data");
  const stage = await createStage({ name: "m1", dataDir }, "abc");
  await writeFile(stage.databasePath, "db");
  await writeRaftFiles(stage, FILES);
  expect(await readdir(dataDir)).toEqual(["member.etcdsafe-abc"]);
  await commitStage(stage);
  expect(await readdir(dataDir)).toEqual(["member"]);
  expect((await readdir(join(dataDir, "member"), { recursive: true })).sort()).toEqual(["snap", `snap/${FILES.snapName}`, "snap/db", "wal", `wal/${WAL_NAME}`]);
  expect(await readFile(join(dataDir, "member/snap/db"), "utf8")).toBe("db");
});

test("stage: modes are for the owner alone, and the WAL has etcd's preallocated size", async () => {
  await using directory = await temporaryDirectory("stage");
  const dataDir = join(directory.path, "data");
  const stage = await createStage({ name: "m1", dataDir }, "abc");
  await writeRaftFiles(stage, FILES);
  await commitStage(stage);
  for (const name of ["", "member", "member/snap", "member/wal"]) expect((await stat(join(dataDir, name))).mode & 0o777, name).toBe(0o700);
  const wal = await stat(join(dataDir, "member/wal", WAL_NAME));
  expect(wal.mode & 0o777).toBe(0o600);
  expect(wal.size).toBe(64_000_000);
});

test("stage: a separate WAL directory gets the WAL, under its final name only at the end", async () => {
  await using directory = await temporaryDirectory("stage");
  const [dataDir, walDir] = [join(directory.path, "data"), join(directory.path, "wal")];
  const stage = await createStage({ name: "m1", dataDir, walDir }, "abc");
  await writeRaftFiles(stage, FILES);
  expect(await readdir(walDir)).toEqual([`${WAL_NAME}.etcdsafe-abc`]);
  await commitStage(stage);
  expect(await readdir(walDir)).toEqual([WAL_NAME]);
  expect(await readdir(join(dataDir, "member"))).toEqual(["snap"]);
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

test("stage: a target that holds anything is refused and named; a mount's lost+found and an interrupted restore's leftovers are not in the way", async () => {
  await using directory = await temporaryDirectory("stage");
  expect(await requireEmptyTarget({ dataDir: join(directory.path, "absent") })).toEqual([]);
  await mkdir(join(directory.path, "lost+found"));
  await mkdir(join(directory.path, "member.etcdsafe-old"));
  expect(await requireEmptyTarget({ dataDir: directory.path })).toEqual([join(directory.path, "member.etcdsafe-old")]);
  await mkdir(join(directory.path, "member"));
  await expect(requireEmptyTarget({ dataDir: directory.path })).rejects.toMatchObject({
    code: "TARGET_NOT_EMPTY",
    message: expect.stringContaining('"member"'),
  });
  await expect(requireEmptyTarget({ dataDir: join(directory.path, "absent"), walDir: directory.path })).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
});

test("stage: a file where the data directory should be is refused, and so is one further up, which is named", async () => {
  await using directory = await temporaryDirectory("stage");
  const file = join(directory.path, "file");
  await writeFile(file, "");
  const refused = (message: string) => ({ code: "TARGET_NOT_EMPTY", message });
  await expect(requireEmptyTarget({ dataDir: file })).rejects.toMatchObject(refused(`${file} is a file, not a directory`));
  for (const below of [join(file, "data"), join(file, "a/b/data")]) {
    const message = `${below} cannot be made: ${file} is a file, not a directory`;
    await expect(requireEmptyTarget({ dataDir: below })).rejects.toMatchObject(refused(message));
    await expect(requireEmptyTarget({ dataDir: join(directory.path, "absent"), walDir: below })).rejects.toMatchObject(refused(message));
  }
});
