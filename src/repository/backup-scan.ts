// Which backups a listing of the store shows, newest first, before any of them is read for what it holds.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { backupsPrefix, deletionsPrefix, parseBackupId, verificationsPrefix } from "./names.ts";
import { recognise } from "./recognise.ts";

export interface ScannedBackup {
  readonly id: string;
  /** Stored sizes of everything below the backup's prefix, its manifest among it, by name. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Of its manifest, as the store names the content that was listed. */
  readonly manifestVersion: string;
}

/** Sorts after every time. */
const LAST = "~";
const MANIFEST = "manifest.json";

/** Backups that have a manifest, newest first: of what is being deleted it goes first. What no backup id names is left out: it is not ours to judge. */
export async function scanBackups(storage: Storage, cluster: string, options: CallOptions): Promise<ScannedBackup[]> {
  const backups = await findBackups(storage, cluster, options);
  const times = await timesWithinSeconds(storage, cluster, backups, options);
  return newestFirst(backups, ({ id }) => times.get(id));
}

/** The same in any order, so that no manifest is read. */
export async function findBackups(storage: Storage, cluster: string, options: CallOptions): Promise<ScannedBackup[]> {
  const { signal } = options;
  const prefix = backupsPrefix(cluster);
  const found = new Map<string, Map<string, number>>();
  const versions = new Map<string, string>();
  for await (const { key, sizeBytes, version } of storage.list(prefix, { signal })) {
    const [id = "", ...rest] = key.slice(prefix.length).split("/");
    const name = rest.join("/");
    const sizes = found.get(id) ?? new Map<string, number>();
    found.set(id, sizes.set(name, sizeBytes));
    if (name === MANIFEST) versions.set(id, version);
  }
  return [...found].flatMap(([id, sizes]) => {
    const manifestVersion = versions.get(id);
    if (manifestVersion === undefined || parseBackupId(id) === undefined) return [];
    return [{ id, sizes, manifestVersion }];
  });
}

/** `timesOf`: what timesText gives, needed only of those that began within one second. */
export function newestFirst<T extends { readonly id: string }>(backups: readonly T[], timesOf: (backup: T) => string | undefined): T[] {
  const ordered = backups.map((backup) => ({ backup, order: [secondOf(backup.id), timesOf(backup), backup.id].join(" ") }));
  return ordered.sort((a, b) => (a.order < b.order ? 1 : -1)).map(({ backup }) => backup);
}

/** One that was rekeyed was created when its base was. A backup that cannot be read counts as the newest of its second: so nobody takes another for the newest without having met it. */
export function timesText(manifest: Pick<Manifest, "createdAt" | "publishedAt"> | null): string {
  return manifest === null ? LAST : `${manifest.createdAt} ${manifest.publishedAt}`;
}

/** What timesText gives of those backups whose ids do not tell which is newer: more often than not of none, and then nothing is read. */
async function timesWithinSeconds(
  storage: Storage,
  cluster: string,
  backups: readonly ScannedBackup[],
  options: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const times = new Map<string, string>();
  for (const together of Map.groupBy(backups, ({ id }) => secondOf(id)).values()) {
    if (together.length === 1) continue;
    for (const { id } of together) times.set(id, timesText(await manifestOf(storage, cluster, id, options)));
  }
  return times;
}

/** The time in an id. */
function secondOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

async function manifestOf(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Manifest | null> {
  try {
    return await readManifest(storage, cluster, id, options);
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    return null;
  }
}

/** Ids of backups whose deletion has begun. */
export async function scanDeletions(storage: Storage, cluster: string, { signal }: CallOptions): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { key } of storage.list(deletionsPrefix(cluster), { signal })) {
    const what = recognise(key);
    if (what?.kind === "deletion") ids.add(what.backup);
  }
  return ids;
}

/** Verifications by backup id, oldest first, as they are listed. */
export async function scanVerifications(
  storage: Storage,
  cluster: string,
  { signal }: CallOptions,
  id?: string,
): Promise<ReadonlyMap<string, readonly ObjectInfo[]>> {
  const found = new Map<string, ObjectInfo[]>();
  const start = verificationsPrefix(cluster).length;
  for await (const info of storage.list(verificationsPrefix(cluster, id), { signal })) {
    const backup = info.key.slice(start, info.key.indexOf("/", start));
    const infos = found.get(backup);
    if (infos === undefined) found.set(backup, [info]);
    else infos.push(info);
  }
  return found;
}
