// `etcdsafe unpin BACKUP`
import { removePin } from "../../repository/pins.ts";
import { openToWrite } from "../../repository/repository.ts";
import { resolveBackup } from "../../repository/resolve.ts";
import type { Invocation } from "../command.ts";
import { requireNotEmpty } from "../operand.ts";
import { openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, signal } = invocation;
  const reference = invocation.operands[0]!;
  requireNotEmpty(reference);
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const cluster = config.get("cluster");
  const { id: backup } = await resolveBackup(repository, cluster, reference, { signal });
  const wasPinned = await removePin(repository.storage, cluster, backup, { signal });
  output.print({ backup, unpinned: wasPinned }, () =>
    wasPinned ? `Unpinned ${backup}: retention may remove it.` : `${backup} is not pinned; nothing changed.`,
  );
  return 0;
}
