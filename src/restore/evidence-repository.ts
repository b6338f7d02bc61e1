// Evidence from a repository: every backup of the cluster, whatever its state and timeline, and every restore on record that was no drill.
import { EtcdsafeError } from "../errors.ts";
import { inTurns } from "../repository/in-turns.ts";
import { type Manifest, readManifest } from "../repository/manifest.ts";
import { backupsPrefix, parseBackupId, restoresPrefix } from "../repository/names.ts";
import type { Repository } from "../repository/repository.ts";
import { readRestoreRecord } from "../repository/sidecars.ts";
import { requireState } from "../repository/state-store.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type Evidence, type GatheredEvidence, highest, type RevisionJump } from "./evidence.ts";

/** What is left out. */
export interface KnownBefore {
  /** The backup that is restored, which is evidence by itself. */
  readonly sourceId: string | null;
  /** Clusters that this restore may have put on record already, by another run of its plan, or one that was interrupted: hexadecimal. */
  readonly clusterIds: readonly string[];
}

export interface RepositoryEvidence extends GatheredEvidence {
  /** The one that is a backup of a cluster in `known`, if it is: that cluster was started, and has saved. */
  readonly ofKnown: Evidence | null;
}

/** Of the backups and of the restores, the one that shows the highest revision. What cannot be read is a warning; throws what listing throws. */
export async function repositoryEvidence(repository: Repository, cluster: string, known: KnownBefore, options: CallOptions): Promise<RepositoryEvidence> {
  const { storage } = repository;
  const backups = await backupEvidence(storage, cluster, known, options);
  const restores = await restoreEvidence(storage, cluster, known.clusterIds, options);
  const newest = highest(backups.found);
  const found = [newest, highest(restores.found)].filter((each) => each !== undefined);
  const ofKnown = newest !== undefined && backups.ofKnown.has(newest) ? newest : null;
  return { found, jumps: restores.jumps, warnings: [...(await stateWarnings(repository, options)), ...backups.warnings, ...restores.warnings], ofKnown };
}

/** Backups are restored without the state, which may be lost, but by what it tells of the cluster a restore is kept from one that lives. */
async function stateWarnings(repository: Repository, options: CallOptions): Promise<string[]> {
  const fault = await readOr(() => requireState(repository, options), options);
  if (!(fault instanceof EtcdsafeError)) return [];
  const unknown =
    "Which members have joined since the backup was taken is not known, so that nobody asks whether they live, nor which cluster bears the name now";
  return [`${unknown}: ${fault.message}.`];
}

async function backupEvidence(storage: Storage, cluster: string, { sourceId, clusterIds }: KnownBefore, options: CallOptions) {
  const prefix = backupsPrefix(cluster);
  const hasManifest = new Map<string, boolean>();
  for await (const { key } of storage.list(prefix, options)) {
    const [id = "", name] = key.slice(prefix.length).split("/");
    if (id !== sourceId && parseBackupId(id) !== undefined) hasManifest.set(id, hasManifest.get(id) === true || name === "manifest.json");
  }
  const warnings: string[] = [];
  const ofKnown = new Set<Evidence>();
  const found = await inTurns([...hasManifest], async ([id, isListed]) => {
    const read = isListed ? await readOr(() => readManifest(storage, cluster, id, options), options) : undefined;
    const manifest = read instanceof EtcdsafeError ? undefined : read;
    if (read instanceof EtcdsafeError) {
      const { revision } = parseBackupId(id)!;
      warnings.push(`The manifest of ${id} cannot be read (${read.message}): what it held beyond revision ${revision}, which its id names, is not counted.`);
    }
    const evidence = ofBackup(storage, id, manifest);
    if (clusterIds.some((clusterId) => clusterId === manifest?.clusterId)) ofKnown.add(evidence);
    return evidence;
  });
  return { found, ofKnown, warnings: warnings.sort() };
}

/** A backup that was never finished was begun all the same: its id names the revision that the cluster had then. */
function ofBackup({ location }: Storage, id: string, manifest: Manifest | undefined): Evidence {
  const named = parseBackupId(id)!;
  return {
    kind: "backup",
    where: `${location}: ${id}`,
    revision: manifest?.revision ?? named.revision.toString(),
    isUpperBound: false,
    at: manifest?.createdAt ?? named.createdAt.toISOString(),
  };
}

async function restoreEvidence(storage: Storage, cluster: string, known: readonly string[], options: CallOptions): Promise<GatheredEvidence> {
  const keys: string[] = [];
  for await (const { key } of storage.list(restoresPrefix(cluster, ""), options)) keys.push(key);
  const warnings: string[] = [];
  const found: Evidence[] = [];
  const jumps: RevisionJump[] = [];
  await inTurns(keys, async (key) => {
    const record = await readOr(() => readRestoreRecord(storage, key, options), options);
    if (record instanceof EtcdsafeError) warnings.push(`${record.message}: the revision that this restore began at is not counted.`);
    // A drill's revisions are seen by none of the cluster's clients; those of a snapshot file are, once a distribution has restored it.
    else if (record !== undefined && record.purpose !== "drill" && !(record.clusterId !== null && known.includes(record.clusterId))) {
      found.push({ kind: "restore-record", where: `${storage.location}: ${key}`, revision: record.revisionAfter, isUpperBound: false, at: record.restoredAt });
      jumps.push({ from: BigInt(record.parent.revision), to: BigInt(record.revisionAfter) });
    }
  });
  return { found, jumps, warnings: warnings.sort() };
}

/** Undefined for what has just been removed; the error for what cannot be read. */
async function readOr<T>(read: () => Promise<T>, { signal }: CallOptions): Promise<T | EtcdsafeError | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    return error.code === "STORAGE_NOT_FOUND" ? undefined : error;
  }
}
