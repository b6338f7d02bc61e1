// What backups there are, and what is known about each: its manifest, its later verifications, and whether it is damaged.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type ScannedBackup, scanBackups, scanVerifications } from "./backup-scan.ts";
import { inTurns } from "./in-turns.ts";
import { type BackupState, type Manifest, readManifest } from "./manifest.ts";
import { recognise } from "./recognise.ts";
import type { Repository } from "./repository.ts";
import type { Verification, VerificationLevel } from "./sidecars.ts";
import { signatureKey } from "./signature.ts";
import { verificationResults } from "./verification-results.ts";

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
  /** Whether a signature lies beside its manifest; whose, and whether it holds, reading with trusted keys tells. */
  readonly isSigned: boolean;
}

/** A backup whose manifest cannot be read or trusted. */
export interface UnreadableEntry {
  readonly id: string;
  readonly manifest: null;
  readonly error: EtcdsafeError;
}

export type CatalogueEntry = BackupEntry | UnreadableEntry;

/** Names of the clusters that were ever bound, or have backups, in order: cluster.json may be in a store of its own, or lost. */
export async function listClusters({ storage }: Repository, { signal }: CallOptions): Promise<string[]> {
  const clusters = new Set<string>();
  for await (const { key } of storage.list("", { signal })) {
    const found = recognise(key);
    if (found?.kind === "cluster-file" || (found?.kind === "backup-object" && found.name === "manifest.json")) clusters.add(found.cluster);
  }
  return [...clusters];
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
  const verified = await verificationResults(storage, verificationKeys, options);
  const damage = [...missingObjects(manifest, sizes), ...verified.damage];
  return {
    id,
    manifest,
    state: damage.length > 0 ? "damaged" : manifest.state,
    damage,
    verifications: verified.newest,
    storedSizeBytes: manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0),
    isSigned: sizes.has(signatureKey("manifest.json")),
  };
}

/** Objects that are not there, or not whole, by their sizes. */
export function missingObjects({ objects }: Manifest, sizes: ReadonlyMap<string, number>): string[] {
  return objects.flatMap(({ name, storedSizeBytes }) => {
    const found = sizes.get(name);
    if (found === storedSizeBytes) return [];
    return [found === undefined ? `${name} is missing` : `${name} holds ${found} bytes instead of ${storedSizeBytes}`];
  });
}
