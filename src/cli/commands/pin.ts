// `etcdsafe pin BACKUP`
import { writePin } from "../../repository/pins.ts";
import { openToWrite } from "../../repository/repository.ts";
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
  output.print({ backup, pinned: isNew }, () =>
    isNew ? `Pinned ${backup}: retention keeps it until it is unpinned.` : `${backup} is pinned already; nothing changed.`,
  );
  return 0;
}
