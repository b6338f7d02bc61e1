// Removes backups so that no kill hurts: docs/repository-format.md, "Order of writing". By the holder of the writer lease only.
// 1. The upload marker is claimed: nobody writes a backup of that id meanwhile, and none that was killed over it still removes anything.
// 2. deleting/<id>.json: whoever finds it removes it where the manifest is still there, which then is a backup as before, or else finishes what was begun.
// 3. Manifest, signature, objects, sidecars, and the two markers last.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { keysToDelete, writeDeletion } from "../repository/deletions.ts";
import { claimForRemoval, type MarkerRuntime, type UploadMarker } from "../repository/held-marker.ts";
import { readManifest } from "../repository/manifest.ts";
import { backupObjectKey, deletionKey, manifestKey, pinKey, uploadKey, verificationsPrefix } from "../repository/names.ts";
import { recognise } from "../repository/recognise.ts";
import type { Author, Repository } from "../repository/repository.ts";
import { signatureKey } from "../repository/signature.ts";
import { deadAfter, isLive, readUploadMarker, writerOf } from "../repository/upload-marker.ts";
import type { WriterLease } from "../repository/writer-lease.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";

export interface DeletionOptions extends CallOptions {
  readonly runtime: MarkerRuntime;
  readonly author: Author;
  readonly lease: WriterLease;
}

export interface DeletionRequest {
  readonly cluster: string;
  readonly backup: string;
  readonly reasons: readonly string[];
}

/**
 * Undefined once all of it is gone; else why it stays after all. Throws STORAGE_DENIED, with the backup as it was, where nothing may be removed, and
 * WRITER_LEASE_LOST.
 */
export async function deleteBackup(
  repository: Repository,
  { cluster, backup, reasons }: DeletionRequest,
  options: DeletionOptions,
): Promise<string | undefined> {
  const { storage } = repository;
  const { runtime, author, lease } = options;
  const keys = await keysOf(storage, cluster, backup, options);
  if (keys === undefined) return "somebody else removed it meanwhile";
  if ((await storage.stat(pinKey(cluster, backup), options)) !== undefined) return "it was pinned meanwhile";
  // Of who may not remove anything, nothing should be left that hides the backup: so that is tried on what is not there.
  await storage.remove(backupObjectKey(cluster, backup, "removable"), options);
  const claimed = await claim(repository, cluster, backup, options);
  if (typeof claimed === "string") return claimed;
  await lease.requireHeld(options);
  await writeDeletion(storage, cluster, author, { backup, startedAt: runtime.now().toISOString(), reasons: [...reasons], keys }, options);
  // Who pins it after this finds the deletion that was begun.
  if ((await storage.stat(pinKey(cluster, backup), options)) !== undefined) {
    await takeBack(storage, cluster, backup, claimed, options);
    return "it was pinned meanwhile";
  }
  try {
    await storage.remove(manifestKey(cluster, backup), options);
  } catch (error) {
    if (hasCode(error, "STORAGE_DENIED")) await takeBack(storage, cluster, backup, claimed, options);
    throw error;
  }
  await removeRest(storage, cluster, backup, { ...claimed, keys }, options);
  return undefined;
}

