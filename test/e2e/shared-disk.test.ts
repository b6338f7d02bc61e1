import { join } from "node:path";
import { expect, test } from "vitest";
import { etcdDatabaseOnSameDisk } from "../../src/backup/shared-disk.ts";
import { runCli } from "../support/cli.ts";
import { startCluster } from "../support/etcd.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("shared disk: a running etcd's database beside the spool is found, and a save warns of it", async () => {
  await using directory = await temporaryDirectory("disk");
  await using cluster = await startCluster({ directory: directory.path });
  expect(await etcdDatabaseOnSameDisk(directory.path)).toMatch(/\/member\/snap\/db$/);
  const { exitCode, stderr } = await runCli(["save", "--endpoints", cluster.endpoints.join(","), "--output", join(directory.path, "snapshot.db")]);
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toMatch(/the spool in .* shares a disk with .*\/member\/snap\/db: give --spool-dir/);
});

test("shared disk: another file system is not taken for etcd's", async () => {
  await using _cluster = await startCluster();
  expect(await etcdDatabaseOnSameDisk("/proc")).toBeUndefined();
});
