// What retention keeps and removes, and why: a pure function of the catalogue, the policy and the time. Nothing here reads a clock or a store.
//  1. What cannot be judged is left alone, and changes no verdict: being written, unreadable, dated in the future.
//  2. The keep rules choose from each timeline's good backups, and from its others (rules.ts).
//  3. What the promises protect stays, whatever the policy says (safety.ts), and so does what kept recovery points need (segments.ts).
//  4. The limits take of what only a rule keeps (limits.ts).
import { EtcdsafeError } from "../errors.ts";
import type { RetentionPolicy } from "../repository/retention-policy.ts";
import { type Calendar, openCalendar } from "./calendar.ts";
import { beyondLimits } from "./limits.ts";
import { type KeepRules, keepRulesOf, keptByRules, placeAmong } from "./rules.ts";
import { protectedBackups } from "./safety.ts";
import { planSegments } from "./segments.ts";

export interface RetentionBackup {
  readonly id: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly timeline: string | null;
  /** Decimal. */
  readonly revision: string | null;
  readonly state: "proven" | "unconfirmed" | "suspect" | "partial" | "damaged" | "unreadable";
  /** Why the manifest of an unreadable one cannot be read, or counts for nothing. */
  readonly fault: string | null;
  readonly storedSizeBytes: number;
  readonly tags: Readonly<Record<string, string>>;
  /** The reason it is pinned for; null when it is not. */
  readonly pin: string | null;
  /** The store's own lock. `until` is RFC 3339; null: a legal hold, without an end. */
  readonly lock: { readonly until: string | null } | null;
  readonly isBeingWritten: boolean;
}

export interface RetentionSegment {
  readonly key: string;
  readonly timeline: string;
  /** Decimal, as is the last one: null where nobody looked, and then nothing is taken to follow it without a gap. */
  readonly firstRevision: string;
  readonly lastRevision: string | null;
  /** RFC 3339. */
  readonly modifiedAt: string;
  readonly storedSizeBytes: number;
}

/** Of one cluster. Of backups created in the same millisecond, the one that comes first is the newer. */
export interface RetentionCatalogue {
  readonly backups: readonly RetentionBackup[];
  readonly segments: readonly RetentionSegment[];
}

export interface BackupVerdict {
  readonly backup: RetentionBackup;
  readonly reasons: readonly string[];
}

export interface SegmentVerdict {
  readonly segment: RetentionSegment;
  readonly reasons: readonly string[];
}

export interface RetentionPlan {
  /** Newest first. */
  readonly keep: readonly BackupVerdict[];
  /** Oldest first. */
  readonly remove: readonly BackupVerdict[];
  /** By timeline and revision. */
  readonly segments: { readonly keep: readonly SegmentVerdict[]; readonly remove: readonly SegmentVerdict[] };
  /** By backup id. */
  readonly leave: readonly { readonly key: string; readonly reason: string }[];
}

/** A backup, and what of it every rule asks for. */
export interface DatedBackup {
  readonly backup: RetentionBackup;
  readonly createdMs: number;
}

/** One for all backups that hold the same: what `repo rekey` stores again keeps the time, the timeline and the revision of what it was made of. */
export function momentOf({ backup: { id, timeline, revision }, createdMs }: DatedBackup): string {
  return revision === null ? id : `${createdMs} ${timeline} ${revision}`;
}

export type Reasons = ReadonlyMap<RetentionBackup, readonly string[]>;

/** How far clocks may be apart. */
export const CLOCK_TOLERANCE_MS = 5 * 60 * 1000;

/** @throws USAGE when the policy has no rule, CONFIG_INVALID when its time zone is none. */
export function planRetention({ backups, segments }: RetentionCatalogue, policy: RetentionPolicy, now: Date): RetentionPlan {
  const rules = keepRulesOf(policy);
  if (rules === undefined && policy.maxAge === undefined && policy.maxSizeBytes === undefined && policy.keepPointsWithin === undefined) {
    throw new EtcdsafeError("USAGE", "no rule says what to keep or what to remove: nothing is planned", { hint: NO_RULE_HINT });
  }
  const calendar = openCalendar(policy.timezone ?? "UTC");
  const leave = backups.flatMap((backup) => reasonToLeave(backup, now) ?? []);
  const left = new Set(leave.map(({ key }) => key));
  const judged = newestFirst(backups.filter(({ id }) => !left.has(id)));
  const good = judged.filter(({ backup }) => isGood(backup));

  const ruled: Reasons =
    rules === undefined ? new Map(judged.map(({ backup }) => [backup, [NO_KEEP_RULE]])) : withTwins(keptByGroups(judged, rules, calendar), judged);
  const ofSegments = planSegments(segments, good, policy.keepPointsWithin, calendar, now);
  const safe = merged(protectedBackups(judged, policy.minimum ?? 1, now), ofSegments.needed);
  const staying = judged.filter(({ backup }) => ruled.has(backup) || safe.has(backup));
  const segmentsSizeBytes = ofSegments.keep.reduce((sum, { segment }) => sum + segment.storedSizeBytes, 0);
  const limited = beyondLimits(judged, { staying, safe, segmentsSizeBytes }, policy, calendar, now);

  const isKept = ({ backup }: DatedBackup) => safe.has(backup) || (ruled.has(backup) && !limited.has(backup));
  const keepReasons = merged(ruled, safe);
  return {
    keep: judged.filter(isKept).map(({ backup }) => ({ backup, reasons: keepReasons.get(backup)! })),
    remove: judged
      .filter((dated) => !isKept(dated))
      .reverse()
      .map(({ backup }) => ({ backup, reasons: [...(ruled.has(backup) ? [] : [KEPT_BY_NO_RULE]), ...(limited.get(backup) ?? [])] })),
    segments: { keep: ofSegments.keep, remove: ofSegments.remove },
    leave,
  };
}