export interface FinishedDeletions {
  readonly finished: readonly string[];
  /** What stays after all, and why. */
  readonly left: readonly { readonly backup: string; readonly reason: string }[];
  /** Of those that could not be finished; the others were all the same. */
  readonly failures: readonly Failure[];
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What went wrong with one of several. Throws what ends the whole run. */
export function failureOf(error: unknown, { signal, lease }: DeletionOptions): Failure {
  lease.signal.throwIfAborted();
  if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL" || signal.aborted) throw error;
  const { code, message, hint } = error;
  return { code, message, hint };
}

/** Of deletions that were begun and not finished: the backups that are gone now. One whose manifest is still there stays one. Throws WRITER_LEASE_LOST. */
export async function finishDeletions(repository: Repository, cluster: string, begun: Iterable<string>, options: DeletionOptions): Promise<FinishedDeletions> {
  const finished: string[] = [];
  const left: { backup: string; reason: string }[] = [];
  const failures: Failure[] = [];
  for (const backup of begun) {
    try {
      const end = await finishDeletion(repository, cluster, backup, options);
      if (end === "finished") finished.push(backup);
      else if (end !== "taken back") left.push({ backup, reason: `its deletion has begun, but ${end}` });
    } catch (error) {
      const reason = await onlyMarkersLeft(repository, cluster, backup, error, options);
      if (reason === undefined) failures.push(failureOf(error, options));
      else left.push({ backup, reason });
    }
  }
  return { finished, left, failures };
}

/** That a backup is gone, where all that could not be removed is what says that it goes: a bucket may keep that for a time, as it kept the backup. */
export async function onlyMarkersLeft(
  { storage }: Repository,
  cluster: string,
  backup: string,
  error: unknown,
  options: CallOptions,
): Promise<string | undefined> {
  if (!hasCode(error, "STORAGE_DENIED")) return undefined;
  for await (const _ of storage.list(backupObjectKey(cluster, backup, ""), options)) return undefined;
  return `it is gone, and the store keeps the marker of its deletion for now: ${error.message}`;
}

/** Or why it stays. */
async function finishDeletion(repository: Repository, cluster: string, backup: string, options: DeletionOptions): Promise<string> {
  const { storage } = repository;
  const claimed = await claim(repository, cluster, backup, options);
  if (typeof claimed === "string") return claimed;
  await options.lease.requireHeld(options);
  if ((await storage.stat(manifestKey(cluster, backup), options)) !== undefined) {
    await takeBack(storage, cluster, backup, claimed, options);
    return "taken back";
  }
  // Objects that a marker does not name which cannot be read are without a manifest then: `repo gc` removes them.
  const keys = await keysToDelete(storage, cluster, backup, options);
  await removeRest(storage, cluster, backup, { ...claimed, keys }, options);
  return "finished";
}

/** Manifest first. Undefined where it is gone. */
async function keysOf(storage: Storage, cluster: string, backup: string, options: CallOptions): Promise<string[] | undefined> {
  const key = manifestKey(cluster, backup);
  try {
    const { objects } = await readManifest(storage, cluster, backup, options);
    return [key, signatureKey(key), ...objects.map(({ name }) => backupObjectKey(cluster, backup, name))];
  } catch (error) {
    if (hasCode(error, "STORAGE_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The upload marker as this run's; or who is at work there. That of another prune is taken over at any time: the lease is ours now. */
async function claim(repository: Repository, cluster: string, backup: string, options: DeletionOptions): Promise<Claim | string> {
  const { author, lease } = options;
  await lease.requireHeld(options);
  const found = await readUploadMarker(repository.storage, uploadKey(cluster, backup), options);
  if (found !== undefined && found.upload?.action !== "prune" && isLive(found, lease.storeTime)) {
    const who = found.upload === null ? "" : ` by ${writerOf(found.upload)}`;
    return `it is being written${who}, which counts as dead after ${deadAfter(found).toISOString()}`;
  }
  try {
    return { marker: await claimForRemoval(repository, { cluster, backup, action: "prune", author, replacing: found?.version }, options) };
  } catch (error) {
    if (!hasCode(error, "STORAGE_CONFLICT")) throw error;
    const isThere = (await repository.storage.stat(uploadKey(cluster, backup), options)) !== undefined;
    return isThere ? "it is being written by somebody who began just now" : { marker: undefined };
  }
}

/** Some stores with versions never create again what was deleted, as the marker of the upload was: then nobody else can begin to write there either. */
interface Claim {
  readonly marker: UploadMarker | undefined;
}

/** The backup is one again. */
async function takeBack(storage: Storage, cluster: string, backup: string, { marker }: Claim, options: CallOptions): Promise<void> {
  await storage.remove(deletionKey(cluster, backup), options);
  await marker?.remove(options);
}

interface Rest extends Claim {
  readonly keys: readonly string[];
}

/** All but the manifest, in an order in which whatever is left is found again. */
async function removeRest(storage: Storage, cluster: string, backup: string, { marker, keys }: Rest, options: DeletionOptions): Promise<void> {
  await options.lease.requireHeld(options);
  const manifest = manifestKey(cluster, backup);
  const verifications = await Array.fromAsync(storage.list(verificationsPrefix(cluster, backup), options), ({ key }) => key);
  const rest = [...keys.filter((key) => key !== manifest), ...verifications.filter(isSidecar), pinKey(cluster, backup)];
  if (marker === undefined) for (const key of rest) await storage.remove(key, options);
  else if (!(await marker.removeObjects(rest, options)))
    throw new EtcdsafeError("STORAGE_CONFLICT", `${backup} was stored again in ${storage.location} by another process while it was removed`);
  await storage.remove(deletionKey(cluster, backup), options);
  await marker?.remove(options);
}

function isSidecar(key: string): boolean {
  return recognise(key)?.kind === "verification";
}
