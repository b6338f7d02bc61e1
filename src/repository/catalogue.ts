// What backups there are, and what is known about each: its manifest, its later verifications, and whether it is damaged.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type ScannedBackup, scanBackups, scanVerifications } from "./backup-scan.ts";
import { inTurns } from "./in-turns.ts";
import { type BackupState, type Manifest, readManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readVerification, VERIFICATION_LEVELS, type Verification, type VerificationLevel } from "./sidecars.ts";

/** A backup whose manifest could be read. */
export interface BackupEntry {
  readonly id: string;
  readonly manifest: Manifest;
  /** The manifest's state, unless later reading found worse. */
  readonly state: BackupState | "damaged";
  /** Why it is damaged. */
  readonly damage: readonly string[];
  /** The newest verification of each level that was made. */
  readonly verifications: Partial<Record<VerificationLevel, Verification>>;
  /** All its objects as stored. */
  readonly storedSizeBytes: number;
}

/** A backup whose manifest cannot be read or trusted. */
export interface UnreadableEntry {
  readonly id: string;
  readonly manifest: null;
  readonly error: EtcdsafeError;
}

export type CatalogueEntry = BackupEntry | UnreadableEntry;

/** A backup verified every night keeps the last month's results readable; older ones change nothing. */
const VERIFICATIONS_READ_MAX = 32;

/** Names of the clusters that were ever bound, in order. */
export async function listClusters({ storage }: Repository, { signal }: CallOptions): Promise<string[]> {
  const clusters: string[] = [];
  for await (const { key } of storage.list("", { signal })) {
    const [, cluster] = /^([^/]+)\/cluster\.json$/.exec(key) ?? [];
    if (cluster !== undefined) clusters.push(cluster);
  }
  return clusters;
}

/** All backups of a cluster, newest first. One that cannot be read is an entry, not an error. */
export async function listBackups({ storage }: Repository, cluster: string, options: CallOptions): Promise<CatalogueEntry[]> {
  const scanned = await scanBackups(storage, cluster, options);
  const verifications = await scanVerifications(storage, cluster, options);
  const entries = await inTurns(scanned, (backup) => readEntry(storage, cluster, backup, verifications.get(backup.id) ?? [], options));
  return entries.filter((entry) => entry !== undefined);
}

/** One entry of the catalogue; undefined when the backup was removed since it was listed. */
export async function readEntry(
  storage: Storage,
  cluster: string,
  { id, sizes }: ScannedBackup,
  verificationKeys: readonly string[],
  options: CallOptions,
): Promise<CatalogueEntry | undefined> {
  let manifest: Manifest;
  try {
    manifest = await readManifest(storage, cluster, id, options);
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
    return error.code === "STORAGE_NOT_FOUND" ? undefined : { id, manifest: null, error };
  }
  const results = await readResults(storage, verificationKeys, options);
  const damage = [...missingObjects(manifest, sizes), ...failuresOf(results)];
  return {
    id,
    manifest,
    state: damage.length > 0 ? "damaged" : manifest.state,
    damage,
    verifications: newestByLevel(results),
    storedSizeBytes: manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0),
  };
}

/** Newest first. A result that cannot be read says nothing about the backup; the next verification will. */
async function readResults(storage: Storage, keys: readonly string[], options: CallOptions): Promise<Verification[]> {
  const read = keys.slice(-VERIFICATIONS_READ_MAX).map(async (key) => {
    try {
      return await readVerification(storage, key, options);
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || options.signal.aborted) throw error;
      return undefined;
    }
  });
  return (await Promise.all(read)).filter((result) => result !== undefined).reverse();
}

/** Objects that are not there, or not whole, by their sizes. */
export function missingObjects({ objects }: Manifest, sizes: ReadonlyMap<string, number>): string[] {
  return objects.flatMap(({ name, storedSizeBytes }) => {
    const found = sizes.get(name);
    if (found === storedSizeBytes) return [];
    return [found === undefined ? `${name} is missing` : `${name} holds ${found} bytes instead of ${storedSizeBytes}`];
  });
}

/** Each reason once, as the newest verification that found it says it. */
function failuresOf(results: readonly Verification[]): string[] {
  const texts = new Map<string, string>();
  for (const [index, result] of results.entries()) {
    const why = result.failure?.message ?? "see its findings";
    if (texts.has(why) || !isStanding(result, results.slice(0, index))) continue;
    texts.set(why, `verification at level ${result.level} failed at ${result.finishedAt}: ${why}`);
  }
  return [...texts.values()];
}

/** A failure counts until the same or a deeper level has passed: reading may have failed on the way, not in the store. */
function isStanding({ level, outcome }: Verification, newer: readonly Verification[]): boolean {
  const depth = VERIFICATION_LEVELS.indexOf(level);
  return outcome === "failed" && !newer.some((later) => later.outcome === "passed" && VERIFICATION_LEVELS.indexOf(later.level) >= depth);
}

function newestByLevel(results: readonly Verification[]): Partial<Record<VerificationLevel, Verification>> {
  const newest: Partial<Record<VerificationLevel, Verification>> = {};
  for (const result of results) newest[result.level] ??= result;
  return newest;
}
