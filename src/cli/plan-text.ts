// The plan of a restore for people: what is restored and how old it is, what is lost, what the new cluster is, what is written where.
import type { RestorePlan } from "../restore/plan.ts";
import { databaseFacts } from "./database-text.ts";
import { formatAge, formatSize, formatSpan } from "./format.ts";
import { facts, table } from "./output.ts";
import { targetsText } from "./targets-text.ts";

/** Without the instructions, which instructions-text.ts prints. `now` is what the source's age counts to. */
export function planText(plan: RestorePlan, now: Date): string {
  return [factsText(plan, now), evidenceText(plan), membersText(plan), targetsText(plan), warningsText(plan.warnings)].filter((part) => part !== "").join("\n");
}

function factsText(plan: RestorePlan, now: Date): string {
  const { source, bytes, revision } = plan;
  return facts([
    ["source", source.location],
    ["saved", source.createdAt === null ? undefined : `${source.createdAt} (${formatAge(now.getTime() - Date.parse(source.createdAt))} ago)`],
    ["state", source.state],
    ["lost", lossText(plan)],
    ["revision before", revision.before],
    [
      "revision after",
      revision.bumpedBy === null ? revision.after : `${revision.after} (moved ahead by ${revision.bumpedBy}; all before is marked as compacted)`,
    ],
    ...databaseFacts(plan),
    ["cluster id", plan.clusterId],
    ["token", plan.tokenGiven || plan.perHost ? plan.token : `${plan.token} (new with each run; give --initial-cluster-token TOKEN to have these ids)`],
    ["etcd's quota", `${plan.quotaBackendBytes} bytes or more (--quota-backend-bytes)`],
    [
      "to be written",
      `${formatSize(bytes.total)} (${formatSize(bytes.databasePerMember)} database and ${formatSize(bytes.walPerMember)} WAL, mostly empty, per member)`,
    ],
  ]);
}

/** Counted to the newest thing that shows how far the cluster went; of what came after that, nothing is known. */
function lossText({ loss }: RestorePlan): string {
  if (loss.newest === null) return "nothing newer than the source is known";
  const time = loss.secondsBetween === null ? "" : ` in ${formatSpan(loss.secondsBetween * 1000)}`;
  return `${loss.upperBound ? "at most" : "at least"} ${loss.revisions} revisions${time}, up to ${loss.newest.revision} (${loss.newest.where})`;
}

/** What the revision was chosen by; the source alone needs no table. */
function evidenceText({ revision: { evidence } }: RestorePlan): string {
  if (evidence.length < 2) return "";
  return table(evidence, [
    { title: "evidence of revisions", of: ({ where }) => where },
    { title: "up to", align: "right", of: ({ revision, isUpperBound }) => `${isUpperBound ? "≤ " : ""}${revision}` },
    { title: "at", of: ({ at }) => at ?? "" },
  ]);
}

function membersText(plan: RestorePlan): string {
  const rows = plan.members.map((member) => ({
    ...member,
    client: `${member.clientUrls.join(",")}${member.clientUrlsAssumed ? " (assumed)" : ""}`,
    where: member.dataDir === null ? "(another run)" : directories(member.dataDir, member.walDir),
  }));
  return table(rows, [
    { title: "member", of: ({ name }) => name },
    { title: "id", of: ({ id }) => id },
    { title: "peer URLs", of: ({ peerUrls }) => peerUrls.join(",") },
    { title: "client URLs", of: ({ client }) => client },
    { title: "directory", of: ({ where }) => where },
  ]);
}

/** A line for each. */
export function warningsText(warnings: readonly string[]): string {
  return warnings.map((warning) => `! ${warning}\n`).join("");
}

export function directories(dataDir: string, walDir: string | null): string {
  return walDir === null ? dataDir : `${dataDir}, WAL in ${walDir}`;
}
