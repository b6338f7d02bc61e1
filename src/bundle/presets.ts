// Where distributions keep what a cluster needs besides etcd's data: certificates and keys, static pods, configuration of encryption at rest, tokens, and
// etcd's configuration and flags. Only what is there is taken; files that configurations name are taken where they are named.
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { placeOnHost } from "./host.ts";
import type { Include } from "./include.ts";
import { encryptionConfigurations, namedFiles } from "./named-files.ts";
import { FILES } from "./tree.ts";

interface Preset {
  /** Files and directories, absolute on the host. Of a list within, the first that is there. */
  readonly paths: readonly (string | readonly string[])[];
  /** Static pod manifests and units that may name the file of --encryption-provider-config. */
  readonly apiServers?: readonly string[];
  /** Units and environment files; every file that they name, and that those name, is taken. */
  readonly configurations?: readonly string[];
}

/** How systemd looks for a unit (systemd.unit(5)). */
const unit = (name: string) =>
  ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"].map((d) => `${d}/${name}`);
const KUBE_API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ETCD_CONFIGURATIONS = ["/etc/default/etcd", "/etc/sysconfig/etcd", "/etc/etcd.env", "/etc/etcd/etcd.env", "/etc/etcd/etcd.conf"];

const rancher = (name: "k3s" | "rke2", service: string): Preset => {
  const server = `/var/lib/rancher/${name}/server`;
  return {
    paths: [
      ...["token", "agent-token", "node-token", "tls", "cred", "db/etcd/config"].map((path) => `${server}/${path}`),
      `/etc/rancher/${name}`,
      "/etc/rancher/node",
      unit(`${service}.service`),
      unit(`${service}.service.env`),
      unit(`${service}.env`),
      `/etc/systemd/system/${service}.service.d`,
      `/etc/default/${service}`,
      `/etc/sysconfig/${service}`,
      ...(name === "rke2" ? ["/var/lib/rancher/rke2/agent/pod-manifests"] : []),
    ],
  };
};

const PRESETS: Readonly<Record<string, Preset>> = {
  // kubeadm, `cmd/kubeadm/app/constants`: KubernetesDir, ManifestsSubDirName, the kubeconfig files, KubeletRunDirectory.
  kubeadm: {
    paths: [
      "/etc/kubernetes/pki",
      "/etc/kubernetes/manifests",
      ...["admin", "super-admin", "controller-manager", "scheduler", "kubelet"].map((name) => `/etc/kubernetes/${name}.conf`),
      "/var/lib/kubelet/config.yaml",
      "/var/lib/kubelet/kubeadm-flags.env",
      "/var/lib/kubelet/pki",
    ],
    apiServers: [KUBE_API_SERVER],
  },
  k3s: rancher("k3s", "k3s"),
  rke2: rancher("rke2", "rke2-server"),
  systemd: {
    paths: [
      unit("etcd.service"),
      "/etc/systemd/system/etcd.service.d",
      ...ETCD_CONFIGURATIONS,
      "/etc/etcd/etcd.conf.yml",
      "/etc/etcd/etcd.conf.yaml",
      "/etc/etcd/pki",
      "/etc/ssl/etcd",
      "/etc/kubernetes/pki",
      "/etc/kubernetes/ssl",
      "/etc/kubernetes/manifests",
    ],
    apiServers: [KUBE_API_SERVER, ...unit("kube-apiserver.service")],
    configurations: [...unit("etcd.service"), ...ETCD_CONFIGURATIONS, "/etc/etcd/etcd.conf.yml", "/etc/etcd/etcd.conf.yaml"],
  },
};

const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/** More than any configuration takes; a larger file names nothing that counts. */
const CONFIGURATION_SIZE_BYTES_MAX = 1024 * 1024;
/** A unit names an environment file, that one etcd's configuration, and that one certificates. */
const NAMED_DEPTH_MAX = 3;

export interface PresetFiles {
  readonly includes: readonly Include[];
  /** What a configuration names and is not there. */
  readonly warnings: readonly string[];
}

/** What there is of a preset on the host below `hostRoot`. Throws USAGE for an unknown name, FILE_NOT_FOUND where there is nothing at all. */
export async function presetIncludes(name: string, hostRoot: string): Promise<PresetFiles> {
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (preset === undefined)
    throw new EtcdsafeError("USAGE", `--include-preset: ${JSON.stringify(name)} is none of ${PRESET_NAMES.join(", ")}`, { hint: "Name files with --include." });
  const host = new Host(hostRoot);
  for (const path of preset.paths) await host.addFirst(typeof path === "string" ? [path] : path);
  for (const path of preset.apiServers ?? []) for (const named of encryptionConfigurations(await host.text(path))) await host.addNamed(named, path);
  let configurations = preset.configurations ?? [];
  for (let depth = 0; depth < NAMED_DEPTH_MAX && configurations.length > 0; depth++) {
    const named = new Set<string>();
    for (const path of configurations) for (const found of namedFiles(await host.text(path))) named.add(found);
    configurations = [...named].filter((path) => !host.includes.has(path));
    for (const path of configurations) await host.addFirst([path]);
  }
  if (host.includes.size === 0)
    throw new EtcdsafeError("FILE_NOT_FOUND", `--include-preset ${name}: nothing of ${name} is on this host, below ${hostRoot}`, {
      hint: "Run it on a host of the control plane; in a container, say with --host-root where the host's file system is mounted; or name files with --include.",
    });
  return { includes: [...host.includes.values()], warnings: host.warnings };
}

class Host {
  readonly #root: string;
  /** By path on the host. */
  readonly includes: Map<string, Include> = new Map();
  readonly warnings: string[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  async addFirst(sources: readonly string[]): Promise<void> {
    for (const source of sources) {
      const path = await placeOnHost(this.#root, source);
      if (path === undefined) continue;
      this.includes.set(source, { path, source, name: join(FILES, source) });
      return;
    }
  }

  /** As `addFirst`, of a file without which values cannot be read. */
  async addNamed(source: string, namedIn: string): Promise<void> {
    await this.addFirst([source]);
    if (!this.includes.has(source))
      this.warnings.push(`${namedIn} names the encryption configuration ${source}, which is not on this host: it is not in the bundle`);
  }

  /** Of a small file; nothing of what is no file. */
  async text(source: string): Promise<string> {
    const path = await placeOnHost(this.#root, source);
    if (path === undefined) return "";
    const stats = await stat(path);
    return stats.isFile() && stats.size <= CONFIGURATION_SIZE_BYTES_MAX ? readFile(path, "utf8") : "";
  }
}
