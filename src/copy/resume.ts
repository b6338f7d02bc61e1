// Takes up the copy of a backup that another process has begun and not finished, once that is known to be gone.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { honoursConditions } from "../repository/conditions.ts";
import { backupObjectKey, uploadKey } from "../repository/names.ts";
import { type LookOptions, publishedDamage } from "../repository/published-damage.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { storeTime } from "../repository/store-time.ts";
import { deadAfter, HEARTBEAT_SECONDS, isLive, readUploadMarker, writerOf } from "../repository/upload-marker.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";

export interface ResumeOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "randomBytes">;
  /** Whether that process is known not to live any more; one that nobody can ask about counts as living until its heartbeats stay away. */
  isGone(writer: Author["writer"]): boolean;
}

/** The version of the marker that a dead writer has left; undefined where there is none. Throws STORAGE_CONFLICT where somebody is writing the backup. */
export async function abandonedMarker(repository: Repository, cluster: string, id: string, options: ResumeOptions): Promise<string | undefined> {
  const { storage } = repository;
  const found = await readUploadMarker(storage, uploadKey(cluster, id), options);
  if (found === undefined) return undefined;
  const { upload, version, heartbeatAt } = found;
  // Where two could take it over at once, nobody is fast; nor where a request to remove an object may outlive the process that sent it.
  const mayBeFast = honoursConditions(repository) && upload !== null && upload.heartbeatSeconds <= HEARTBEAT_SECONDS;
  const isGone = mayBeFast && options.isGone(upload.writer);
  if (isGone || !isLive(found, await storeTime(storage, options))) return version;
  const who = upload === null ? "somebody" : writerOf(upload);
  const what = upload?.action === "gc" ? "removed from" : "written to";
  throw new EtcdsafeError("STORAGE_CONFLICT", `${id} is being ${what} ${storage.location} by ${who}, last heard of at ${heartbeatAt.toISOString()}`, {
    hint: `Copy again when it has ended. Without a sign of life it counts as dead after ${deadAfter(found).toISOString()}, by the store's clock.`,
  });
}

/** What a dead writer has stored of the backup, by name, once the marker is ours; parts of what never became an object are removed. */
export async function leftBehind(storage: Storage, cluster: string, id: string, options: CallOptions): Promise<Map<string, ObjectInfo>> {
  await removeUnfinished(storage, cluster, id, options);
  const prefix = backupObjectKey(cluster, id, "");
  const left = new Map<string, ObjectInfo>();
  for await (const info of storage.list(prefix, options)) left.set(info.key.slice(prefix.length), info);
  return left;
}

/**
 * Takes away what is left beside a published backup: its writer died after it had published it. Throws SNAPSHOT_DAMAGED where it
 * is not whole: he may have died as somebody else had published it.
 */
export async function tidyUp(repository: Repository, cluster: string, id: string, options: ResumeOptions & LookOptions): Promise<void> {
  const abandoned = await abandonedMarker(repository, cluster, id, options).catch((error: unknown) => {
    if (hasCode(error, "STORAGE_CONFLICT")) return undefined; // It is being finished.
    throw error;
  });
  if (abandoned === undefined) return;
  const { storage } = repository;
  const damage = await publishedDamage(storage, cluster, id, options);
  await removeUnfinished(storage, cluster, id, options);
  await storage.remove(uploadKey(cluster, id), options);
  if (damage !== undefined) throw damage;
}

async function removeUnfinished({ unfinished }: Storage, cluster: string, id: string, options: CallOptions): Promise<void> {
  if (unfinished === undefined) return;
  for (const prefix of [backupObjectKey(cluster, id, ""), uploadKey(cluster, id)])
    for (const upload of await Array.fromAsync(unfinished.list(prefix, options))) await unfinished.abort(upload, options);
}
