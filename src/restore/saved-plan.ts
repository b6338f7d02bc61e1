// A plan that was printed as JSON, and the run on one host that goes by it: nothing is planned again, so whatever is not as it was planned is refused.
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import { planCluster } from "../etcd-files/membership/plan-cluster.ts";
import { databaseSizeBytes } from "./database-plan.ts";
import { type Evidence, highest } from "./evidence.ts";
import { byName, STAGE } from "./instructions/steps.ts";
import { addedRevisions } from "./keyspace.ts";
import type { RestorePlan } from "./plan.ts";
import { planFaults } from "./plan-schema.ts";
import { planSha256 } from "./plan-sha256.ts";
import type { SourceFacts } from "./source.ts";

const NOT_EDITED = "A plan is not edited: plan again, with other options, and use the new plan on every host.";

/**
 * The plan in `text`, as `restore --plan -o json` printed it. `tool`: the version of this
 * etcdsafe. Throws USAGE for anything else, and PLAN_MISMATCH for a plan that was changed since, or made by another version.
 */
export function readSavedPlan(path: string, text: string, tool: string): RestorePlan {
  const { plan, sha256 } = parseDocument(path, text);
  if (planSha256(plan) !== sha256) {
    throw new EtcdsafeError("PLAN_MISMATCH", `the plan in ${path} is not as it was printed: its SHA-256 is not the one that stands beside it`, {
      hint: NOT_EDITED,
    });
  }
  // What another version has planned may not even have the same parts.
  if (typeof plan.tool === "string" && plan.tool !== tool) {
    throw new EtcdsafeError("PLAN_MISMATCH", `this is etcdsafe ${tool}, and the plan was made by etcdsafe ${plan.tool}, which may write something else`, {
      hint: `Run etcdsafe ${plan.tool} on this host too; or plan again with one version, and use that and the new plan on every host. Nothing was written.`,
    });
  }
  const faults = planFaults(plan);
  if (faults.length > 0) {
    throw new EtcdsafeError("PLAN_MISMATCH", `the plan in ${path} is not as etcdsafe prints it:\n  ${faults.join("\n  ")}`, { hint: NOT_EDITED });
  }
  return plan;
}

/** The part of `plan` that this host's run does. `name`: --member. Throws USAGE where it is missing, MEMBERS_INVALID for one that the plan does not write. */
export function planForMember(plan: RestorePlan, name: string | undefined): RestorePlan {
  const written = plan.members.filter(({ dataDir }) => dataDir !== null).toSorted(byName);
  if (written.length === 0) throw new EtcdsafeError("PLAN_MISMATCH", "the plan writes no member", { hint: NOT_EDITED });
  if (name === undefined && plan.perHost && written.length > 1) {
    const names = written.map((member) => member.name).join(", ");
    throw new EtcdsafeError("USAGE", "the plan is for one run on each host", { hint: `Say which member this host gets with --member: ${names}.` });
  }
  if (name !== undefined && !written.some((member) => member.name === name)) {
    const names = written.map((member) => JSON.stringify(member.name)).join(", ");
    throw new EtcdsafeError("MEMBERS_INVALID", `the plan does not write the member ${JSON.stringify(name)}, but ${names}`, {
      hint: "Say with --member which of them this host gets; another one needs a plan that writes it.",
    });
  }
  if (name === undefined) return plan;
  const members = plan.members.map((member) => (member.name === name ? member : { ...member, dataDir: null, walDir: null, replaces: null, access: null }));
  const { databasePerMember, walPerMember } = plan.bytes;
  return { ...plan, members, bytes: { ...plan.bytes, total: databasePerMember + walPerMember } };
}

/** What is found where and when the plan is to be carried out. */
export interface FoundForPlan {
  readonly source: SourceFacts;
  /** Of a source without one from etcd; null where etcd's is there, or where nobody asked. */
  readonly unsignedSha256: string | null;
  /** What this host's directories show, which the planning host could not see, and the repository, which may know more by now. */
  readonly evidence: readonly Evidence[];
  /** The one of it that is a backup of the very cluster that the plan restores. */
  readonly ownBackup: Evidence | null;
}

/** What the source has to be, whatever it is called and wherever it lies on this host. */
const SOURCE_FACTS = [
  "databaseSha256",
  "databaseSizeBytes",
  "revision",
  "compactRevision",
  "storageVersion",
  "clusterVersion",
  "leases",
  "alarms",
  "authEnabled",
] as const;

/** Throws PLAN_MISMATCH with everything that is not as the plan says. */
export function requireAsPlanned(plan: RestorePlan, found: FoundForPlan): void {
  const differences = [...sourceDifferences(plan, found), ...clusterDifferences(plan), ...revisionDifferences(plan, found)];
  if (differences.length === 0) return;
  throw new EtcdsafeError("PLAN_MISMATCH", `this is not what the plan says:\n  ${differences.join("\n  ")}`);
}

