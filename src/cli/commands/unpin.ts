// `etcdsafe unpin BACKUP`
import { hasCode } from "../../errors.ts";
import { parseBackupId, pinKey } from "../../repository/names.ts";
import { removePin } from "../../repository/pins.ts";
import { openToWrite, type Repository } from "../../repository/repository.ts";
import { resolveBackup } from "../../repository/resolve.ts";
import type { CallOptions } from "../../runtime.ts";
import type { Invocation } from "../command.ts";
import { requireNotEmpty } from "../operand.ts";
import { openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, signal } = invocation;
  const reference = invocation.operands[0]!;
  requireNotEmpty(reference);
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const cluster = config.get("cluster");
  const backup = await pinnedId(repository, cluster, reference, { signal });
  const wasPinned = await removePin(repository.storage, cluster, backup, { signal });
  output.print({ backup, unpinned: wasPinned }, () =>
    wasPinned ? `Unpinned ${backup}: retention may remove it.` : `${backup} is not pinned; nothing changed.`,
  );
  return 0;
}

/** Also of a backup that is not there any more, or never came to be, by its whole id. */
async function pinnedId(repository: Repository, cluster: string, reference: string, options: CallOptions): Promise<string> {
  try {
    return (await resolveBackup(repository, cluster, reference, options)).id;
  } catch (error) {
    const isPinned = parseBackupId(reference) !== undefined && (await repository.storage.stat(pinKey(cluster, reference), options)) !== undefined;
    if (hasCode(error, "BACKUP_NOT_FOUND") && isPinned) return reference;
    throw error;
  }
}
