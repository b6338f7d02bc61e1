// Which member to take the snapshot from, decided from a survey: pure.
// A follower is preferred to the leader: streaming costs disk reads, CPU and network, of which the leader has least to spare.
import { type ClusterId, formatId, type MemberId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ClusterMember } from "../proto/rpc-cluster.ts";
import { type AnsweredReport, type EndpointReport, type FailedReport, findMember, isAnswered } from "./survey.ts";

/**
 * Raft entries by which a member may seem to lag only because members are asked at different moments of a busy cluster. The linearizable read
 * before a save makes up for what is left of it.
 */
const LAG_ENTRIES_IGNORED = 1000n;

export interface Candidate {
  readonly endpoint: string;
  readonly memberId: MemberId;
  /** Empty when the member does not tell. */
  readonly name: string;
  readonly isLeader: boolean;
  /** Raft entries between what it has applied and the newest that any endpoint told of. */
  readonly lagEntries: bigint;
  readonly etcdVersion: string;
  readonly dbSizeBytes: number;
  /** What speaks for and against it, in words. */
  readonly reasons: readonly string[];
}

export interface Selection {
  readonly clusterId: ClusterId;
  /** Whether a linearizable read worked through any of the members. */
  readonly quorum: boolean;
  /** Best first; the others are whom to turn to when it fails. Never empty. */
  readonly order: readonly Candidate[];
  readonly passedOver: readonly { readonly endpoint: string; readonly reason: string }[];
  /** As the best candidate knows them. */
  readonly members: readonly ClusterMember[];
  /** Undefined when no member knows of one. */
  readonly leader: MemberId | undefined;
}

/**
 * `member` (name, id in hexadecimal digits, or endpoint) takes the choice away. Throws CLUSTER_MISMATCH for endpoints of different clusters,
 * ETCD_LEARNER_ONLY, USAGE for a member that is not there, and what the endpoints failed with when none can be taken.
 */
export function selectMember(reports: readonly EndpointReport[], member?: string): Selection {
  const answered = reports.filter(isAnswered);
  const clusterId = soleCluster(answered);
  const chosen = member === undefined ? undefined : forced(reports, member);
  const voters = answered.filter((report) => !report.status.isLearner);
  const usable = chosen === undefined ? distinct(voters) : [chosen];
  if (usable.length === 0 || clusterId === undefined) throw nobody(reports, answered);

  const newest = answered.reduce((index, { status }) => max(index, status.raftIndex), 0n);
  const order = usable.map((report) => ({ report, candidate: describe(report, newest) })).sort((a, b) => compare(a.report, b.report, newest));
  const best = order[0]!.report;
  return {
    clusterId,
    quorum: voters.some(({ linearizable }) => linearizable !== undefined),
    order: order.map(({ candidate }) => candidate),
    passedOver: reports
      // Where a member was asked for, the others were not passed over; that one does not answer is worth knowing all the same.
      .filter((report) => !usable.includes(report as AnsweredReport) && (chosen === undefined || isFailed(report)))
      .map((report) => ({ endpoint: report.endpoint, reason: whyNot(report, usable) })),
    members: best.members,
    leader: answered.map(({ status }) => status.leader).find((id) => id !== 0n),
  };
}

function soleCluster(answered: readonly AnsweredReport[]): ClusterId | undefined {
  const clusters = Map.groupBy(answered, ({ status }) => status.header.clusterId);
  if (clusters.size <= 1) return answered[0]?.status.header.clusterId;
  const text = [...clusters].map(([id, members]) => `${members.map(({ endpoint }) => endpoint).join(", ")} of cluster ${formatId(id)}`).join("; ");
  throw new EtcdsafeError("CLUSTER_MISMATCH", `the endpoints belong to different clusters: ${text}`, { hint: "Give --endpoints of one cluster." });
}

function forced(reports: readonly EndpointReport[], member: string): AnsweredReport {
  const id = findMember(reports, member)?.id;
  const candidates = reports.filter((report) => isEndpoint(report, member) || (isAnswered(report) && report.status.header.memberId === id));
  const report = candidates.find(isAnswered);
  if (report?.status.isLearner) throw new EtcdsafeError("ETCD_LEARNER_ONLY", `the member ${member} (${report.endpoint}) is a learner`);
  if (report !== undefined) return report;
  const failed = candidates.find(isFailed);
  if (failed !== undefined) throw failed.error;
  if (id !== undefined) throw new EtcdsafeError("ETCD_UNREACHABLE", `the member ${member} answers at none of its client URLs${failures(reports)}`);
  const known = [...new Set(reports.filter(isAnswered).flatMap(({ members }) => members.map(({ name, id }) => `${name || "(not started)"} ${formatId(id)}`)))];
  if (known.length === 0) throw nobody(reports, reports.filter(isAnswered)); // Learners do not tell whom they know.
  throw new EtcdsafeError("USAGE", `there is no member ${member}; the cluster's are ${known.join(", ")}`, { hint: "Name one by its name, id or endpoint." });
}

