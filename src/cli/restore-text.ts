// Plans and results of a restore for people.
import type { RestoreResult } from "../restore/apply.ts";
import { etcdCommand, toBeAdded, WHY_EXISTING } from "../restore/instructions/etcd-command.ts";
import { STAGE } from "../restore/instructions/steps.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SnapshotFilePlan, SnapshotFileResult } from "../restore/to-snapshot.ts";
import { databaseFacts, etcdFor } from "./database-text.ts";
import { evidenceText, revisionFacts } from "./evidence-text.ts";
import { databaseHashText, formatSize } from "./format.ts";
import { facts } from "./output.ts";
import { type AskedRun, directories, sourceFacts, warningsText } from "./plan-text.ts";
import { keptLines } from "./targets-text.ts";

/** What `--to-snapshot FILE --plan` prints. */
export function snapshotPlanText(plan: SnapshotFilePlan, run: AskedRun): string {
  const rows = facts([...sourceFacts(plan.source, run), ["to be written", plan.file], ...revisionFacts(plan), ...databaseFacts(plan)]);
  return [rows, evidenceText(plan.revision), warningsText(plan.warnings)].filter((part) => part !== "").join("\n");
}

/** What a restore prints when it is done. */
export function restoredText({ plan, hashKv, leftovers, finishes }: RestoreResult): string {
  const written = plan.members.filter(({ dataDir }) => dataDir !== null);
  const lines = [
    ...(finishes === null ? [] : [`The restore that began at ${finishes} was interrupted when all was written; this run has finished it.`]),
    `Restored ${written.length === 1 ? "one member" : `${written.length} members`} of cluster ${plan.clusterId} at revision ${plan.revision.after}.`,
    ...written.map(({ name, id, dataDir, walDir }) => `  ${name} (${id}) in ${directories(dataDir!, walDir)}`),
    "",
    ...startLines(plan, written),
  ];
  lines.push("", proof(plan, hashKv));
  lines.push(...keptLines(plan));
  if (leftovers.length > 0) lines.push("", "An interrupted restore left these, which are safe to remove:", ...leftovers.map((path) => `  ${path}`));
  return `${lines.join("\n")}\n`;
}

/** What a saved plan prints where it is done already, and nothing has started since. `hashKv`: null where that cannot be computed any more. */
export function inPlaceText(plan: RestorePlan, names: readonly string[], hashKv: RestoreResult["hashKv"] | null): string {
  const lines = [
    `${names.join(", ")} of this plan ${names.length === 1 ? "is" : "are"} in place already; go on with the next step. Nothing was written there.`,
  ];
  if (hashKv !== null) lines.push("", proof(plan, hashKv));
  return `${lines.join("\n")}\n`;
}

/** What comes next: of a plan with instructions, its next step. */
function startLines(plan: RestorePlan, written: RestorePlan["members"]): string[] {
  if (plan.distro !== null) return [`Go on with step ${STAGE.start} of the plan ("Start etcd") when all its hosts have come this far.`];
  const version = etcdFor(plan.versions);
  return [
    `To start ${written.length === 1 ? "it" : "them"}${version === undefined ? "" : ` (${version})`}${toBeAdded(written)}:`,
    ...written.map((member) => `  ${etcdCommand(member, plan.members, plan.quotaBackendBytes)}`),
    `(${WHY_EXISTING})`,
  ];
}

/** How to see that the members hold what was saved. */
function proof({ walDialect }: RestorePlan, { hash, revision, compactRevision }: RestoreResult["hashKv"]): string {
  // Etcd 3.4 refuses the very revision it has compacted, but not to hash its latest, which is the same until something is written (etcd-formats §5.1).
  if (walDialect === "3.4" && revision === compactRevision) {
    return `Before anything is written, every member must then answer ${hash} to: etcdctl endpoint hashkv`;
  }
  return `Every member must then answer ${hash} to: etcdctl endpoint hashkv --rev ${revision}`;
}

/** The result of --to-snapshot. */
export function snapshotText({ path, sizeBytes, revision, databaseSha256, hashKv }: SnapshotFileResult): string {
  return facts([
    ["written", path],
    ["size", formatSize(sizeBytes)],
    ["revision", revision.after],
    ["HashKV", `${hashKv.hash} at revision ${hashKv.revision}: what every member started from it must answer`],
    ["database SHA-256", databaseHashText(databaseSha256)],
  ]);
}
