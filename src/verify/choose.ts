// Which backups a verification is of: one that an operator names, all, or all since a time.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { scanBackups } from "../repository/backup-scan.ts";
import { listBriefly } from "../repository/catalogue.ts";
import { parseBackupId } from "../repository/names.ts";
import type { Repository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { BackupName } from "./verify.ts";

/** A backup's id tells the second in which it began. */
const SECOND_MS = 1000;

export interface RecentBackups {
  /** Newest first, cluster by cluster. */
  readonly backups: readonly BackupName[];
  /** Why nothing of a cluster is among them. */
  readonly without: readonly { readonly cluster: string; readonly error: EtcdsafeError }[];
}

/**
 * As resolveBackup, but one that is broken is found all the same, by its id, or by `latest` and `oldest` where there is no other: that is for the verification
 * to say. With `latest` come the newer ones that are known to be damaged: that an older one is good is no good news of the newest.
 */
export async function chooseBackups(
  repository: Repository,
  cluster: string,
  reference: string,
  options: CallOptions & { readonly runtime: Pick<Runtime, "log">; passedOver?(warning: string): void },
): Promise<BackupName[]> {
  const { signal, runtime } = options;
  const newer: BackupName[] = [];
  try {
    const passedOver = (message: string, damaged: readonly string[]) => {
      runtime.log({ level: "warn", message });
      options.passedOver?.(message);
      if (reference === "latest") newer.push(...damaged.map((id) => ({ cluster, id })));
    };
    const { id } = await resolveBackup(repository, cluster, reference, { signal, passedOver });
    return [...newer, { cluster, id }];
  } catch (error) {
    const damaged = isNoneGood(error, reference) ? await damagedBackup(repository, cluster, reference, options) : undefined;
    if (damaged !== undefined) {
      runtime.log({ level: "warn", message: `${(error as EtcdsafeError).message}; ${damaged} is verified` });
      return [{ cluster, id: damaged }];
    }
    if (!(error instanceof EtcdsafeError) || (error.code !== "MANIFEST_INVALID" && error.code !== "MANIFEST_UNTRUSTED")) throw error;
    const named = (await scanBackups(repository.storage, cluster, { signal })).find(({ id }) => id.startsWith(reference));
    if (named === undefined) throw error;
    return [{ cluster, id: named.id }];
  }
}

function isNoneGood(error: unknown, reference: string): boolean {
  return (hasCode(error, "BACKUP_NOT_FOUND") || hasCode(error, "MANIFEST_UNTRUSTED")) && (reference === "latest" || reference === "oldest");
}

/** The newest, or oldest, that is damaged or cannot be read; suspect and partial ones are not what is wrong. */
async function damagedBackup(repository: Repository, cluster: string, reference: string, options: CallOptions): Promise<string | undefined> {
  const damaged = (await listBriefly(repository, cluster, options)).filter((entry) => entry.manifest === null || entry.state === "damaged");
  return damaged.at(reference === "latest" ? 0 : -1)?.id;
}

/** All backups of these clusters, newest first. Throws BACKUP_NOT_FOUND where there is none at all: that nothing is bad would be no good news. */
export async function allBackups({ storage }: Repository, clusters: readonly string[], options: CallOptions): Promise<BackupName[]> {
  const names: BackupName[] = [];
  for (const cluster of clusters) for (const { id } of await scanBackups(storage, cluster, options)) names.push({ cluster, id });
  if (names.length === 0)
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is nothing to verify in ${storage.location}: no backup of ${clusters.join(", ") || "any cluster"}`);
  return names;
}

/**
 * Those that began at `since` or later. Throws BACKUP_NOT_FOUND, with what is the newest instead, where there is none at all: that nothing new is bad would
 * be no good news.
 */
export async function backupsSince({ storage }: Repository, clusters: readonly string[], since: Date, options: CallOptions): Promise<RecentBackups> {
  const backups: BackupName[] = [];
  const without: { cluster: string; error: EtcdsafeError }[] = [];
  for (const cluster of clusters) {
    const ids = (await scanBackups(storage, cluster, options)).map(({ id }) => id);
    const recent = ids.filter((id) => beganAt(id).getTime() + SECOND_MS > since.getTime());
    backups.push(...recent.map((id) => ({ cluster, id })));
    if (recent.length === 0) without.push({ cluster, error: noneSince(`${cluster} in ${storage.location}`, since, ids) });
  }
  if (backups.length > 0) return { backups, without };
  throw without.length === 1 ? without[0]!.error : noneSince(`${clusters.join(", ") || "any cluster"} in ${storage.location}`, since, []);
}

function noneSince(where: string, since: Date, [newest]: readonly string[]): EtcdsafeError {
  const instead = newest === undefined ? "" : `; the newest, ${newest}, began at ${beganAt(newest).toISOString()}`;
  return new EtcdsafeError("BACKUP_NOT_FOUND", `there is no backup of ${where} since ${since.toISOString()}${instead}`, {
    hint: "Does `etcdsafe save` still run for it, and into this repository? `etcdsafe list` shows what there is, and what failed of late.",
  });
}

function beganAt(id: string): Date {
  return parseBackupId(id)!.createdAt;
}
