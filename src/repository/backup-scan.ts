// Which backups a listing of the store shows, before any of them is read.
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { backupsPrefix, deletionsPrefix, parseBackupId, verificationsPrefix } from "./names.ts";

export interface ScannedBackup {
  readonly id: string;
  /** Stored sizes of everything below the backup's prefix, its manifest among it, by name. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Backups that have a manifest and are not being deleted, newest first. What no backup id names is left out: it is not ours to judge. */
export async function scanBackups(storage: Storage, cluster: string, { signal }: CallOptions): Promise<ScannedBackup[]> {
  const prefix = backupsPrefix(cluster);
  const found = new Map<string, Map<string, number>>();
  for await (const { key, sizeBytes } of storage.list(prefix, { signal })) {
    const [id = "", ...name] = key.slice(prefix.length).split("/");
    const sizes = found.get(id) ?? new Map<string, number>();
    found.set(id, sizes.set(name.join("/"), sizeBytes));
  }
  const deleting = new Set<string>();
  for await (const { key } of storage.list(deletionsPrefix(cluster), { signal }))
    deleting.add(key.slice(deletionsPrefix(cluster).length).replace(/\.json$/, ""));
  return [...found]
    .map(([id, sizes]) => ({ id, sizes }))
    .filter(({ id, sizes }) => parseBackupId(id) !== undefined && sizes.has("manifest.json") && !deleting.has(id))
    .sort((a, b) => (a.id < b.id ? 1 : -1));
}

/** Keys of verifications by backup id, oldest first. */
export async function scanVerifications(
  storage: Storage,
  cluster: string,
  { signal }: CallOptions,
  id?: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const keys = new Map<string, string[]>();
  const start = verificationsPrefix(cluster).length;
  for await (const { key } of storage.list(verificationsPrefix(cluster, id), { signal })) {
    const backup = key.slice(start, key.indexOf("/", start));
    keys.set(backup, [...(keys.get(backup) ?? []), key]);
  }
  return keys;
}
