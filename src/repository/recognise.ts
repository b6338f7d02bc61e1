// What a key of a repository stands for: docs/repository-format.md, "Layout", read backwards. Pure. What it does not know is somebody else's.
import { isClusterName, parseBackupId, REPOSITORY_KEY, STATE_FILE_KEY } from "./names.ts";

export type Recognised =
  | { readonly kind: "repository-file" | "state-file" }
  | { readonly kind: "cluster-file" | "writer-lease"; readonly cluster: string }
  /** `name` is relative to the backup: "manifest.json", "snapshot.db.zst". */
  | { readonly kind: "backup-object"; readonly cluster: string; readonly backup: string; readonly name: string }
  | { readonly kind: "upload" | "deletion" | "pin" | "verification"; readonly cluster: string; readonly backup: string }
  | { readonly kind: "segment" | "drill" | "restore-record" | "gap" | "prune" | "attempt"; readonly cluster: string };

const TIME = String.raw`\d{8}T\d{6}\.\d{3}Z`;
const RANDOM_ID = "[a-z2-7]{12}";
const REVISION = String.raw`\d{19}`;
const OF_CLUSTER: readonly (readonly [
  RegExp,
  Exclude<Recognised["kind"], "repository-file" | "state-file" | "cluster-file" | "writer-lease" | "backup-object">,
])[] = [
  [/^uploads\/([^/]+)\.json$/, "upload"],
  [/^deleting\/([^/]+)\.json$/, "deletion"],
  [/^pins\/([^/]+)\.json$/, "pin"],
  [new RegExp(`^verifications/([^/]+)/${TIME}(-[a-z-]+-(passed|failed))?\\.json$`), "verification"],
  [new RegExp(`^segments/${RANDOM_ID}/${REVISION}(-${REVISION})?\\.seg\\.zst(\\.age)?(\\.sig)?$`), "segment"],
  [new RegExp(`^drills/${TIME}\\.json$`), "drill"],
  [new RegExp(`^restores/([0-9a-f]{16}(-${TIME})?|snapshot-${TIME})\\.json$`), "restore-record"],
  [new RegExp(`^gaps/${RANDOM_ID}/${REVISION}\\.json$`), "gap"],
  [new RegExp(`^prunes/${TIME}\\.json$`), "prune"],
  [new RegExp(`^attempts/${TIME}-[a-z2-7]{6}\\.json$`), "attempt"],
];
/** What etcdsafe stores of a backup. Whatever else lies there is somebody's: a note, or a newer version's. */
const OBJECT_NAME = /^(manifest\.json|(snapshot\.db|bundle\.tar)\.zst(\.age)?)(\.sig)?$/;

export function recognise(key: string): Recognised | undefined {
  if (key === REPOSITORY_KEY) return { kind: "repository-file" };
  if (key === STATE_FILE_KEY) return { kind: "state-file" };
  const slash = key.indexOf("/");
  const [cluster, rest] = [key.slice(0, slash), key.slice(slash + 1)];
  if (slash < 0 || !isClusterName(cluster)) return undefined;
  if (rest === "cluster.json") return { kind: "cluster-file", cluster };
  if (rest === "writer.json") return { kind: "writer-lease", cluster };
  const [, id, name] = /^backups\/([^/]+)\/(.+)$/.exec(rest) ?? [];
  if (id !== undefined) return parseBackupId(id) && OBJECT_NAME.test(name!) ? { kind: "backup-object", cluster, backup: id, name: name! } : undefined;
  for (const [pattern, kind] of OF_CLUSTER) {
    const [found, backup] = pattern.exec(rest) ?? [];
    if (found === undefined) continue;
    if (kind !== "upload" && kind !== "deletion" && kind !== "pin" && kind !== "verification") return { kind, cluster };
    return parseBackupId(backup!) && { kind, cluster, backup: backup! };
  }
  return undefined;
}
