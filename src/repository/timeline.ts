// Which timeline a backup continues, or why it begins one: docs/repository-format.md, "Timelines". Pure.
import type { ClusterFile, TimelineReason } from "./cluster-file.ts";
import type { LineageVerdict } from "./lineage.ts";
import type { Manifest } from "./manifest.ts";

/** What a snapshot tells about where its history stands. */
export type TimelineState = Pick<Manifest, "clusterId" | "revision" | "raftIndex" | "raftTerm">;

export interface TimelineFacts {
  /** The timeline begun last, as cluster.json has it. */
  readonly begunLast: ClusterFile["timeline"];
  /** The newest good backup that began before this one. */
  readonly previous: Manifest | undefined;
  readonly current: TimelineState;
  /** The current snapshot against the previous one. */
  readonly lineage: LineageVerdict | undefined;
  /** Taken when a new timeline is needed. */
  readonly newTimelineId: string;
}

export interface TimelineDecision {
  readonly timeline: string;
  /** Null when the backup continues its predecessor's timeline. */
  readonly began: Manifest["timelineBegan"];
}

export function chooseTimeline({ begunLast, previous, current, lineage, newTimelineId }: TimelineFacts): TimelineDecision {
  const break_ = previous === undefined ? FIRST : breakBetween(previous, current, lineage);
  if (break_ === undefined) return { timeline: previous!.timeline, began: null };
  // Someone else, or this save before it failed, may have begun the timeline after the same backup already.
  const joined = begunLast !== null && begunLast.after === (previous?.id ?? null);
  const after = previous === undefined ? null : { backup: previous.id, timeline: previous.timeline, revision: previous.revision };
  return { timeline: joined ? begunLast.id : newTimelineId, began: { ...break_, after } };
}

interface Break {
  readonly reason: TimelineReason;
  readonly detail: string;
}

const FIRST: Break = { reason: "first-backup", detail: "the first backup under this name" };

function breakBetween(previous: Manifest, current: TimelineState, lineage: LineageVerdict | undefined): Break | undefined {
  if (previous.clusterId !== current.clusterId)
    return { reason: "cluster-id-changed", detail: `the cluster id changed from ${previous.clusterId} to ${current.clusterId}` };
  return (
    wentBack("raft-term-went-back", "raft term", previous.raftTerm, current.raftTerm) ??
    wentBack("raft-index-went-back", "applied raft index", previous.raftIndex, current.raftIndex) ??
    wentBack("revision-went-back", "revision", previous.revision, current.revision) ??
    (lineage?.verdict === "disagrees"
      ? { reason: "lineage-disagrees", detail: `at revision ${lineage.firstDifference} the data is not what the backup before holds there` }
      : undefined)
  );
}

function wentBack(reason: TimelineReason, what: string, before: string | null, now: string | null): Break | undefined {
  if (before === null || now === null || BigInt(now) >= BigInt(before)) return undefined;
  return { reason, detail: `the ${what} went back from ${before} to ${now}` };
}
