// Files that a host's configuration names: flags of a static pod, where mounts say what they are called on the host; units; environment files. Pure.
import { posix } from "node:path";
import { parseAllDocuments } from "yaml";

const ENCRYPTION_FLAG = /--(?:experimental-)?encryption-provider-config[=\s]+["']?(\/[^\s"',\]\\]+)/g;
/** `--cert-file=/…`, `ETCD_KEY_FILE=/…`, `trusted-ca-file: /…`, `EnvironmentFile=-/…`. */
const FILE_SETTING = /(?:file|FILE|File)["']?\s*[=:\s]\s*["']?-?(\/[^\s"',\]\\]+)/g;

/** What `--encryption-provider-config` of a kube-apiserver's manifest or unit names, as its host calls it. */
export function encryptionConfigurations(text: string): string[] {
  const paths = [...text.matchAll(ENCRYPTION_FLAG)].map(([, path]) => path!);
  if (paths.length === 0) return [];
  const mounts = mountsOf(text);
  return [...new Set(paths.map((path) => onHost(path, mounts)))];
}

/** What is written there comes and goes, and is no configuration. */
const PASSING = /^\/(?:dev|proc|run|sys|tmp|var\/log|var\/run)\//;

/** All that a unit, an environment file or etcd's configuration names as a file. */
export function namedFiles(text: string): string[] {
  const lines = text.split("\n").filter((line) => !/^\s*[#;]/.test(line));
  const paths = [...lines.join("\n").matchAll(FILE_SETTING)].map(([, path]) => posix.normalize(path!));
  return [...new Set(paths)].filter((path) => !PASSING.test(path));
}

interface Mount {
  readonly inside: string;
  readonly host: string;
}

function onHost(path: string, mounts: readonly Mount[]): string {
  const holding = mounts.filter(({ inside }) => path === inside || path.startsWith(inside.endsWith("/") ? inside : `${inside}/`));
  const nearest = holding.toSorted((a, b) => b.inside.length - a.inside.length)[0];
  return posix.normalize(nearest === undefined ? path : posix.join(nearest.host, path.slice(nearest.inside.length)));
}

/** Of a pod's containers, by the pod's hostPath volumes. A unit has none; nor has what is no YAML, where the path is taken as it stands. */
function mountsOf(text: string): Mount[] {
  try {
    return parseAllDocuments(text, { logLevel: "silent" }).flatMap((document) => {
      const spec = (document.toJS() as { spec?: PodSpec } | null)?.spec;
      const volumes = new Map((spec?.volumes ?? []).map(({ name, hostPath }) => [name, hostPath?.path]));
      return (spec?.containers ?? []).flatMap(({ volumeMounts }) =>
        (volumeMounts ?? []).flatMap(({ name, mountPath, subPath }) => {
          const host = volumes.get(name);
          return typeof host === "string" && typeof mountPath === "string" ? [{ inside: mountPath, host: posix.join(host, String(subPath ?? "")) }] : [];
        }),
      );
    });
  } catch {
    return [];
  }
}

/** As far as it is needed; what another type has is found out by the one who reads it. */
interface PodSpec {
  readonly volumes?: readonly { readonly name?: unknown; readonly hostPath?: { readonly path?: unknown } }[];
  readonly containers?: readonly { readonly volumeMounts?: readonly { readonly name?: unknown; readonly mountPath?: unknown; readonly subPath?: unknown }[] }[];
}
