import { join } from "node:path";
import { expect, test } from "vitest";
import { etcdDatabaseOnSameDisk } from "../../src/backup/shared-disk.ts";
import { runCli } from "../support/cli.ts";
import { startCluster } from "../support/etcd.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("shared disk: the database of the etcd behind the endpoint is found beside the spool, and a save warns of it", async () => {
  await using directory = await temporaryDirectory("disk");
  await using cluster = await startCluster({ directory: directory.path });
  await using other = await startCluster();
  const port = Number(new URL(cluster.endpoints[0]!).port);
  expect(await etcdDatabaseOnSameDisk(directory.path, port)).toBe(join(cluster.members[0]!.dataDir, "member/snap/db"));
  expect(await etcdDatabaseOnSameDisk(directory.path, Number(new URL(other.endpoints[0]!).port))).toBe(join(other.members[0]!.dataDir, "member/snap/db"));
  expect(await etcdDatabaseOnSameDisk(directory.path, 1)).toBeUndefined();
  const { exitCode, stderr } = await runCli(["save", "--endpoints", cluster.endpoints.join(","), "--output", join(directory.path, "snapshot.db")]);
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toMatch(/the output file in .* shares a disk with .*\/member\/snap\/db: name one on another/);
  const repository = ["--repository", join(directory.path, "repository"), "--spool-dir", directory.path];
  const stored = await runCli(["save", "--endpoints", cluster.endpoints.join(","), ...repository]);
  expect(stored.stderr).toMatch(/the spool in .* shares a disk with .*\/member\/snap\/db: give --spool-dir/);
});

test("shared disk: another file system is not taken for etcd's", async () => {
  await using cluster = await startCluster();
  expect(await etcdDatabaseOnSameDisk("/proc", Number(new URL(cluster.endpoints[0]!).port))).toBeUndefined();
});
