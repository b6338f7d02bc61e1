// Which backup an operator means: an id, a unique prefix of one, `latest` or `oldest`.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import { type ScannedBackup, scanBackups, scanVerifications } from "./backup-scan.ts";
import { type BackupEntry, type CatalogueEntry, readEntry } from "./catalogue.ts";
import type { Repository } from "./repository.ts";

const CANDIDATES_MAX = 10;

/**
 * Finds a backup. `latest` and `oldest` skip those that are suspect, partial, damaged or unreadable; any of these is found by its id.
 * Throws BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS with the candidates, or what makes the manifest of the named one unreadable.
 */
export async function resolveBackup({ storage }: Repository, cluster: string, reference: string, options: CallOptions): Promise<BackupEntry> {
  const scanned = await scanBackups(storage, cluster, options);
  const read = async (backup: ScannedBackup): Promise<CatalogueEntry | undefined> => {
    const verifications = await scanVerifications(storage, cluster, options, backup.id);
    return readEntry(storage, cluster, backup, verifications.get(backup.id) ?? [], options);
  };
  const where = `cluster ${cluster} of ${storage.location}`;
  if (reference === "latest" || reference === "oldest") return firstGood(reference, where, reference === "latest" ? scanned : scanned.toReversed(), read);
  const matching = scanned.filter(({ id }) => id.startsWith(reference));
  if (matching.length > 1) {
    const more = matching.length > CANDIDATES_MAX ? `, … (${matching.length} in all)` : "";
    const candidates = matching.slice(0, CANDIDATES_MAX).map(({ id }) => id);
    throw new EtcdsafeError("BACKUP_AMBIGUOUS", `"${reference}" may mean any of ${candidates.join(", ")}${more} in ${where}`);
  }
  const entry = matching[0] && (await read(matching[0]));
  if (entry === undefined) throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup "${reference}" in ${where}`);
  if (entry.manifest === null) throw entry.error;
  return entry;
}

async function firstGood(
  reference: "latest" | "oldest",
  where: string,
  scanned: readonly ScannedBackup[],
  read: (backup: ScannedBackup) => Promise<CatalogueEntry | undefined>,
): Promise<BackupEntry> {
  const skipped: string[] = [];
  for (const backup of scanned) {
    const entry = await read(backup);
    if (entry === undefined) continue;
    if (entry.manifest !== null && (entry.state === "proven" || entry.state === "unconfirmed")) return entry;
    skipped.push(`${entry.id} (${entry.manifest === null ? "unreadable" : entry.state})`);
  }
  if (skipped.length === 0) throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup in ${where}`);
  const more = skipped.length > CANDIDATES_MAX ? `, … (${skipped.length} in all)` : "";
  throw new EtcdsafeError("BACKUP_NOT_FOUND", `no backup in ${where} may be ${reference}: ${skipped.slice(0, CANDIDATES_MAX).join(", ")}${more}`, {
    hint: "Suspect, partial and damaged backups are taken only when named by their id.",
  });
}
