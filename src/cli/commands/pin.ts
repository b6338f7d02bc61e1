// `etcdsafe pin BACKUP`
import { EtcdsafeError } from "../../errors.ts";
import { deletionKey, manifestKey } from "../../repository/names.ts";
import { writePin } from "../../repository/pins.ts";
import { openToWrite, type Repository } from "../../repository/repository.ts";
import { resolveBackup } from "../../repository/resolve.ts";
import type { Invocation } from "../command.ts";
import { requireNotEmpty } from "../operand.ts";
import { author, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, runtime, signal } = invocation;
  const reference = invocation.operands[0]!;
  requireNotEmpty(reference);
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const cluster = config.get("cluster");
  const { id: backup } = await resolveBackup(repository, cluster, reference, { signal });
  const facts = { backup, reason: config.get("reason") ?? "no reason was given", pinnedAt: runtime.now().toISOString() };
  const isNew = await writePin(repository.storage, cluster, await author(), facts, { signal });
  await requireStanding(repository, cluster, backup, invocation);
  output.print({ backup, pinned: isNew }, () =>
    isNew ? `Pinned ${backup}: retention keeps it until it is unpinned.` : `${backup} is pinned already; nothing changed.`,
  );
  return 0;
}

/** A prune that had begun to remove it may not have seen the pin. */
async function requireStanding({ storage }: Repository, cluster: string, backup: string, { signal }: Invocation): Promise<void> {
  const isGoing = (await storage.stat(deletionKey(cluster, backup), { signal })) !== undefined;
  if (!isGoing && (await storage.stat(manifestKey(cluster, backup), { signal })) !== undefined) return;
  throw new EtcdsafeError("BACKUP_NOT_FOUND", `${backup} is being removed by a prune that began before it was pinned, or was`, {
    hint: "The pin is placed. If no prune runs, one was stopped over it: `etcdsafe prune --yes` settles that, and what is pinned and still there stays.",
  });
}