/** Several endpoints may lead to one member. */
function distinct(reports: readonly AnsweredReport[]): AnsweredReport[] {
  return [...new Map(reports.toReversed().map((report) => [report.status.header.memberId, report])).values()].reverse();
}

function describe(report: AnsweredReport, newest: bigint): Candidate {
  const { status, endpoint, members } = report;
  const { memberId } = status.header;
  const isLeader = status.leader === memberId;
  const lagEntries = newest - status.raftAppliedIndex;
  const reasons = [
    report.linearizable === undefined ? "cannot reach a quorum" : "reads linearizably",
    isLeader ? "leader" : status.leader === 0n ? "knows of no leader" : "follower",
    lagText(lagEntries),
    ...(isCorrupt(report) ? ["etcd holds it for corrupt"] : []),
  ];
  const name = members.find(({ id }) => id === memberId)?.name ?? "";
  return { endpoint, memberId, name, isLeader, lagEntries, etcdVersion: status.version, dbSizeBytes: status.dbSizeBytes, reasons };
}

function lagText(entries: bigint): string {
  if (entries === 0n) return "has applied everything";
  const text = `${entries} raft ${entries === 1n ? "entry" : "entries"}`;
  return entries <= LAG_ENTRIES_IGNORED ? `has applied everything but ${text}` : `${text} behind`;
}

function compare(a: AnsweredReport, b: AnsweredReport, newest: bigint): number {
  return (
    Number(isCorrupt(a)) - Number(isCorrupt(b)) ||
    Number(a.linearizable === undefined) - Number(b.linearizable === undefined) ||
    Number(countedLag(a, newest) - countedLag(b, newest)) ||
    Number(isLeading(a)) - Number(isLeading(b)) ||
    Number(b.status.raftAppliedIndex - a.status.raftAppliedIndex)
  );
}

function isLeading({ status }: AnsweredReport): boolean {
  return status.leader === status.header.memberId;
}

function countedLag({ status }: AnsweredReport, newest: bigint): bigint {
  const lag = newest - status.raftAppliedIndex;
  return lag <= LAG_ENTRIES_IGNORED ? 0n : lag;
}

/** Status lists alarms as Go prints an AlarmMember: `memberID:10501334649042878790 alarm:CORRUPT`. */
function isCorrupt({ status }: AnsweredReport): boolean {
  return status.errors.some((text) => /alarm:\s*CORRUPT/.test(text) && /memberID:\s*(\d+)/.exec(text)?.[1] === String(status.header.memberId));
}

function whyNot(report: EndpointReport, usable: readonly AnsweredReport[]): string {
  if (!isAnswered(report)) return report.error.message;
  if (report.status.isLearner) return "a learner may lag without anyone noticing";
  const same = usable.find(({ status }) => status.header.memberId === report.status.header.memberId)!;
  return `the same member as ${same.endpoint}`;
}

function nobody(reports: readonly EndpointReport[], answered: readonly AnsweredReport[]): EtcdsafeError {
  if (answered.length > 0) {
    return new EtcdsafeError("ETCD_LEARNER_ONLY", `${answered.map(({ endpoint }) => endpoint).join(", ")}: only learners answer${failures(reports)}`);
  }
  const errors = reports.filter(isFailed).map(({ error }) => error);
  // What somebody must see to comes before what may only be down.
  const first = errors.find(({ code }) => code !== "ETCD_UNREACHABLE") ?? errors[0];
  if (first === undefined) return new EtcdsafeError("CONFIG_INVALID", "there are no endpoints", { hint: "Give --endpoints." });
  if (errors.length === 1) return first;
  return new EtcdsafeError(first.code, `none of ${errors.length} endpoints can be used${failures(reports)}`, { hint: first.hint, cause: first });
}

function failures(reports: readonly EndpointReport[]): string {
  const texts = reports.filter(isFailed).map(({ error }) => error.message);
  return texts.length === 0 ? "" : ` (${texts.join("; ")})`;
}

/** With or without its scheme. */
function isEndpoint({ endpoint }: EndpointReport, member: string): boolean {
  return endpoint === member || endpoint.replace(/^https?:\/\//, "") === member;
}

function isFailed(report: EndpointReport): report is FailedReport {
  return !isAnswered(report);
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
