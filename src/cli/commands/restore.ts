// `etcdsafe restore`
import { resolve } from "node:path";
import { OPTION_NAMES, type OptionName, optionSpec } from "../../config/options.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { RestoreResult } from "../../restore/apply.ts";
import type { SnapshotSource } from "../../restore/source.ts";
import type { Invocation } from "../command.ts";
import { refuseTogether } from "../conflicts.ts";
import { orFileOfThatName, readOperand, requireSnapshotFile } from "../operand.ts";
import { author, openForReading, openNamedStorage } from "../repository.ts";
import { restoreCommand } from "../restore-command.ts";
import { gatherEvidence } from "../restore-evidence.ts";
import { restoreMembers } from "../restore-members.ts";
import { planText, restoredText, snapshotPlanText, snapshotText } from "../restore-text.ts";
import { version } from "../version.ts";

const MEMBER_OPTIONS: readonly OptionName[] = OPTION_NAMES.filter((name) => optionSpec(name).group === "Members");
/** docs/cli.md, "Exit codes". */
const PARTLY_DONE = 3;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output, runtime } = invocation;
  const bumpRevision = config.get("bump-revision");
  if (config.get("mark-compacted") && bumpRevision === "none")
    throw new EtcdsafeError("USAGE", "--mark-compacted contradicts --bump-revision none: what is compacted must lie behind the revision");
  refuseTogether(config, "to-snapshot", MEMBER_OPTIONS, "a snapshot file has no members");
  const source = await openSource(invocation);
  const skipHashCheck = config.get("skip-hash-check");
  const file = config.get("to-snapshot");
  if (file === "-")
    throw new EtcdsafeError("USAGE", "--to-snapshot writes a file, not standard output", { hint: "Name a file; it is checked before it gets its name." });
  if (file !== undefined) {
    const { planDatabase } = await import("../../restore/database-plan.ts");
    const database = planDatabase({ source: source.facts, bumpRevision, evidence: await gatherEvidence(invocation, source.facts, []), skipHashCheck });
    const { revision } = database;
    if (config.get("plan")) {
      const { fileRefusals } = await import("../../restore/refusals.ts");
      const warnings = await fileRefusals(file);
      const plan = { source: source.facts, file, revision, skipHashCheck, warnings };
      output.print({ plan }, () => snapshotPlanText(source.facts, { path: file, revision }, warnings));
      return 0;
    }
    const { writeSnapshotFile } = await import("../../restore/to-snapshot.ts");
    const written = await withWayOn(invocation, source.facts.backupId, () => writeSnapshotFile(source, file, database, invocation));
    output.print({ file: written }, () => snapshotText(written));
    return 0;
  }
  const { planRestore } = await import("../../restore/plan.ts");
  const members = await restoreMembers(config, invocation);
  const targets = members.targets.map((target) => ({
    ...target,
    dataDir: resolve(target.dataDir),
    ...(target.walDir === undefined ? {} : { walDir: resolve(target.walDir) }),
  }));
  const plan = planRestore({
    source: source.facts,
    ...members,
    targets,
    newToken: `etcdsafe-${random(invocation, 12)}`,
    command: (member, token, bump) => restoreCommand(invocation, source.facts, members.cluster, { member, token, bumpRevision: bump }),
    stageId: random(invocation, 6),
    bumpRevision,
    evidence: await gatherEvidence(invocation, source.facts, targets),
    skipHashCheck,
    tool: version(),
    plannedAt: runtime.now().toISOString(),
  });
  if (config.get("plan")) {
    const { targetRefusals } = await import("../../restore/refusals.ts");
    const shown = { ...plan, warnings: [...(await targetRefusals(plan)), ...plan.warnings] };
    output.print({ plan: shown }, () => planText(shown));
    return 0;
  }
  const { applyRestore } = await import("../../restore/apply.ts");
  const result = await withWayOn(invocation, source.facts.backupId, () => applyRestore(plan, source, invocation));
  // What to know before the cluster is started, so after whatever kept it from being restored.
  for (const message of plan.warnings) runtime.log({ level: "warn", message });
  const registered = await registerRestore(invocation, result);
  output.print(result, () => restoredText(result));
  return registered ? 0 : PARTLY_DONE;
}

async function openSource(invocation: Invocation): Promise<SnapshotSource> {
  const operand = readOperand(invocation.operands[0] ?? "latest");
  if (operand.kind === "stdin")
    throw new EtcdsafeError("USAGE", "a restore cannot read standard input", {
      hint: "Write it to a file first: the members' files are planned from its facts.",
    });
  if (operand.kind === "file") {
    await requireSnapshotFile(operand.path, invocation);
    return (await import("../../restore/file-source.ts")).snapshotFileSource(operand.path);
  }
  const [{ resolveBackup }, { backupSource }] = await Promise.all([import("../../repository/resolve.ts"), import("../../restore/backup-source.ts")]);
  const cluster = invocation.config.get("cluster");
  const { repository, entry } = await orFileOfThatName(
    operand.reference,
    (path) => `give it as ${path}.`,
    async () => {
      const repository = await openForReading(invocation);
      return { repository, entry: await resolveBackup(repository, cluster, operand.reference, invocation) };
    },
  );
  const unmarked = entry.state === "damaged" ? null : entry.id;
  return withWayOn(invocation, unmarked, () => backupSource(repository, cluster, entry, invocation));
}

/** Runs `restore`; where the source is no good, the hint says what to do about that. */
async function withWayOn<T>(invocation: Invocation, backupId: string | null, restore: () => Promise<T>): Promise<T> {
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
  const { newestGoodBeside } = await import("../../repository/resolve.ts");
  try {
    const other = await newestGoodBeside(await openForReading(invocation), invocation.config.get("cluster"), id, invocation);
    return other === undefined ? `${verify}; there is no other good backup.` : `${verify}; the newest good one beside it is ${other}.`;
  } catch {
    return `${verify}.`; // What failed first is what matters.
  }
}

/** Lets the restored cluster save under the same name. One that cannot be registered is restored all the same; false then. */
async function registerRestore(invocation: Invocation, { plan }: RestoreResult): Promise<boolean> {
  if (plan.source.kind !== "backup") return true;
  const { recordRestore } = await import("../../restore/record.ts");
  try {
    await recordRestore(await openNamedStorage(invocation), await author(), plan, invocation);
    const message = `registered as the successor of ${plan.source.cluster} in the repository: once it has saved there, the former cluster is refused`;
    invocation.runtime.log({ level: "info", message });
    return true;
  } catch (error) {
    invocation.runtime.log({
      level: "warn",
      message: `the restore could not be recorded in the repository (${(error as Error).message}); before the new cluster saves there, run \`etcdsafe repo adopt\``,
    });
    return false;
  }
}

function random({ runtime }: Invocation, length: number): string {
  return Array.from(runtime.randomBytes(length), (byte) => BASE32[byte % BASE32.length]).join("");
}
