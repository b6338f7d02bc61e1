// Static pods of etcd on this host: as long as such a manifest is in place, the kubelet starts etcd again.
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { areSame } from "./same-directory.ts";

export interface EtcdPod {
  /** Its manifest. */
  readonly path: string;
  /** Directories of the host that it mounts, and the one its etcd is given, as the host calls them. */
  readonly directories: readonly string[];
  /** All http and https URLs that its etcd is given. */
  readonly urls: readonly string[];
  /** Why its manifest cannot be understood, though it mentions etcd; a kubelet may read it otherwise. */
  readonly unclear?: string;
  /** True: one of the directories is to be written, by device and inode, whatever it is called there. */
  readonly isOfTarget?: boolean;
}

export interface SeenManifests {
  readonly directory: string;
  /** Null where the directory or a file in it cannot be read. */
  readonly pods: readonly EtcdPod[] | null;
  /** Why, where `pods` is null. */
  readonly why?: string;
}

/** Where kubeadm and OpenShift have their kubelets look. That of RKE2 belongs to rke2-server, which is a unit, and stays when that is stopped. */
const MANIFESTS = "etc/kubernetes/manifests";
/** Manifests take a few kilobytes; who has put a backup there did not mean it as one. */
const MANIFEST_SIZE_BYTES_MAX = 1024 * 1024;

/**
 * Of the pods, whose directories are among those to be written, `targets`: by path, and by device and inode. The host's file system may be mounted in more
 * places than at `hostRoot`, so that a directory's own path may lead there as well.
 */
export async function compareWithTargets({ pods, ...seen }: SeenManifests, targets: readonly string[], hostRoot: string): Promise<SeenManifests> {
  if (pods === null) return { ...seen, pods };
  const ofTarget = async (pod: EtcdPod) => {
    const directories = pod.directories.flatMap((directory) => [directory, join(hostRoot, directory)]);
    return { ...pod, isOfTarget: await areSame(directories, targets) };
  };
  return { ...seen, pods: await Promise.all(pods.map(ofTarget)) };
}

/** Reads every file that a kubelet would read: whatever its name ends in, so a copy beside the original counts (`pkg/kubelet/config/file.go`). */
export async function seeManifests(hostRoot: string): Promise<SeenManifests> {
  const directory = join(hostRoot, MANIFESTS);
  const pods: EtcdPod[] = [];
  try {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory() || entry.name.startsWith(".")) continue;
      const path = join(directory, entry.name);
      const pod = await etcdPod(path, await readFile(path));
      if (pod !== undefined) pods.push(pod);
    }
    return { directory, pods };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? { directory, pods } : { directory, pods: null, why: message };
  }
}

/** What is left out may also be null. */
interface Manifest {
  readonly kind?: unknown;
  readonly spec?: { readonly containers?: unknown; readonly volumes?: unknown } | null;
}

interface Container {
  readonly name?: unknown;
  readonly image?: unknown;
  readonly command?: unknown;
  readonly args?: unknown;
  readonly env?: unknown;
}

/** Undefined for what is no pod that runs etcd: a kubelet starts nothing then either. */
async function etcdPod(path: string, bytes: Buffer): Promise<EtcdPod | undefined> {
  if (bytes.length > MANIFEST_SIZE_BYTES_MAX || !bytes.includes("etcd")) return undefined;
  try {
    const { kind, spec } = (await firstDocument(bytes.toString())) ?? {};
    if (kind !== "Pod") return undefined;
    const containers = listOf<Container>(spec?.containers).filter(runsEtcd);
    if (containers.length === 0) return undefined;
    const words = containers
      .flatMap(({ command, args, env }) => {
        const variables = listOf<{ name?: unknown; value?: unknown }>(env).map(({ name, value }) => `${name}=${value ?? ""}`);
        return [...listOf(command), ...listOf(args), ...variables];
      })
      .map(String);
    const volumes = listOf<{ hostPath?: { path?: unknown } | null }>(spec?.volumes);
    const hostPaths = volumes.map(({ hostPath }) => hostPath?.path).filter((each) => typeof each === "string");
    return {
      path,
      directories: [...new Set([...hostPaths, ...dataDirectories(words)])],
      urls: [...new Set(words.flatMap((word) => word.match(/https?:\/\/[^,\s"']+/g) ?? []))],
    };
  } catch (error) {
    return { path, directories: [], urls: [], unclear: (error as Error).message.split("\n", 1)[0]! };
  }
}

/** As a kubelet reads a manifest: what follows the first document is passed over, and of equal keys the last one counts (sigs.k8s.io/yaml, not strict). */
async function firstDocument(text: string): Promise<Manifest | null | undefined> {
  const { parseAllDocuments } = await import("yaml"); // JSON is YAML.
  const [document] = parseAllDocuments(text, { uniqueKeys: false, merge: true, logLevel: "silent" });
  if (document?.errors[0] !== undefined) throw document.errors[0];
  return document?.toJS();
}

/** As a kubelet takes null for a list that is empty, or for a part of one. Throws for what is no list. */
function listOf<T>(list: unknown): T[] {
  if (list === null || list === undefined) return [];
  if (!Array.isArray(list)) throw new Error(`${JSON.stringify(list)} is no list`);
  return list.filter((each) => each !== null);
}

function runsEtcd({ name, image, command }: Container): boolean {
  const [program] = listOf(command);
  return name === "etcd" || (typeof program === "string" && basename(program) === "etcd") || (typeof image === "string" && /(^|\/)etcd([:@]|$)/.test(image));
}

function dataDirectories(words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const directory = word === "--data-dir" ? words[index + 1] : /^(?:--data-dir|ETCD_DATA_DIR)=(.+)$/.exec(word)?.[1];
    return directory === undefined ? [] : [directory];
  });
}
