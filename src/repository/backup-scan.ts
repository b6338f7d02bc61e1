// Which backups a listing of the store shows, newest first, before any of them is read for what it holds.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { readManifest } from "./manifest.ts";
import { backupsPrefix, deletionsPrefix, parseBackupId, verificationsPrefix } from "./names.ts";

export interface ScannedBackup {
  readonly id: string;
  /** Stored sizes of everything below the backup's prefix, its manifest among it, by name. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** Sorts after every time. */
const LAST = "~";

/** Backups that have a manifest and are not being deleted, newest first. What no backup id names is left out: it is not ours to judge. */
export async function scanBackups(storage: Storage, cluster: string, options: CallOptions): Promise<ScannedBackup[]> {
  const { signal } = options;
  const prefix = backupsPrefix(cluster);
  const found = new Map<string, Map<string, number>>();
  for await (const { key, sizeBytes } of storage.list(prefix, { signal })) {
    const [id = "", ...name] = key.slice(prefix.length).split("/");
    const sizes = found.get(id) ?? new Map<string, number>();
    found.set(id, sizes.set(name.join("/"), sizeBytes));
  }
  const deleting = await scanDeletions(storage, cluster, options);
  const backups = [...found]
    .map(([id, sizes]) => ({ id, sizes }))
    .filter(({ id, sizes }) => parseBackupId(id) !== undefined && sizes.has("manifest.json") && !deleting.has(id));
  const times = await timesWithinSeconds(storage, cluster, backups, options);
  const order = ({ id }: ScannedBackup) => [secondOf(id), times.get(id), id].join(" ");
  return backups.sort((a, b) => (order(a) < order(b) ? 1 : -1));
}

/** `createdAt` and `publishedAt` of those backups whose ids do not tell which is newer: more often than not of none, and then nothing is read. */
async function timesWithinSeconds(
  storage: Storage,
  cluster: string,
  backups: readonly ScannedBackup[],
  options: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const times = new Map<string, string>();
  for (const together of Map.groupBy(backups, ({ id }) => secondOf(id)).values()) {
    if (together.length === 1) continue;
    for (const { id } of together) times.set(id, await createdAt(storage, cluster, id, options));
  }
  return times;
}

/** The time in an id. */
function secondOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

/** A backup that cannot be read counts as the newest of its second: so nobody takes another for the newest without having met it. */
async function createdAt(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<string> {
  try {
    const { createdAt, publishedAt } = await readManifest(storage, cluster, id, options);
    return `${createdAt} ${publishedAt}`; // One that was rekeyed was created when its base was.
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    return LAST;
  }
}

/** Ids of backups whose deletion has begun. */
export async function scanDeletions(storage: Storage, cluster: string, { signal }: CallOptions): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { key } of storage.list(deletionsPrefix(cluster), { signal })) ids.add(key.slice(deletionsPrefix(cluster).length).replace(/\.json$/, ""));
  return ids;
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
