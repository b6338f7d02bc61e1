// How far a log shows that its cluster went, where the member's database lies elsewhere (`--wal-dir`) or is lost. Pure.
import { formatId } from "../bytes/u64.ts";
import { type Evidence, type GatheredEvidence, NO_EVIDENCE } from "./evidence.ts";
import type { MemberFiles, MemberLog } from "./member-revision.ts";
import type { LogPosition } from "./source.ts";

/** A log without a database of its own, as it was found. */
export type LoneLog = NonNullable<MemberFiles["log"]>;

/** What the logs show beyond `databases`, those of the members that are given with them, or else beyond the source. */
export function logEvidence(log: LoneLog, databases: readonly LogPosition[], source: LogPosition | undefined): GatheredEvidence {
  if ("fault" in log) return warning(`${log.path} cannot be read (${log.fault}): the revisions that it shows are not counted.`);
  const damaged = log.corruption === null ? [] : [`${log.path} is damaged (${log.corruption}): entries that lie behind the damage are not counted.`];
  const own = databases.filter((each) => isOfCluster(log, each));
  const upTo = own.filter(({ consistentIndex }) => consistentIndex <= log.lastIndex).map((each) => each.revision + log.lastIndex - each.consistentIndex);
  if (upTo.length > 0) return { ...NO_EVIDENCE, found: [found(log, smallest(upTo))], warnings: damaged };
  const from = own[0] ?? (source !== undefined && isOfCluster(log, source) ? source : undefined);
  if (from === undefined) {
    const whose = log.metadata === null ? "" : ` of member ${formatId(log.metadata.memberId)}`;
    return warning(
      `--evidence: nothing shows at which revision the log ${log.path}${whose} begins, so it is not counted. Give the data directory of its cluster with it.`,
    );
  }
  // What its member did not know to be committed may have been dropped from the source by --force-new-cluster, which then has other entries in its place.
  const after = from === own[0] || from.consistentIndex < log.commit ? from.consistentIndex : log.commit;
  const ends = `${log.path} ends with entry ${log.lastIndex}, before entry ${from.consistentIndex}, which ${from.where} holds: if the cluster was restored in between, give its data directory as well.`;
  const isBehind = log.lastIndex < from.consistentIndex;
  return {
    ...NO_EVIDENCE,
    found: log.lastIndex > after ? [found(log, from.revision + log.lastIndex - after)] : [],
    warnings: [...(isBehind ? [ends] : []), ...damaged],
  };
}

/** By the ids in the log, which follow from the token of the cluster. */
export function isOfCluster({ metadata }: Pick<MemberLog, "metadata">, { clusterId, memberIds }: Pick<LogPosition, "clusterId" | "memberIds">): boolean {
  if (metadata === null) return false;
  return clusterId === null ? memberIds.includes(formatId(metadata.memberId)) : clusterId === formatId(metadata.clusterId);
}

function found({ path, at }: MemberLog, revision: bigint): Evidence {
  return { kind: "given", where: path, revision: revision.toString(), isUpperBound: true, at };
}

function smallest(revisions: readonly bigint[]): bigint {
  return revisions.reduce((least, each) => (each < least ? each : least));
}

function warning(text: string): GatheredEvidence {
  return { ...NO_EVIDENCE, warnings: [text] };
}
