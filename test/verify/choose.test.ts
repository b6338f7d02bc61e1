import { expect, test } from "vitest";
import type { Manifest } from "../../src/repository/manifest.ts";
import { manifestKey } from "../../src/repository/names.ts";
import { allBackups, backupsSince, chooseBackups } from "../../src/verify/choose.ts";
import { CLUSTER, newRepository, put, recordingRuntime, signal, snapshotKey, someSnapshot, storeBackup } from "./stored-backup.ts";

test("a backup is chosen by a unique beginning of its id, also when its manifest is broken", async () => {
  const repository = await newRepository();
  const [first, second] = [await storeBackup(repository, someSnapshot()), await storeBackup(repository, someSnapshot(), { second: "01" })];
  const options = { signal, runtime: recordingRuntime() };
  await put(repository.storage, manifestKey(CLUSTER, first), Buffer.from("{}"));
  expect(await chooseBackups(repository, CLUSTER, second.slice(0, 16), options)).toEqual([{ cluster: CLUSTER, id: second }]);
  expect(await chooseBackups(repository, CLUSTER, first.slice(0, 16), options)).toEqual([{ cluster: CLUSTER, id: first }]);
  await expect(chooseBackups(repository, CLUSTER, "2026", options)).rejects.toMatchObject({ code: "BACKUP_AMBIGUOUS" });
  await expect(chooseBackups(repository, CLUSTER, "2027", options)).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
});

test("latest warns of newer backups that it skips", async () => {
  const repository = await newRepository();
  const good = await storeBackup(repository, someSnapshot());
  const runtime = recordingRuntime();
  expect(await chooseBackups(repository, CLUSTER, "latest", { signal, runtime })).toEqual([{ cluster: CLUSTER, id: good }]);
  expect(runtime.events).toEqual([]);
  const broken = await storeBackup(repository, someSnapshot(), { second: "01" });
  await repository.storage.remove(snapshotKey(broken), { signal });
  // What is known to be damaged is looked at again, before it: that an older one is good is no good news of the newest.
  expect((await chooseBackups(repository, CLUSTER, "latest", { signal, runtime })).map(({ id }) => id)).toEqual([broken, good]);
  expect((await chooseBackups(repository, CLUSTER, "oldest", { signal, runtime })).map(({ id }) => id)).toEqual([good]);
  expect(runtime.events).toMatchObject([{ level: "warn", message: expect.stringContaining(broken) }]);
});

test("latest and oldest are the newest and oldest damaged ones, with a warning, where no backup is good; and nothing where none is damaged", async () => {
  const repository = await newRepository();
  const state = (change: Manifest["state"]) => (manifest: Manifest) => ({ ...manifest, state: change });
  const runtime = recordingRuntime();
  const options = { signal, runtime };
  await storeBackup(repository, someSnapshot(), { second: "00", change: state("suspect") });
  await expect(chooseBackups(repository, CLUSTER, "latest", options)).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
  const [unreadable, damaged] = [
    await storeBackup(repository, someSnapshot(), { second: "01" }),
    await storeBackup(repository, someSnapshot(), { second: "02" }),
  ];
  await storeBackup(repository, someSnapshot(), { second: "03", change: state("suspect") });
  await put(repository.storage, manifestKey(CLUSTER, unreadable), Buffer.from("{}"));
  await repository.storage.remove(snapshotKey(damaged), { signal });
  expect(await chooseBackups(repository, CLUSTER, "latest", options)).toEqual([{ cluster: CLUSTER, id: damaged }]);
  expect(await chooseBackups(repository, CLUSTER, "oldest", options)).toEqual([{ cluster: CLUSTER, id: unreadable }]);
  expect(runtime.events).toMatchObject([
    { level: "warn", message: expect.stringMatching(new RegExp(`^no backup in .* may be latest: .*; ${damaged} is verified$`)) },
    { level: "warn", message: expect.stringMatching(new RegExp(`may be oldest: .*; ${unreadable} is verified$`)) },
  ]);
});

test("latest does not take an older backup of the same second for a newer one", async () => {
  const repository = await newRepository();
  const at = (ms: number, state: Manifest["state"]) => (manifest: Manifest) => ({ ...manifest, createdAt: `2026-11-21T09:30:00.${ms}Z`, state });
  await storeBackup(repository, someSnapshot(), { suffix: "zzzzzz", change: at(100, "suspect") });
  const newest = await storeBackup(repository, someSnapshot(), { suffix: "bbbbbb", change: at(600, "proven") });
  const runtime = recordingRuntime();
  expect(await chooseBackups(repository, CLUSTER, "latest", { signal, runtime })).toMatchObject([{ id: newest }]);
  expect(runtime.events).toEqual([]);
});

test("all backups of the clusters named, and that there is none is an error", async () => {
  const repository = await newRepository();
  await expect(allBackups(repository, [CLUSTER], { signal })).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND" });
  const [first, second] = [await storeBackup(repository, someSnapshot()), await storeBackup(repository, someSnapshot(), { second: "01" })];
  expect(await allBackups(repository, ["other", CLUSTER], { signal })).toEqual([second, first].map((id) => ({ cluster: CLUSTER, id })));
});

test("backups since a time: those that began in that second or later, cluster by cluster; the newest is told of where there is none", async () => {
  const repository = await newRepository();
  const [old, recent] = [await storeBackup(repository, someSnapshot()), await storeBackup(repository, someSnapshot(), { second: "05" })];
  await put(repository.storage, manifestKey(CLUSTER, old), Buffer.from("{}")); // Whether it can be read is for the verification to say.
  const since = (time: string, clusters = [CLUSTER]) => backupsSince(repository, clusters, new Date(time), { signal });
  const backup = (id: string) => ({ cluster: CLUSTER, id });
  expect(await since("2026-11-21T09:30:00.999Z")).toEqual({ backups: [backup(recent), backup(old)], without: [] });
  expect(await since("2026-11-21T09:30:01Z")).toEqual({ backups: [backup(recent)], without: [] });
  await expect(since("2026-11-21T09:30:06Z")).rejects.toMatchObject({ code: "BACKUP_NOT_FOUND", message: expect.stringContaining(recent) });
  const two = await since("2026-11-21T09:30:01Z", ["empty", CLUSTER]);
  expect(two.without).toMatchObject([
    { cluster: "empty", error: { code: "BACKUP_NOT_FOUND", message: expect.stringMatching(/since 2026-11-21T09:30:01\.000Z$/) } },
  ]);
  expect(two.backups).toEqual([backup(recent)]);
  await expect(since("2026-11-21T09:30:06Z", ["empty", CLUSTER])).rejects.toMatchObject({ message: expect.stringMatching(/of empty, default in .* since/) });
});

test("latest tells whom it is asked for what it passes over", async () => {
  const repository = await newRepository();
  await storeBackup(repository, someSnapshot());
  const broken = await storeBackup(repository, someSnapshot(), { second: "01" });
  await repository.storage.remove(snapshotKey(broken), { signal });
  const told: string[] = [];
  await chooseBackups(repository, CLUSTER, "latest", { signal, runtime: recordingRuntime(), passedOver: (text) => void told.push(text) });
  expect(told).toEqual([expect.stringContaining(broken)]);
});