/** Whether a restore may take it without being told to. */
export function isGood({ state }: RetentionBackup): boolean {
  return state === "proven" || state === "unconfirmed";
}

function reasonToLeave({ id, createdAt, state, fault, isBeingWritten }: RetentionBackup, now: Date): { key: string; reason: string } | undefined {
  if (isBeingWritten) return { key: id, reason: "is being written" };
  if (state === "unreadable") return { key: id, reason: fault ?? "its manifest cannot be read" };
  // Written so that a date that is none is not taken for one of the past.
  if (Date.parse(createdAt) <= now.getTime() + CLOCK_TOLERANCE_MS) return undefined;
  return { key: id, reason: `dated ${createdAt}, in the future: now is ${now.toISOString()}` };
}

/** Timelines take no place of each other's. */
function keptByGroups(judged: readonly DatedBackup[], rules: KeepRules, calendar: Calendar): Reasons {
  const timelines = Map.groupBy(judged, ({ backup }) => backup.timeline);
  return merged(
    ...timelines.values().flatMap((all) => {
      const [good, bad] = [all.filter(({ backup }) => isGood(backup)), all.filter(({ backup }) => !isGood(backup))];
      return [keptByRules(good, rules, calendar), keptBesides(good, bad, rules, calendar)];
    }),
  );
}

/** Bad backups take no good one's place. Of them as many are kept as the rules say of good ones, but none for longer than a good one in its place would be. */
function keptBesides(good: readonly DatedBackup[], bad: readonly DatedBackup[], rules: KeepRules, calendar: Calendar): Reasons {
  const kept = keptByRules(bad, rules, calendar);
  const wouldStay = placeAmong(good, rules, calendar);
  return new Map(bad.filter((dated) => kept.has(dated.backup) && wouldStay(dated)).map(({ backup }) => [backup, kept.get(backup)!]));
}

/** Of what was stored again, each may be the only one that somebody can open: a rule that keeps one keeps all that are as good. */
function withTwins(kept: Reasons, judged: readonly DatedBackup[]): Reasons {
  const keyOf = (dated: DatedBackup) => `${isGood(dated.backup)} ${momentOf(dated)}`;
  const firsts = new Map(judged.toReversed().flatMap((dated) => (kept.has(dated.backup) ? [[keyOf(dated), dated.backup.id] as const] : [])));
  return new Map(
    judged.flatMap((dated): [RetentionBackup, readonly string[]][] => {
      const twin = firsts.get(keyOf(dated));
      return twin === undefined ? [] : [[dated.backup, kept.get(dated.backup) ?? [`holds the same as ${twin}`]]];
    }),
  );
}

function newestFirst(backups: readonly RetentionBackup[]): DatedBackup[] {
  return backups.map((backup) => ({ backup, createdMs: Date.parse(backup.createdAt) })).sort((a, b) => b.createdMs - a.createdMs);
}

function merged(...parts: readonly Reasons[]): Reasons {
  const all = new Map<RetentionBackup, readonly string[]>();
  for (const part of parts) for (const [backup, reasons] of part) all.set(backup, [...(all.get(backup) ?? []), ...reasons]);
  return all;
}

const NO_KEEP_RULE = "no keep rule is given: only limits remove";
const KEPT_BY_NO_RULE = "kept by no rule";
const NO_RULE_HINT =
  "Give at least one of --keep-last, --keep-hourly, --keep-daily, --keep-weekly, --keep-monthly, --keep-yearly, --keep-within, --keep-tag (above zero), --keep-points-within, --max-age or --max-bytes, or store such a policy with `etcdsafe repo policy set`.";
