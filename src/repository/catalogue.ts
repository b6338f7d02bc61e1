// What backups there are, and what is known about each: its manifest, its later verifications, and whether it is damaged.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { ObjectInfo, Storage } from "../storage/storage.ts";
import { findBackups, newestFirst, type ScannedBackup, scanVerifications, timesText } from "./backup-scan.ts";
import { type BriefManifest, type BriefVerification, briefManifest, briefVerification } from "./brief.ts";
import { type DocumentCache, NO_CACHE } from "./catalogue-cache.ts";
import { inTurns } from "./in-turns.ts";
import { type BackupState, type Manifest, readManifest } from "./manifest.ts";
import { manifestKey } from "./names.ts";
import { recognise } from "./recognise.ts";
import type { Repository } from "./repository.ts";
import { readVerification, type Verification, type VerificationLevel } from "./sidecars.ts";
import { signatureKey } from "./signature.ts";
import { verificationResults } from "./verification-results.ts";

/** A backup whose manifest could be read. */
export type BackupEntry = EntryOf<Manifest, Verification>;

/** The same without what a list does not show. */
export type BriefEntry = EntryOf<BriefManifest, BriefVerification>;

interface EntryOf<M extends BriefManifest, V extends BriefVerification> {
  readonly id: string;
  readonly manifest: M;
  /** The manifest's state, unless later reading found worse. */
  readonly state: BackupState | "damaged";
  /** Why it is damaged. */
  readonly damage: readonly string[];
  /** The newest verification of each level that was made. */
  readonly verifications: Partial<Record<VerificationLevel, V>>;
  /** All its objects, as they are there now. */
  readonly storedSizeBytes: number;
  /** Whether a signature lies beside its manifest; whose, and whether it holds, reading with trusted keys tells. */
  readonly isSigned: boolean;
}

/** A backup whose manifest cannot be read or trusted. */
export interface UnreadableEntry {
  readonly id: string;
  readonly manifest: null;
  readonly error: EtcdsafeError;
  /** Whatever lies below its prefix. */
  readonly storedSizeBytes: number;
}

export type CatalogueEntry = BackupEntry | UnreadableEntry;
export type BriefCatalogueEntry = BriefEntry | UnreadableEntry;

/** What is read of a backup, and how. */
interface Reading<M, V> {
  manifest(backup: ScannedBackup): Promise<M>;
  verification(info: ObjectInfo): Promise<V>;
}

/** So many manifests are read at once: thousands, from a store that is far away, would take minutes otherwise. */
const IN_FLIGHT = 32;

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
export function listBackups({ storage }: Repository, cluster: string, options: CallOptions): Promise<CatalogueEntry[]> {
  return listEntries(storage, cluster, wholeDocuments(storage, cluster, options), options);
}

/** The same with what a list shows of each, and with no more memory than that: for thousands of backups. */
export function listBriefly(
  { storage }: Repository,
  cluster: string,
  options: CallOptions & { readonly cache?: DocumentCache | undefined },
): Promise<BriefCatalogueEntry[]> {
  const { cache = NO_CACHE } = options;
  const whole = wholeDocuments(storage, cluster, options);
  const briefly: Reading<BriefManifest, BriefVerification> = {
    manifest: (backup) =>
      cache.of({ key: manifestKey(cluster, backup.id), version: backup.manifestVersion }, async () => briefManifest(await whole.manifest(backup))),
    verification: (info) => cache.of(info, async () => briefVerification(await whole.verification(info))),
  };
  return listEntries(storage, cluster, briefly, options);
}

/** One entry of the catalogue; undefined when the backup was removed since it was listed. */
export function readEntry(
  storage: Storage,
  cluster: string,
  backup: ScannedBackup,
  verifications: readonly ObjectInfo[],
  options: CallOptions,
): Promise<CatalogueEntry | undefined> {
  return entryOf(backup, verifications, wholeDocuments(storage, cluster, options), options);
}

function wholeDocuments(storage: Storage, cluster: string, options: CallOptions): Reading<Manifest, Verification> {
  return {
    manifest: ({ id }) => readManifest(storage, cluster, id, options),
    verification: ({ key }) => readVerification(storage, key, options),
  };
}

async function listEntries<M extends BriefManifest, V extends BriefVerification>(
  storage: Storage,
  cluster: string,
  reading: Reading<M, V>,
  options: CallOptions,
): Promise<(EntryOf<M, V> | UnreadableEntry)[]> {
  const [backups, verifications] = await Promise.all([findBackups(storage, cluster, options), scanVerifications(storage, cluster, options)]);
  const entries = await inTurns(backups, (backup) => entryOf(backup, verifications.get(backup.id) ?? [], reading, options), IN_FLIGHT);
  return newestFirst(
    entries.filter((entry) => entry !== undefined),
    ({ manifest }) => timesText(manifest),
  );
}

async function entryOf<M extends BriefManifest, V extends BriefVerification>(
  backup: ScannedBackup,
  verifications: readonly ObjectInfo[],
  reading: Reading<M, V>,
  { signal }: CallOptions,
): Promise<EntryOf<M, V> | UnreadableEntry | undefined> {
  const { id, sizes } = backup;
  let manifest: M;
  try {
    manifest = await reading.manifest(backup);
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    const storedSizeBytes = [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
    return error.code === "STORAGE_NOT_FOUND" ? undefined : { id, manifest: null, error, storedSizeBytes };
  }
  const verified = await resultsOf(verifications, reading, { signal });
  const damage = [...missingObjects(manifest, sizes), ...verified.damage];
  return {
    id,
    manifest,
    state: damage.length > 0 ? "damaged" : manifest.state,
    damage,
    verifications: verified.newest,
    storedSizeBytes: manifest.objects.reduce((sum, { name }) => sum + (sizes.get(name) ?? 0), 0),
    isSigned: sizes.has(signatureKey("manifest.json")),
  };
}

function resultsOf<V extends BriefVerification>(infos: readonly ObjectInfo[], reading: Pick<Reading<unknown, V>, "verification">, { signal }: CallOptions) {
  const byKey = new Map(infos.map((info) => [info.key, info]));
  return verificationResults([...byKey.keys()], async (key) => {
    try {
      return await reading.verification(byKey.get(key)!);
    } catch (error) {
      if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
      return undefined;
    }
  });
}

/** Objects that are not there, or not whole, by their sizes. */
export function missingObjects({ objects }: Pick<BriefManifest, "objects">, sizes: ReadonlyMap<string, number>): string[] {
  return objects.flatMap(({ name, storedSizeBytes }) => {
    const found = sizes.get(name);
    if (found === storedSizeBytes) return [];
    return [found === undefined ? `${name} is missing` : `${name} holds ${found} bytes instead of ${storedSizeBytes}`];
  });
}
