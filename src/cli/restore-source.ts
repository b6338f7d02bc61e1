// What `restore` is told to restore from, and what to do where that is no good.
import { EtcdsafeError } from "../errors.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { orFileOfThatName, readOperand, requireSnapshotFile } from "./operand.ts";
import { openForReading } from "./repository.ts";

/** `text` names a backup or a file. Throws USAGE for standard input, and what finding and opening it throws. */
export async function openSource(invocation: Invocation, text: string): Promise<SnapshotSource> {
  const operand = readOperand(text);
  if (operand.kind === "stdin")
    throw new EtcdsafeError("USAGE", "a restore cannot read standard input", {
      hint: "Write it to a file first: the members' files are planned from its facts.",
    });
  if (operand.kind === "file") {
    await requireSnapshotFile(operand.path, invocation);
    return (await import("../restore/file-source.ts")).snapshotFileSource(operand.path);
  }
  const [{ resolveBackup }, { backupSource }] = await Promise.all([import("../repository/resolve.ts"), import("../restore/backup-source.ts")]);
  const cluster = invocation.config.get("cluster");
  const warnings: string[] = [];
  const passedOver = (warning: string) => void warnings.push(`${warning}.`);
  const { repository, entry } = await orFileOfThatName(
    operand.reference,
    (path) => `give it as ${path}.`,
    async () => {
      const repository = await openForReading(invocation);
      return { repository, entry: await resolveBackup(repository, cluster, operand.reference, { ...invocation, passedOver }) };
    },
  );
  const unmarked = entry.state === "damaged" ? null : entry.id;
  return withWayOn(invocation, unmarked, async () => ({ ...(await backupSource(repository, cluster, entry, invocation)), warnings }));
}

/** Runs `restore`; where the source is no good, the hint says what to do about that. */
export async function withWayOn<T>(invocation: Invocation, backupId: string | null, restore: () => Promise<T>): Promise<T> {
  try {
    return await restore();
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || !/^(OBJECT|SNAPSHOT)_/.test(error.code)) throw error;
    const hints = [error.hint];
    // Whoever gave --skip-hash-check expects it to help.
    if (invocation.config.get("skip-hash-check") && error.code === "SNAPSHOT_HASH_MISMATCH")
      hints.unshift("--skip-hash-check is for a file without a hash, such as a copy of member/snap/db; a hash that is there and wrong is never passed over.");
    if (backupId !== null) hints.push(await wayOn(invocation, backupId));
    throw new EtcdsafeError(error.code, error.message, { hint: hints.join(" "), cause: error });
  }
}

/** A restore stores no finding: the backup stays what `latest` means. */
async function wayOn(invocation: Invocation, id: string): Promise<string> {
  const verify = `\`etcdsafe verify ${id}\` marks this one as damaged, so that latest passes over it`;
  const { newestGoodBeside } = await import("../repository/resolve.ts");
  try {
    const other = await newestGoodBeside(await openForReading(invocation), invocation.config.get("cluster"), id, invocation);
    return other === undefined ? `${verify}; there is no other good backup.` : `${verify}; the newest good one beside it is ${other}.`;
  } catch {
    return `${verify}.`; // What failed first is what matters.
  }
}
