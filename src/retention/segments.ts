// Which segments stay, and with them the backups that their points are rebuilt from.
// Segments that follow each other without a gap are a run. From the first one of it that is young enough, all of a run stays, so that a single backup serves
// all its points: the newest good one at or below that segment's first revision, with every segment in between.
import { parseSpan } from "../repository/retention-policy.ts";
import type { Calendar } from "./calendar.ts";
import type { DatedBackup, Reasons, RetentionBackup, RetentionSegment, SegmentVerdict } from "./plan.ts";

export interface SegmentsPlan {
  readonly keep: readonly SegmentVerdict[];
  readonly remove: readonly SegmentVerdict[];
  /** Backups that kept segments begin at. */
  readonly needed: Reasons;
}

/**
 * @param good newest first.
 * @param keepWithin how long every recorded revision stays, counted from `now`; for ever where undefined.
 */
export function planSegments(
  segments: readonly RetentionSegment[],
  good: readonly DatedBackup[],
  keepWithin: string | undefined,
  calendar: Calendar,
  now: Date,
): SegmentsPlan {
  const startMs = keepWithin === undefined ? Number.NEGATIVE_INFINITY : calendar.before(now.getTime(), parseSpan(keepWithin));
  const isYoung = ({ modifiedAt }: RetentionSegment) => !(Date.parse(modifiedAt) < startMs); // A date that is none is not one of the past.
  const young = keepWithin === undefined ? "without keep-points-within every segment stays" : `keep-points-within ${keepWithin}`;
  const old = `older than keep-points-within ${keepWithin}`;

  const keep: SegmentVerdict[] = [];
  const remove: SegmentVerdict[] = [];
  const needed = new Map<RetentionBackup, string[]>();
  for (const [timeline, its] of Map.groupBy(segments, ({ timeline }) => timeline)) {
    const links = linked(its);
    const bases = inRevisionOrder(good.map(({ backup }) => backup).filter((backup) => backup.timeline === timeline));
    const chains = chained(links, bases, ({ segment }) => isYoung(segment));
    for (const [backup, since] of chains.bases) needed.set(backup, [neededSince(since)]);
    for (const link of links) {
      const since = chains.links.get(link);
      const reasons = [...(isYoung(link.segment) ? [young] : []), ...(since === undefined ? [] : [neededSince(since)])];
      (reasons.length > 0 ? keep : remove).push({ segment: link.segment, reasons: reasons.length > 0 ? reasons : [old] });
    }
  }
  return { keep, remove, needed };
}

interface Link {
  readonly segment: RetentionSegment;
  readonly first: bigint;
  /** The last revision it can hold. */
  readonly reach: bigint;
}

interface Base {
  readonly backup: RetentionBackup;
  readonly revision: bigint;
}

/** What the young segments need besides themselves, with the revision since which it is needed. */
function chained(
  links: readonly Link[],
  bases: readonly Base[],
  isYoung: (link: Link) => boolean,
): { links: ReadonlyMap<Link, bigint>; bases: ReadonlyMap<RetentionBackup, bigint> } {
  const needed = { links: new Map<Link, bigint>(), bases: new Map<RetentionBackup, bigint>() };
  let basesBelow = 0;
  let done = 0;
  for (const { start, end } of runsOf(links)) {
    const at = links.slice(start, end).findIndex(isYoung) + start;
    if (at < start) continue;
    const since = links[at]!.first;
    while (basesBelow < bases.length && bases[basesBelow]!.revision <= since) basesBelow++;
    const base = bases[basesBelow - 1];
    // An earlier run's base is not above this one's, so what came before that run's first young segment has been judged.
    for (const link of links.slice(done, at)) if (base === undefined || link.reach > base.revision) needed.links.set(link, since);
    for (const link of links.slice(at, end)) if (!isYoung(link)) needed.links.set(link, since);
    done = end;
    // With a gap between the backup and the run, points can be rebuilt from the next backup on.
    const next = base === undefined || base.revision < links[start]!.first - 1n ? bases[basesBelow] : undefined;
    for (const found of [base, next]) if (found !== undefined && !needed.bases.has(found.backup)) needed.bases.set(found.backup, since);
  }
  return needed;
}

/** @param segments of one timeline. Small ones and what they were folded into may be there together. */
function linked(segments: readonly RetentionSegment[]): (Link & { readonly last: bigint })[] {
  const known = segments.map((segment) => {
    const first = BigInt(segment.firstRevision);
    return { segment, first, last: segment.lastRevision === null ? first : BigInt(segment.lastRevision), reach: REVISION_MAX };
  });
  known.sort((a, b) => compare(a.first, b.first) || compare(a.last, b.last));
  for (let at = known.length - 1; at >= 0; at--) {
    const [link, following] = [known[at]!, known[at + 1]];
    if (link.segment.lastRevision !== null) link.reach = link.last;
    else if (following !== undefined) link.reach = following.first > link.first ? following.first - 1n : following.reach;
  }
  return known;
}

/** Where runs begin and end. A segment whose last revision is not known holds its first one in any case. */
function* runsOf(links: readonly Link[]): Generator<{ readonly start: number; readonly end: number }> {
  let start = 0;
  let last: bigint | undefined;
  for (const [at, link] of links.entries()) {
    if (last !== undefined && link.first > last + 1n) {
      yield { start, end: at };
      start = at;
    }
    const itsLast = link.segment.lastRevision === null ? link.first : link.reach;
    last = last === undefined || itsLast > last ? itsLast : last;
  }
  if (links.length > 0) yield { start, end: links.length };
}

/** Of equal revisions the newest comes last. */
function inRevisionOrder(newestFirst: readonly RetentionBackup[]): Base[] {
  const known = newestFirst.flatMap((backup) => (backup.revision === null ? [] : [{ backup, revision: BigInt(backup.revision) }]));
  return known.reverse().sort((a, b) => compare(a.revision, b.revision));
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function neededSince(revision: bigint): string {
  return `needed by the recorded points since revision ${revision}`;
}

/** etcd's revisions are int64. */
const REVISION_MAX = 0x7fff_ffff_ffff_ffffn;
