// Which points can be rebuilt, by what backups there are and what segments are called. Pure. docs/repository-format.md, "Segments" and "Gaps".
//
// Who recorded names a segment by its first revision alone: it ends where the next one of its timeline begins, or a gap does. Where it ends itself, the last one
// does not say. So this is what the names promise; reading the segments proves it.
import type { SegmentName } from "./names.ts";

export interface RestorableBackup {
  readonly id: string;
  readonly timeline: string;
  readonly revision: bigint;
  readonly createdAt: string;
}

export interface NamedSegment extends SegmentName {
  readonly modifiedAt: Date;
}

export type NamedGap = Pick<SegmentName, "timeline" | "firstRevision">;

/** Every revision from the first to the last one can be rebuilt. Plain JSON, as all of these. */
export interface RecoveryWindow {
  readonly timeline: string;
  /** Of the oldest backup that it can be rebuilt from. */
  readonly backup: string;
  readonly firstRevision: string;
  readonly lastRevision: string;
  /** Whether it goes on beyond that, as far as its last segment does. */
  readonly isOpen: boolean;
  /** When that backup was made, and the last segment stored. */
  readonly from: string;
  readonly to: string;
}

/** Between two windows of one timeline: of these revisions, only those of backups can be rebuilt. */
export interface RecoveryGap {
  readonly timeline: string;
  readonly firstRevision: string;
  readonly lastRevision: string;
}

export interface RecoveryPoints {
  /** Newest first, as `gaps`. */
  readonly windows: readonly RecoveryWindow[];
  readonly gaps: readonly RecoveryGap[];
  /** Backups outside of all windows, each a point by itself; null where there are none. */
  readonly single: { readonly count: number; readonly from: string; readonly to: string } | null;
}

/** Segments without a gap between them. */
interface Run {
  readonly first: bigint;
  last: bigint;
  isOpen: boolean;
  to: Date;
}

/** `backups`: those that a restore would take without being told to. */
export function recoveryPoints(backups: readonly RestorableBackup[], segments: readonly NamedSegment[], gaps: readonly NamedGap[]): RecoveryPoints {
  const windows: RecoveryWindow[] = [];
  const between: RecoveryGap[] = [];
  for (const [timeline, recorded] of Map.groupBy(segments, (segment) => segment.timeline)) {
    const ofTimeline = <T extends { readonly timeline: string }>(all: readonly T[]) => all.filter((each) => each.timeline === timeline);
    const found = runsOf(recorded, ofTimeline(gaps)).flatMap((run) => windowOf(timeline, run, ofTimeline(backups)) ?? []);
    windows.push(...found);
    for (const [index, window] of found.slice(1).entries()) {
      const [first, last] = [BigInt(found[index]!.lastRevision) + 1n, BigInt(window.firstRevision) - 1n];
      if (first <= last) between.push({ timeline, firstRevision: String(first), lastRevision: String(last) });
    }
  }
  const alone = backups.filter((backup) => !windows.some((window) => holds(window, backup))).map(({ createdAt }) => createdAt);
  const times = alone.toSorted();
  return {
    windows: windows.toSorted((a, b) => (a.to < b.to ? 1 : -1)),
    gaps: between.toReversed(),
    single: times.length === 0 ? null : { count: times.length, from: times[0]!, to: times.at(-1)! },
  };
}

/** From the first time that can be rebuilt to the last, whatever is missing in between; null where none can. RFC 3339, as in `points`. */
export function recoverySpan({ windows, single }: RecoveryPoints): { readonly from: string; readonly to: string } | null {
  const all = [...windows, ...(single === null ? [] : [single])];
  if (all.length === 0) return null;
  const timesOf = (end: "from" | "to") => all.map((each) => Date.parse(each[end]));
  return { from: new Date(Math.min(...timesOf("from"))).toISOString(), to: new Date(Math.max(...timesOf("to"))).toISOString() };
}

/** Oldest first. */
function runsOf(segments: readonly NamedSegment[], gaps: readonly NamedGap[]): Run[] {
  const inOrder = segments.toSorted((a, b) => (a.firstRevision < b.firstRevision ? -1 : 1));
  const ends = [...segments, ...gaps].map(({ firstRevision }) => firstRevision).sort((a, b) => (a < b ? -1 : 1));
  const runs: Run[] = [];
  let next = 0;
  for (const { firstRevision: first, lastRevision, modifiedAt } of inOrder) {
    while (next < ends.length && ends[next]! <= first) next++;
    const end = lastRevision ?? (next < ends.length ? ends[next]! - 1n : undefined);
    const run = runs.at(-1);
    const reached = { last: end ?? first, isOpen: end === undefined, to: modifiedAt };
    if (run === undefined || run.last + 1n < first) runs.push({ first, ...reached });
    else if (reached.last > run.last || reached.isOpen) Object.assign(run, { ...reached, last: reached.last > run.last ? reached.last : run.last });
  }
  return runs;
}

/** Undefined where nothing is there to begin with. */
function windowOf(timeline: string, { first, last, isOpen, to }: Run, backups: readonly RestorableBackup[]): RecoveryWindow | undefined {
  const starts = backups.filter(({ revision }) => revision >= first - 1n && revision <= last);
  const [oldest] = starts.toSorted((a, b) => (a.revision < b.revision ? -1 : 1));
  if (oldest === undefined) return undefined;
  const { id, revision, createdAt } = oldest;
  return { timeline, backup: id, firstRevision: String(revision), lastRevision: String(last), isOpen, from: createdAt, to: to.toISOString() };
}

function holds({ timeline, firstRevision, lastRevision }: RecoveryWindow, backup: RestorableBackup): boolean {
  return backup.timeline === timeline && backup.revision >= BigInt(firstRevision) && backup.revision <= BigInt(lastRevision);
}
