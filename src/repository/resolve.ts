// Which backup an operator means: an id, a unique prefix of one, `latest` or `oldest`.
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { type ScannedBackup, scanBackups, scanVerifications } from "./backup-scan.ts";
import { type BackupEntry, type CatalogueEntry, listClusters, readEntry } from "./catalogue.ts";
import { manifestKey, parseBackupId } from "./names.ts";
import type { Repository } from "./repository.ts";

const CANDIDATES_MAX = 10;
const NEAREST_MAX = 3;
const PASSED_OVER_MAX = 3;

export interface ResolveOptions extends CallOptions {
  /** Told, in a sentence, which newer backups `latest` does not mean, or older ones `oldest`, and why: whoever names none should know what was not taken. `damaged`: the ids of those that are. */
  passedOver?(warning: string, damaged: readonly string[]): void;
}

/**
 * Finds a backup. `latest` and `oldest` skip those that are suspect, partial, damaged or unreadable; any of these is found by its id.
 * Throws BACKUP_NOT_FOUND with what there is instead, MANIFEST_UNTRUSTED where there are only such as nobody trusted has signed, BACKUP_AMBIGUOUS with the candidates, or what makes the manifest of the named one unreadable.
 */
export async function resolveBackup(repository: Repository, cluster: string, reference: string, options: ResolveOptions): Promise<BackupEntry> {
  const { found, scanned, skipped, untrusted } = await lookUp(repository, cluster, reference, options);
  if (found !== undefined) return found;
  const where = `cluster ${cluster} of ${repository.storage.location}`;
  if (scanned.length === 0 || skipped?.length === 0)
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup in ${where}`, {
      hint: (await elsewhere(repository, cluster, reference, options)) ?? (await otherClusters(repository, cluster, options)),
    });
  if (skipped === undefined)
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup "${reference}" in ${where}`, {
      hint:
        (await elsewhere(repository, cluster, reference, options)) ??
        nearest(
          reference,
          scanned.map(({ id }) => id),
        ),
    });
  // They are there, and all of them may have been exchanged: whoever asks for proof has to hear of that.
  if (untrusted) throw new EtcdsafeError("MANIFEST_UNTRUSTED", `no backup in ${where} may be ${reference}: ${listed(skipped)}`);
  throw new EtcdsafeError("BACKUP_NOT_FOUND", `no backup in ${where} may be ${reference}: ${listed(skipped)}`, {
    hint: "Suspect and partial backups are taken only when named by their id; of damaged ones, `etcdsafe show ID` tells what is wrong.",
  });
}

/** The same, but undefined where there is none. */
export async function findBackup(repository: Repository, cluster: string, reference: string, options: ResolveOptions): Promise<BackupEntry | undefined> {
  return (await lookUp(repository, cluster, reference, options)).found;
}

/** The newest backup, other than this one, that `latest` may mean. */
export async function newestGoodBeside({ storage }: Repository, cluster: string, id: string, options: CallOptions): Promise<string | undefined> {
  const others = (await scanBackups(storage, cluster, options)).filter((backup) => backup.id !== id);
  return (await firstGood(others, reader(storage, cluster, options))).found?.id;
}

/** Throws CLUSTER_NOT_FOUND where nothing is stored under the name, but there are others: it is mistyped then. */
export async function requireClusterName(repository: Repository, cluster: string, { signal }: CallOptions): Promise<void> {
  const { storage } = repository;
  for await (const _ of storage.list(`${cluster}/`, { signal })) return;
  const others = await listClusters(repository, { signal });
  if (others.length === 0) return;
  throw new EtcdsafeError("CLUSTER_NOT_FOUND", `there is no cluster ${cluster} in ${storage.location}`, { hint: named(others) });
}

interface LookUp {
  readonly found: BackupEntry | undefined;
  readonly scanned: readonly ScannedBackup[];
  /** Those that could not be what `latest` or `oldest` means; undefined for a reference to an id. */
  readonly skipped?: readonly string[];
  /** Whether none of them was signed by anybody trusted. */
  readonly untrusted?: boolean;
}

