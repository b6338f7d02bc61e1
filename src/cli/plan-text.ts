// The plan of a restore for people: what is restored and how old it is, what is lost, what the new cluster is, what is written where.
import { byName } from "../restore/instructions/steps.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SourceFacts } from "../restore/source.ts";
import { bundleText } from "./bundle-text.ts";
import { databaseFacts } from "./database-text.ts";
import { evidenceText, revisionFacts } from "./evidence-text.ts";
import { formatAge, formatSize } from "./format.ts";
import { facts, table } from "./output.ts";
import { targetsText } from "./targets-text.ts";

/** Of the run that is asked about: what its plan does not say. */
export interface AskedRun {
  /** What the source's age counts to. */
  readonly now: Date;
  /** Where the bundle is unpacked; undefined: nowhere. */
  readonly bundleDirectory: string | undefined;
}

/** Without the instructions, which instructions-text.ts prints. */
export function planText(plan: RestorePlan, run: AskedRun): string {
  return [factsText(plan, run), evidenceText(plan.revision), membersText(plan), targetsText(plan), warningsText(plan.warnings)]
    .filter((part) => part !== "")
    .join("\n");
}

function factsText(plan: RestorePlan, run: AskedRun): string {
  const { source, bytes } = plan;
  return facts([
    ...sourceFacts(source, run),
    ...revisionFacts(plan),
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

/** What is restored. */
export function sourceFacts(
  { location, createdAt, state, bundle }: SourceFacts,
  { now, bundleDirectory }: AskedRun,
): [name: string, value: string | null | undefined][] {
  const unpacked = bundleDirectory === undefined ? "not unpacked (--bundle-dir DIR does)" : `unpacked into ${bundleDirectory} (--bundle-dir)`;
  return [
    ["source", location],
    ["saved", createdAt === null ? undefined : `${createdAt} (${formatAge(now.getTime() - Date.parse(createdAt))} ago)`],
    ["state", state],
    ["bundle", bundle === undefined ? undefined : `${bundleText(bundle)}; ${unpacked}`],
  ];
}

function membersText(plan: RestorePlan): string {
  const rows = plan.members.toSorted(byName).map((member) => ({
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
