// `etcdsafe verify` of stored backups. Apart from the command, because what reads a repository takes as long to load as a file of 100 MB to verify.
import { listClusters } from "../repository/catalogue.ts";
import { requireClusterName } from "../repository/resolve.ts";
import { allBackups, backupsSince, chooseBackups } from "../verify/choose.ts";
import type { VerifyOptions } from "../verify/options.ts";
import { type BackupName, type BackupVerification, type NotVerified, verifyBackup, verifyBackups } from "../verify/verify.ts";
import type { Invocation } from "./command.ts";
import { orFileOfThatName } from "./operand.ts";
import { author, openForVerifying } from "./repository.ts";
import { sinceOf } from "./since.ts";
import { type NothingVerified, nothingVerified } from "./verify-repositories.ts";

/** Told, in a sentence, which backups `latest` or `oldest` does not mean. */
export interface PassingOver {
  passedOver(message: string): void;
}

/** What `reference` names. Throws as chooseBackups, and where that is one, as verifyBackup. */
export async function verifyNamed(
  reference: string,
  invocation: Invocation,
  options: VerifyOptions & PassingOver,
): Promise<(BackupVerification | NotVerified)[]> {
  const { repository, backups } = await orFileOfThatName(
    reference,
    (path) => `give it as ${path}.`,
    async () => {
      const repository = await openForVerifying(invocation);
      return { repository, backups: await chooseBackups(repository, invocation.config.get("cluster"), reference, options) };
    },
  );
  const [only, ...others] = backups as [BackupName, ...BackupName[]];
  return others.length === 0 ? [await verifyBackup(repository, only, await author(), options)] : verifyBackups(repository, backups, await author(), options);
}

/** All backups of the cluster, or of every one with --all-clusters; with --since, those since then. Throws as allBackups, backupsSince and verifyBackup. */
export async function verifyAll(invocation: Invocation, options: VerifyOptions): Promise<(BackupVerification | NotVerified | NothingVerified)[]> {
  const { config, runtime } = invocation;
  const cluster = config.get("cluster");
  const inAll = config.get("all-clusters");
  const repository = await openForVerifying(invocation);
  if (!inAll) await requireClusterName(repository, cluster, invocation);
  const clusters = inAll ? await listClusters(repository, invocation) : [cluster];
  const since = sinceOf(config, runtime.now());
  if (since === undefined) return verifyBackups(repository, await allBackups(repository, clusters, invocation), await author(), options);
  const { backups, without } = await backupsSince(repository, clusters, since, invocation);
  const verified = await verifyBackups(repository, backups, await author(), options);
  return [...verified, ...without.map((each) => nothingVerified(each.error, { ...each, level: options.level }))];
}
