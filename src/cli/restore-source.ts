// What `restore` is told to restore from, and what to do where that is no good.
import { EtcdsafeError } from "../errors.ts";
import type { ForeignLocation } from "../repository/foreign/location.ts";
import type { SnapshotSource, SourceFacts } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { orForeign, requireFileOrForeign, resolveIn } from "./foreign.ts";
import { orFileOfThatName, readOperand } from "./operand.ts";
import { keysOf, provesOrigin, requireNoProof } from "./protection.ts";
import { openForReading } from "./repository.ts";

/** Beside the checks, which only show that nothing was changed since. */
const ORIGIN_NOT_PROVEN = "Integrity only, origin not proven (no --trusted-key): whoever can write to the repository could have made this backup.";

/** `text` names a backup or a file. Throws USAGE for standard input, and what finding and opening it throws. */
export async function openSource(invocation: Invocation, text: string): Promise<SnapshotSource> {
  const operand = readOperand(text);
  if (operand.kind === "stdin")
    throw new EtcdsafeError("USAGE", "a restore cannot read standard input", {
      hint: "Write it to a file first: the members' files are planned from its facts.",
    });
  if (operand.kind === "file") {
    const foreign = await requireFileOrForeign(operand.path, invocation);
    if (foreign !== undefined) return openForeignSource(foreign, operand.path, invocation);
    requireNoProof(invocation, operand.path);
    return (await import("../restore/file-source.ts")).snapshotFileSource(operand.path);
  }
  return orForeign(
    invocation,
    () => openBackupSource(invocation, operand.reference),
    (location) => openForeignSource(location, operand.reference, invocation),
  );
}

async function openBackupSource(invocation: Invocation, reference: string): Promise<SnapshotSource> {
  const [{ resolveBackup }, { backupSource, keyNeeded }] = await Promise.all([import("../repository/resolve.ts"), import("../restore/backup-source.ts")]);
  const cluster = invocation.config.get("cluster");
  const keys = await keysOf(invocation);
  const warnings: string[] = [];
  const passedOver = (warning: string) => void warnings.push(`${warning}.`);
  const { repository, entry } = await orFileOfThatName(
    reference,
    (path) => `give it as ${path}.`,
    async () => {
      const repository = await openForReading(invocation);
      return { repository, entry: await resolveBackup(repository, cluster, reference, { ...invocation, passedOver }) };
    },
  );
  const unmarked = entry.state === "damaged" ? null : entry.id;
  return withWayOn(invocation, { kind: "backup", backupId: unmarked }, async () => ({
    ...(await backupSource(repository, cluster, entry, { ...invocation, keys, isToBeRead: !invocation.config.get("plan") })),
    warnings: [...warnings, ...(provesOrigin(invocation.config) ? [] : [ORIGIN_NOT_PROVEN]), ...(keys === undefined ? keyNeeded(entry) : [])],
  }));
}

async function openForeignSource(location: ForeignLocation, reference: string, invocation: Invocation): Promise<SnapshotSource> {
  const { foreignSource } = await import("../restore/foreign-source.ts");
  const warnings: string[] = [];
  const passedOver = (warning: string) => void warnings.push(`${warning}.`);
  const source = await withWayOn(invocation, FOREIGN, async () => foreignSource(location, await resolveIn(location, reference, { ...invocation, passedOver })));
  if (source.facts.databaseSha256 === null && !invocation.config.get("skip-hash-check"))
    throw (await import("../restore/write.ts")).hashMissing(source.facts.location);
  return { ...source, warnings: [...warnings, ...(source.warnings ?? [])] };
}

const FOREIGN = { kind: "foreign", backupId: null } as const;

/** Runs `restore`; where the source is no good, the hint says what to do about that. */
export async function withWayOn<T>(invocation: Invocation, { kind, backupId }: Pick<SourceFacts, "kind" | "backupId">, restore: () => Promise<T>): Promise<T> {
  try {
    return await restore();
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || !/^(OBJECT|SNAPSHOT)_/.test(error.code)) throw error;
    const hints = [error.hint];
    // Whoever gave --skip-hash-check expects it to help.
    if (invocation.config.get("skip-hash-check") && error.code === "SNAPSHOT_HASH_MISMATCH")
      hints.unshift("--skip-hash-check is for a file without a hash, such as a copy of member/snap/db; a hash that is there and wrong is never passed over.");
    if (kind === "foreign") hints.push("`etcdsafe list` shows the others there; name one of them.");
    else if (backupId !== null) hints.push(await wayOn(invocation, backupId));
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
