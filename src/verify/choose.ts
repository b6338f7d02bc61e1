// Which backups a verification is of: one that an operator names, or all.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { scanBackups } from "../repository/backup-scan.ts";
import { listBriefly } from "../repository/catalogue.ts";
import type { Repository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { BackupName } from "./verify.ts";

/** As resolveBackup, but one that is broken is found all the same, by its id, or by `latest` and `oldest` where there is no other: that is for the verification to say. */
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
    const damaged = isNoneGood(error, reference) ? await damagedBackup(repository, cluster, reference, options) : undefined;
    if (damaged !== undefined) {
      runtime.log({ level: "warn", message: `${(error as EtcdsafeError).message}; ${damaged} is verified` });
      return { cluster, id: damaged };
    }
    if (!(error instanceof EtcdsafeError) || (error.code !== "MANIFEST_INVALID" && error.code !== "MANIFEST_UNTRUSTED")) throw error;
    const named = (await scanBackups(repository.storage, cluster, { signal })).find(({ id }) => id.startsWith(reference));
    if (named === undefined) throw error;
    return { cluster, id: named.id };
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
