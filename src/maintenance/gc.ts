// `repo gc`: removes what interrupted uploads left, by a plan that is made first. What came to life between plan and deed is left alone.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { claimForRemoval, type UploadMarker } from "../repository/held-marker.ts";
import { manifestKey, uploadKey } from "../repository/names.ts";
import { publishedDamage } from "../repository/published-damage.ts";
import { recognise } from "../repository/recognise.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { requireState } from "../repository/state-store.ts";
import { type FoundUpload, isLive, readUploadMarker } from "../repository/upload-marker.ts";
import { takeWriterLease, type WriterLease } from "../repository/writer-lease.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { type Garbage, type GarbagePlan, type IsGone, type LeftAlone, planGarbage, type RepositoryListing } from "./garbage.ts";

export type GcRuntime = Pick<Runtime, "now" | "monotonicMs" | "sleep" | "randomBytes" | "log">;
type GcOptions = CallOptions & { readonly runtime: GcRuntime };

export interface GcResult {
  readonly removed: readonly Garbage[];
  readonly leave: readonly LeftAlone[];
  /** What could not be removed, and why; the others were all the same. */
  readonly failed: readonly (Pick<Garbage, "cluster" | "backup" | "reason"> & { readonly code: string })[];
}

const LEASE_EXPIRES_AFTER_SECONDS = 30;

/** Changes nothing. Throws CONFIG_INVALID where the state, which tells who writes, is elsewhere. */
export async function planGc(repository: Repository, options: GcOptions & { readonly isGone?: IsGone }): Promise<GarbagePlan> {
  return planGcOf(repository, await Array.fromAsync(repository.storage.list("", options)), options);
}

/** The same for what was listed already: all of the repository. */
export async function planGcOf(
  repository: Repository,
  objects: readonly ObjectInfo[],
  options: GcOptions & { readonly isGone?: IsGone },
): Promise<GarbagePlan> {
  await requireState(repository, options);
  const { storage } = repository;
  const listing = await completed(storage, objects, options);
  const now = storage.clock === undefined ? options.runtime.now() : (await storage.clock.now(options)).time;
  return planGarbage(listing, now, options.isGone);
}

/** Removes what the plan says, as the writer of each cluster concerned. Throws WRITER_LOCKED where another is, WRITER_LEASE_LOST where another came. */
export async function applyGc(repository: Repository, plan: GarbagePlan, author: Author, options: GcOptions): Promise<GcResult> {
  const removed: Garbage[] = [];
  const leave: LeftAlone[] = [...plan.leave];
  const failed: GcResult["failed"][number][] = [];
  for (const [cluster, garbage] of Map.groupBy(plan.remove, (each) => each.cluster)) {
    const request = { cluster, purpose: "gc", author, expiresAfterSeconds: LEASE_EXPIRES_AFTER_SECONDS };
    await using lease = await takeWriterLease(repository, request, options);
    const collecting = { ...options, author, lease, signal: AbortSignal.any([options.signal, lease.signal]) };
    for (const each of garbage) {
      const { backup } = each;
      try {
        const alive = backup === null ? await removeDocument(repository, each, collecting) : await removeBackup(repository, { ...each, backup }, collecting);
        if (alive === undefined) removed.push(each);
        else leave.push({ cluster, backup: backup!, reason: alive });
      } catch (error) {
        lease.signal.throwIfAborted();
        if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
        failed.push({ cluster, backup, reason: error.message, code: error.code });
      }
    }
  }
  return { removed, leave, failed };
}

/** Markers come behind backups in the order of keys: who wrote an object that is listed had placed his before. */
async function completed(storage: Storage, objects: readonly ObjectInfo[], options: CallOptions): Promise<RepositoryListing> {
  const unfinished = storage.unfinished === undefined ? [] : await Array.fromAsync(storage.unfinished.list("", options));
  const markers: FoundUpload[] = [];
  for (const { key } of objects) {
    const marker = recognise(key)?.kind === "upload" ? await readUploadMarker(storage, key, options) : undefined;
    if (marker !== undefined) markers.push(marker);
  }
  return { objects, unfinished, markers };
}

interface Collecting extends GcOptions {
  readonly author: Author;
  readonly lease: WriterLease;
}

async function removeDocument({ storage }: Repository, { unfinished }: Garbage, { lease, ...options }: Collecting): Promise<undefined> {
  await lease.requireHeld(options);
  for (const upload of unfinished) await storage.unfinished!.abort(upload, options);
}

/**
 * Gives why it must stay after all; undefined when all is gone. The marker is made ours before anything is removed, in the version that was judged dead, and
 * goes last, so that what is left by a failure is found again. The lease's file tells the store's time: it was written just now.
 */
async function removeBackup(repository: Repository, garbage: Garbage & LeftAlone, { lease, author, ...options }: Collecting): Promise<string | undefined> {
  const { storage } = repository;
  const { cluster, backup, objects, unfinished } = garbage;
  await lease.requireHeld(options);
  const found = await readUploadMarker(storage, uploadKey(cluster, backup), options);
  if (found !== undefined && isLive(found, lease.storeTime)) return WRITTEN_AGAIN;
  if (objects.length > 0 && (await storage.stat(manifestKey(cluster, backup), options)) !== undefined) return FINISHED;
  let marker: UploadMarker;
  try {
    marker = await claimForRemoval(repository, { cluster, backup, action: "gc", author, replacing: found?.version }, options);
  } catch (error) {
    if (hasCode(error, "STORAGE_CONFLICT")) return WRITTEN_AGAIN;
    throw error;
  }
  for (const upload of unfinished) await storage.unfinished!.abort(upload, options);
  const keys = objects.map(({ key }) => key);
  const isRemoved = keys.length === 0 || (await marker.removeObjects(keys, options));
  if (found !== undefined && mayBeMixed(found)) await publishedDamage(storage, cluster, backup, { ...options, author });
  await marker.remove(options);
  return isRemoved ? undefined : FINISHED;
}

/** Two that died may have published the manifest of one beside the objects of the other; of a save or a rekeyed backup nobody else has the id. */
function mayBeMixed({ upload }: FoundUpload): boolean {
  return upload?.action !== "save" && upload?.action !== "rekey";
}

const WRITTEN_AGAIN = "it is being written again";
const FINISHED = "it was finished meanwhile";
