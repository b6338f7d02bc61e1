// Where distributions that restore a snapshot file by themselves keep etcd's data on their hosts: what lies there shows how far the cluster went.
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { SnapshotDistro } from "./instructions/instructions.ts";
import { K3S, RKE2, serverDataDir } from "./instructions/rancher.ts";

/** With what it is called once it was put aside: by k3s and RKE2 (`etcd-old-<time>`), by the instructions, or by OpenShift's cluster-restore.sh. */
const PLACES: Readonly<Record<SnapshotDistro, { readonly dataDir: string; readonly putAside: RegExp }>> = {
  k3s: { dataDir: serverDataDir(K3S), putAside: /^etcd(-old-|\.before-restore-)/ },
  rke2: { dataDir: serverDataDir(RKE2), putAside: /^etcd(-old-|\.before-restore-)/ },
  talos: { dataDir: "/var/lib/etcd", putAside: /^etcd-backup$/ },
  openshift: { dataDir: "/var/lib/etcd", putAside: /^etcd-backup$/ },
};

/** Data directories of this host, below `hostRoot`: the one in use, which may be missing, and those that were put aside. */
export async function distroDirectories(distro: SnapshotDistro, hostRoot: string): Promise<string[]> {
  const { dataDir, putAside } = PLACES[distro];
  const path = join(hostRoot, dataDir);
  // What cannot be listed, looking at the directory itself tells.
  const names = await readdir(dirname(path)).catch(() => []);
  return [path, ...names.filter((name) => name !== basename(path) && putAside.test(name)).map((name) => join(dirname(path), name))];
}
