// Which backups a verification is of: one that an operator names, or all.
import { EtcdsafeError } from "../errors.ts";
import { scanBackups } from "../repository/backup-scan.ts";
import type { Repository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { BackupName } from "./verify.ts";

/** As resolveBackup, but one whose manifest is broken is found all the same: that is for the verification to say. */
export async function chooseBackup(
  repository: Repository,
  cluster: string,
  reference: string,
  options: CallOptions & { readonly runtime: Pick<Runtime, "log"> },
): Promise<BackupName> {
  const ids = (await scanBackups(repository.storage, cluster, options)).map(({ id }) => id);
  try {
    const { id } = await resolveBackup(repository, cluster, reference, options);
    if (reference === "latest") warnOfNewer(ids.slice(0, Math.max(0, ids.indexOf(id))), options.runtime);
    return { cluster, id };
  } catch (error) {
    const id = ids.find((each) => each.startsWith(reference));
    if (!(error instanceof EtcdsafeError) || error.code !== "MANIFEST_INVALID" || id === undefined) throw error;
    return { cluster, id };
  }
}

/** All backups of these clusters, newest first. Throws BACKUP_NOT_FOUND where there is none at all: that nothing is bad would be no good news. */
export async function allBackups({ storage }: Repository, clusters: readonly string[], options: CallOptions): Promise<BackupName[]> {
  const names: BackupName[] = [];
  for (const cluster of clusters) for (const { id } of await scanBackups(storage, cluster, options)) names.push({ cluster, id });
  if (names.length === 0)
    throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is nothing to verify in ${storage.location}: no backup of ${clusters.join(", ") || "any cluster"}`);
  return names;
}

function warnOfNewer(ids: readonly string[], { log }: Pick<Runtime, "log">): void {
  if (ids.length === 0) return;
  const those = `${ids.slice(0, 3).join(", ")}${ids.length > 3 ? ", …" : ""}`;
  log({ level: "warn", message: `latest is not the newest backup: ${ids.length} newer ones are suspect, partial, damaged or unreadable (${those})` });
}