async function lookUp({ storage }: Repository, cluster: string, reference: string, options: ResolveOptions): Promise<LookUp> {
  const scanned = await scanBackups(storage, cluster, options);
  const read = reader(storage, cluster, options);
  if (reference === "latest" || reference === "oldest") {
    const meant = await firstGood(reference === "latest" ? scanned : scanned.toReversed(), read);
    if (meant.found !== undefined && meant.skipped.length > 0) options.passedOver?.(passedOverText(reference, meant.found.id, meant.skipped), meant.damaged);
    return { scanned, ...meant };
  }
  const matching = scanned.filter(({ id }) => id.startsWith(reference));
  if (matching.length > 1) {
    const where = `cluster ${cluster} of ${storage.location}`;
    throw new EtcdsafeError("BACKUP_AMBIGUOUS", `"${reference}" may mean any of ${listed(matching.map(({ id }) => id))} in ${where}`);
  }
  const found = matching[0] && (await read(matching[0]));
  if (found?.manifest === null) throw found.error;
  return { scanned, found };
}

type ReadBackup = (backup: ScannedBackup) => Promise<CatalogueEntry | undefined>;

function reader(storage: Storage, cluster: string, options: CallOptions): ReadBackup {
  return async (backup) => {
    const verifications = await scanVerifications(storage, cluster, options, backup.id);
    return readEntry(storage, cluster, backup, verifications.get(backup.id) ?? [], options);
  };
}

async function firstGood(
  scanned: readonly ScannedBackup[],
  read: ReadBackup,
): Promise<{ readonly found: BackupEntry | undefined; readonly skipped: readonly string[]; readonly damaged: readonly string[]; readonly untrusted: boolean }> {
  const skipped: string[] = [];
  const damaged: string[] = [];
  let untrusted = true;
  for (const backup of scanned) {
    const entry = await read(backup);
    if (entry === undefined) continue;
    if (entry.manifest !== null && (entry.state === "proven" || entry.state === "unconfirmed")) return { found: entry, skipped, damaged, untrusted: false };
    skipped.push(`${entry.id} (${whyNot(entry)})`);
    const isUntrusted = entry.manifest === null && entry.error.code === "MANIFEST_UNTRUSTED";
    if (entry.manifest === null ? !isUntrusted : entry.state === "damaged") damaged.push(entry.id);
    untrusted &&= isUntrusted;
  }
  return { found: undefined, skipped, damaged, untrusted };
}

function whyNot(entry: CatalogueEntry): string {
  if (entry.manifest === null) return `unreadable: ${entry.error.message}`;
  return `${entry.state}: ${entry.state === "damaged" ? entry.damage.join("; ") : entry.manifest.stateWhy}`;
}

/** What `passedOver` is told: `skipped` are names with reasons. */
export function passedOverText(reference: "latest" | "oldest", id: string, skipped: readonly string[]): string {
  const [only] = skipped;
  const beyond = reference === "latest" ? "newer" : "older";
  if (skipped.length === 1) return `${reference} is ${id}; ${beyond === "newer" ? "a newer" : "an older"} backup is passed over: ${only}`;
  const more = skipped.length - PASSED_OVER_MAX;
  const those = `${skipped.slice(0, PASSED_OVER_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return `${reference} is ${id}; ${skipped.length} ${beyond} backups are passed over: ${those}`;
}

/** The ids that begin most like `reference`: a slip of the hand is usually near the end. */
export function nearest(reference: string, names: readonly string[]): string {
  const common = (id: string): number => {
    let length = 0;
    while (length < id.length && id[length] === reference[length]) length++;
    return length;
  };
  const ids = names.toSorted((a, b) => common(b) - common(a));
  if (ids.length <= NEAREST_MAX) return `What is there: ${ids.join(", ")}.`;
  return `The nearest are ${ids.slice(0, NEAREST_MAX).join(", ")}; \`etcdsafe list\` shows all ${ids.length}.`;
}

/** For a whole id: the other name that its backup is kept under. */
async function elsewhere(repository: Repository, cluster: string, reference: string, options: CallOptions): Promise<string | undefined> {
  if (parseBackupId(reference) === undefined) return undefined;
  for (const other of await listClusters(repository, options)) {
    if (other !== cluster && (await repository.storage.stat(manifestKey(other, reference), options)) !== undefined)
      return `It is a backup of ${other}: give --cluster ${other}.`;
  }
  return undefined;
}

async function otherClusters(repository: Repository, cluster: string, options: CallOptions): Promise<string> {
  const others = (await listClusters(repository, options)).filter((name) => name !== cluster);
  if (others.length === 0) return "There is no other cluster either; `etcdsafe save` stores a backup.";
  return named(others);
}

function named(others: readonly string[]): string {
  return `Other clusters there are ${others.join(", ")}: name one with --cluster.`;
}

function listed(texts: readonly string[]): string {
  const more = texts.length > CANDIDATES_MAX ? `, … (${texts.length} in all)` : "";
  return `${texts.slice(0, CANDIDATES_MAX).join(", ")}${more}`;
}