function sourceDifferences(plan: RestorePlan, { source, unsignedSha256 }: FoundForPlan): string[] {
  const differences = SOURCE_FACTS.flatMap((fact) =>
    plan.source[fact] === source[fact]
      ? []
      : [`the source's ${fact} is ${inWords(source[fact])} instead of ${inWords(plan.source[fact])} (${source.location})`],
  );
  if (unsignedSha256 !== plan.unsignedSha256) differences.push(`the source's SHA-256 is ${unsignedSha256} instead of ${plan.unsignedSha256}`);
  return differences;
}

/** -1 is a keyspace that was never compacted. */
function inWords(fact: SourceFacts[(typeof SOURCE_FACTS)[number]]): string {
  return fact === null || fact === "-1" ? "none" : String(fact);
}

/** Ids follow from members and token, bytes from the source: what does not follow was altered, or computed by another rule. */
function clusterDifferences(plan: RestorePlan): string[] {
  const { clusterId, members } = planCluster(plan.members, plan.token);
  const differences = members.flatMap(({ name, id }) => {
    const planned = plan.members.find((member) => member.name === name)?.id;
    return planned === formatId(id) ? [] : [`member ${name} has the id ${formatId(id)} instead of ${planned}`];
  });
  if (formatId(clusterId) !== plan.clusterId) differences.push(`the cluster has the id ${formatId(clusterId)} instead of ${plan.clusterId}`);
  if (plan.revision.before !== plan.source.revision) differences.push(`the source's revision is ${plan.source.revision} instead of ${plan.revision.before}`);
  const after = BigInt(plan.revision.before) + BigInt(plan.revision.bumpedBy ?? addedRevisions(plan.keyspace));
  if (after.toString() !== plan.revision.after) differences.push(`the revision after is ${after} instead of ${plan.revision.after}`);
  const sizeBytes = databaseSizeBytes(plan);
  if (sizeBytes !== plan.bytes.databasePerMember) differences.push(`the database has ${sizeBytes} bytes instead of ${plan.bytes.databasePerMember}`);
  return differences;
}

/**
 * The plan went beyond all that its host could see, unless somebody chose otherwise with that before his eyes; what another host's directory shows may be
 * further yet.
 */
function revisionDifferences(plan: RestorePlan, { evidence, ownBackup }: FoundForPlan): string[] {
  const { revision } = plan;
  const most = highest(evidence);
  if (revision.bump === "none" || most === undefined || BigInt(most.revision) < BigInt(revision.after)) return [];
  if (BigInt(most.revision) <= BigInt(highest(revision.evidence)!.revision)) return [];
  if (most === ownBackup) throw restoredAlready(plan, ownBackup);
  return [
    `${most.where} shows revision ${most.revision}, and the cluster is to start at ${revision.after}, which is not beyond it: plan again with --evidence ${most.revision}, unless this plan's own cluster got there: then it needs no restore`,
  ];
}

/** Whoever plans again then, restores a second cluster and loses what the first has acknowledged. */
function restoredAlready({ clusterId, members }: RestorePlan, { where, revision }: Evidence): EtcdsafeError {
  const ways = members.flatMap(({ name, id, dataDir, peerUrls }) => (dataDir === null ? [] : [startInstead(name, id, peerUrls)]));
  const hint =
    members.length === 1
      ? "Where its member is there, start it. Where its data are lost, restore this backup, or a newer one, without --from-plan."
      : ways.join(" ");
  return new EtcdsafeError(
    "PLAN_MISMATCH",
    `${where} is a backup of cluster ${clusterId}, which this very plan restores: it runs, or ran, and has gone on to revision ${revision}`,
    {
      hint: `${hint} Do not plan again as long as that cluster has its quorum: it would be a second one, without what this one has acknowledged. Nothing was written.`,
    },
  );
}

function startInstead(name: string, id: string, peerUrls: readonly string[]): string {
  return (
    `${name} needs no restore: if it never ran in that cluster, start it by step ${STAGE.start} of the plan ("Start etcd") with no \`member\` in its data directory, and it gets all from the others. ` +
    `If it did, and has lost its data, first \`etcdctl member remove ${id}\` and \`etcdctl member add ${name} --peer-urls=${peerUrls.join(",")}\`.`
  );
}

/** Only the form that everything else relies on; the SHA-256 vouches for the rest. */
function parseDocument(path: string, text: string): { plan: RestorePlan; sha256: string } {
  const refused = (what: string) =>
    new EtcdsafeError("USAGE", `${path} ${what}`, { hint: "--from-plan takes what `etcdsafe restore … --plan -o json` prints." });
  let document: { plan?: Partial<RestorePlan>; sha256?: unknown } | null;
  try {
    document = JSON.parse(text);
  } catch {
    throw refused("is not JSON");
  }
  const plan = document?.plan;
  if (typeof document?.sha256 !== "string" || typeof plan !== "object" || plan === null || !Array.isArray(plan.members)) throw refused("is no plan of members");
  if (plan.format !== 1) {
    throw new EtcdsafeError("PLAN_MISMATCH", `the plan in ${path} has the format ${plan.format}, and this etcdsafe knows 1`, {
      hint: `Run the etcdsafe that printed it${typeof plan.tool === "string" ? ` (${plan.tool})` : ""} on this host too; or plan again with one version, and use that and the new plan on every host. Nothing was written.`,
    });
  }
  return { plan: plan as RestorePlan, sha256: document.sha256 };
}
