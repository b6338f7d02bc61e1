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
  const { signal, runtime } = options;
  try {
    const passedOver = (message: string) => runtime.log({ level: "warn", message });
    const { id } = await resolveBackup(repository, cluster, reference, { signal, passedOver });
    return { cluster, id };
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || (error.code !== "MANIFEST_INVALID" && error.code !== "MANIFEST_UNTRUSTED")) throw error;
    const named = (await scanBackups(repository.storage, cluster, { signal })).find(({ id }) => id.startsWith(reference));
    if (named === undefined) throw error;
    return { cluster, id: named.id };
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
