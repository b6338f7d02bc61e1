import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { distroDirectories } from "../../src/restore/distro-directories.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test.each([
  ["k3s", "/var/lib/rancher/k3s/server/db", ["etcd-old-1763000000", "etcd.before-restore-20261121T120000Z"]],
  ["rke2", "/var/lib/rancher/rke2/server/db", ["etcd-old-1763000000", "etcd.before-restore-20261121T120000Z"]],
  ["talos", "/var/lib", ["etcd-backup"]],
  ["openshift", "/var/lib", ["etcd-backup"]],
] as const)("directories of %s: in %s, the one in use and those that were put aside", async (distro, parent, putAside) => {
  await using root = await temporaryDirectory("distro-directories");
  const inUse = join(root.path, parent, "etcd");
  expect(await distroDirectories(distro, root.path)).toEqual([inUse]);
  for (const name of ["etcd", "etcd-events", "snapshots", ...putAside]) await mkdir(join(root.path, parent, name), { recursive: true });
  expect((await distroDirectories(distro, root.path)).toSorted()).toEqual([inUse, ...putAside.map((name) => join(root.path, parent, name))]);
});
