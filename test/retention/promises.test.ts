// What retention promises, over random catalogues and policies.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSpan, type RetentionPolicy } from "../../src/repository/retention-policy.ts";
import { planRetention, type RetentionBackup, type RetentionCatalogue, type RetentionPlan } from "../../src/retention/plan.ts";
import { keepRulesOf } from "../../src/retention/rules.ts";
import { runs, SEED } from "../support/counts.ts";
import { afterwards, anyCatalogue, anyKeepRules, anyPolicy, idsOf, NOW } from "./catalogues.ts";

const PARAMETERS = { seed: SEED, numRuns: runs(300, 5_000) };
const BAD = ["suspect", "partial", "damaged"];
const TOLERANCE_MS = 5 * 60_000;

/** Only what can be judged. */
function judged({ backups }: RetentionCatalogue): RetentionBackup[] {
  return backups.filter((it) => !it.isBeingWritten && it.state !== "unreadable" && !isFuture(it));
}

function isFuture({ createdAt }: RetentionBackup): boolean {
  return Date.parse(createdAt) > NOW.getTime() + TOLERANCE_MS;
}

function newest(backups: readonly RetentionBackup[]): RetentionBackup | undefined {
  return backups.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))[0];
}

/** Verdicts without their reasons: of every backup and segment. */
function kept({ keep, segments }: RetentionPlan): Set<string> {
  return new Set([...idsOf(keep), ...segments.keep.map(({ segment }) => segment.key)]);
}

function without({ backups, segments }: RetentionCatalogue, isOut: (backup: RetentionBackup) => boolean): RetentionCatalogue {
  return { backups: backups.filter((it) => !isOut(it)), segments };
}

/** The verdict on each backup that both catalogues have is the same, to the reason. */
function expectSameVerdicts(catalogue: RetentionCatalogue, less: RetentionCatalogue, policy: RetentionPolicy): void {
  const ids = new Set(less.backups.map(({ id }) => id));
  const [whole, part] = [catalogue, less].map((each) => planRetention(each, policy, NOW));
  const common = (verdicts: RetentionPlan["keep"]) => verdicts.filter(({ backup }) => ids.has(backup.id));
  expect(common(whole!.keep)).toEqual(part!.keep);
  expect(common(whole!.remove)).toEqual(part!.remove);
  expect(whole!.segments).toEqual(part!.segments);
}

function promise(name: string, check: (catalogue: RetentionCatalogue, policy: RetentionPolicy, plan: RetentionPlan) => void): void {
  test(`retention: ${name}`, () => {
    const property = fc.property(anyCatalogue, anyPolicy, (catalogue, policy) => check(catalogue, policy, planRetention(catalogue, policy, NOW)));
    fc.assert(property, PARAMETERS);
  });
}

promise("every backup and segment is kept, removed or left alone, once, in order and for a reason", (catalogue, _, plan) => {
  const ids = [...idsOf(plan.keep), ...idsOf(plan.remove), ...plan.leave.map(({ key }) => key)];
  expect(ids.toSorted()).toEqual(catalogue.backups.map(({ id }) => id).toSorted());
  const segments = [...plan.segments.keep, ...plan.segments.remove];
  expect(segments.map(({ segment }) => segment.key).toSorted()).toEqual(catalogue.segments.map(({ key }) => key).toSorted());
  const reasons = [...plan.keep, ...plan.remove, ...segments].map((verdict) => verdict.reasons);
  expect(reasons.filter((each) => each.length === 0 || each.some((reason) => reason === ""))).toEqual([]);
  const times = (verdicts: RetentionPlan["keep"]) => verdicts.map(({ backup }) => Date.parse(backup.createdAt));
  expect(times(plan.keep)).toEqual(times(plan.keep).sort((a, b) => b - a));
  expect(times(plan.remove)).toEqual(times(plan.remove).sort((a, b) => a - b));
});

promise("the newest proven backup stays, and the newest unconfirmed one if it is newer", (catalogue, _, plan) => {
  const proven = newest(judged(catalogue).filter(({ state }) => state === "proven"));
  const unconfirmed = newest(judged(catalogue).filter(({ state }) => state === "unconfirmed"));
  const stay = idsOf(plan.keep);
  if (proven !== undefined) expect(stay).toContain(proven.id);
  if (unconfirmed !== undefined && (proven === undefined || Date.parse(unconfirmed.createdAt) > Date.parse(proven.createdAt))) {
    expect(stay).toContain(unconfirmed.id);
  }
});

promise("as many good ones stay as the minimum says, where there are so many", (catalogue, { minimum = 1 }, plan) => {
  const good = (backups: readonly RetentionBackup[]) => backups.filter(({ state }) => state === "proven" || state === "unconfirmed").length;
  expect(good(plan.keep.map(({ backup }) => backup))).toBeGreaterThanOrEqual(Math.min(minimum, good(judged(catalogue))));
});

promise("suspect, partial and damaged ones change nothing for the good ones", (catalogue, policy) => {
  expectSameVerdicts(
    catalogue,
    without(catalogue, ({ state }) => BAD.includes(state)),
    policy,
  );
});

promise("no suspect, partial or damaged one is kept that would not be if it were good", (catalogue, { maxSizeBytes: _, ...policy }) => {
  const { keep } = planRetention(catalogue, policy, NOW);
  for (const { backup } of keep.filter(({ backup: { state } }) => BAD.includes(state))) {
    const good = { ...backup, state: "proven" as const };
    const backups = catalogue.backups.map((it) => (it === backup ? good : it));
    expect(idsOf(planRetention({ ...catalogue, backups }, policy, NOW).keep)).toContain(backup.id);
  }
});

promise("what is being written, unreadable or dated in the future is not removed, and changes nothing", (catalogue, policy, plan) => {
  const left = catalogue.backups.filter((it) => !judged(catalogue).includes(it));
  expect(plan.leave.map(({ key }) => key)).toEqual(left.map(({ id }) => id));
  expectSameVerdicts(
    catalogue,
    without(catalogue, (it) => left.includes(it)),
    policy,
  );
});

promise("pinned and locked ones stay", (catalogue, _, plan) => {
  const isLocked = ({ lock }: RetentionBackup) => lock !== null && (lock.until === null || Date.parse(lock.until) > NOW.getTime());
  const stay = judged(catalogue).filter((it) => it.pin !== null || isLocked(it));
  expect(idsOf(plan.keep)).toEqual(expect.arrayContaining(stay.map(({ id }) => id)));
});

promise("every recorded point of a young segment that could be rebuilt still can", (catalogue, _, plan) => {
  const left = afterwards(catalogue, plan);
  const young = plan.segments.keep.filter(({ reasons }) => reasons.some((reason) => reason.includes("keep-points-within")));
  for (const { segment } of young) {
    for (const point of [segment.firstRevision, segment.lastRevision ?? segment.firstRevision].map(Number)) {
      const could = canRebuild(catalogue, segment.timeline, point);
      expect(canRebuild(left, segment.timeline, point), `revision ${point} of ${segment.key}`).toBe(could);
    }
  }
});

promise("a segment goes only when it is older than the span", (_, { keepPointsWithin }, plan) => {
  if (keepPointsWithin === undefined) expect(plan.segments.remove).toEqual([]);
  const youngest = NOW.getTime() - leastMs(keepPointsWithin ?? "0h");
  expect(plan.segments.remove.filter(({ segment }) => Date.parse(segment.modifiedAt) >= youngest)).toEqual([]);
});

promise("limits are kept to, but for what is protected, and good ones are not removed for bad ones", (_, { maxAge, maxSizeBytes }, plan) => {
  const free = plan.keep.filter(({ reasons }) => reasons.every((reason) => /^(keep-|no keep rule)/.test(reason))).map(({ backup }) => backup);
  const isBad = ({ state }: RetentionBackup) => BAD.includes(state);
  const sizeOf = (backups: readonly RetentionBackup[]) => backups.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0);
  if (maxAge !== undefined) expect(free.filter(({ createdAt }) => Date.parse(createdAt) < NOW.getTime() - mostMs(maxAge))).toEqual([]);
  if (maxSizeBytes === undefined) return;
  const stay = plan.keep.map(({ backup }) => backup);
  const segments = plan.segments.keep.reduce((sum, { segment }) => sum + segment.storedSizeBytes, 0);
  if (free.some(isBad)) expect(sizeOf(stay) + segments).toBeLessThanOrEqual(maxSizeBytes);
  if (free.some((it) => !isBad(it))) expect(sizeOf(stay.filter((it) => !isBad(it))) + segments).toBeLessThanOrEqual(maxSizeBytes);
  // None too many: the newest good one that max-bytes removed would have been too much.
  const removed = plan.remove.filter(({ backup, reasons }) => !isBad(backup) && reasons.some((reason) => reason.startsWith("max-bytes"))).at(-1)?.backup;
  if (removed !== undefined) expect(sizeOf(stay.filter((it) => !isBad(it))) + segments + removed.storedSizeBytes).toBeGreaterThan(maxSizeBytes);
});

promise("planning again, once it was carried out, removes nothing", (catalogue, policy, plan) => {
  const again = planRetention(afterwards(catalogue, plan), policy, NOW);
  expect(again.remove).toEqual([]);
  expect(again.segments.remove).toEqual([]);
  expect(kept(again)).toEqual(kept(plan));
});

test("retention: keeping more never removes more", () => {
  const policies = fc.tuple(anyKeepRules, anyKeepRules).filter(([rules]) => keepRulesOf(rules) !== undefined);
  fc.assert(
    fc.property(anyCatalogue, policies, (catalogue, [rules, others]) => {
      const fewer = kept(planRetention(catalogue, rules, NOW));
      const more = kept(planRetention(catalogue, atLeast(rules, others), NOW));
      expect([...fewer].filter((id) => !more.has(id))).toEqual([]);
    }),
    PARAMETERS,
  );
});

test("retention: another timeline's backups take no place of this one's", () => {
  const rulesOnly = anyKeepRules.filter((rules) => keepRulesOf(rules) !== undefined);
  fc.assert(
    fc.property(anyCatalogue, rulesOnly, (catalogue, rules) => {
      const ruled = (each: RetentionCatalogue) => {
        const { keep } = planRetention({ backups: each.backups, segments: [] }, rules, NOW);
        const own = keep.filter(({ backup }) => backup.timeline === "A");
        return own.map(({ backup: { id }, reasons }) => [id, ...reasons.filter((reason) => reason.startsWith("keep-"))]).filter((row) => row.length > 1);
      };
      expect(ruled(catalogue)).toEqual(ruled(without(catalogue, ({ timeline }) => timeline !== "A")));
    }),
    PARAMETERS,
  );
});

/** A policy that keeps what either of two keeps. */
function atLeast(rules: RetentionPolicy, others: RetentionPolicy): RetentionPolicy {
  const size = (value: string | number | undefined) => {
    if (value === "unlimited") return Number.POSITIVE_INFINITY;
    return typeof value === "string" ? leastMs(value) : (value ?? -1);
  };
  const { timezone, keepTags, keepPointsWithin, ...counts } = rules;
  const { timezone: _, keepTags: otherTags = [], keepPointsWithin: otherPoints, ...otherCounts } = others;
  const larger = Object.entries(otherCounts).filter(([field, value]) => size(value) > size(counts[field as keyof typeof counts]));
  const points =
    keepPointsWithin === undefined || otherPoints === undefined
      ? {}
      : { keepPointsWithin: size(otherPoints) > size(keepPointsWithin) ? otherPoints : keepPointsWithin };
  // The default minimum is one.
  const minimum = Math.max(rules.minimum ?? 1, others.minimum ?? 1);
  return {
    ...counts,
    ...Object.fromEntries(larger),
    ...points,
    minimum,
    keepTags: [...(keepTags ?? []), ...otherTags],
    ...(timezone === undefined ? {} : { timezone }),
  };
}

/** Whether a good backup, and segments without a gap after it, reach a revision. */
function canRebuild(catalogue: RetentionCatalogue, timeline: string, point: number): boolean {
  const known = new Set<number>();
  for (const segment of catalogue.segments.filter((each) => each.timeline === timeline)) {
    for (let revision = Number(segment.firstRevision); revision <= Number(segment.lastRevision ?? segment.firstRevision); revision++) known.add(revision);
  }
  const bases = new Set(
    judged(catalogue)
      .filter((it) => it.timeline === timeline && it.revision !== null && !BAD.includes(it.state))
      .map(({ revision }) => Number(revision)),
  );
  for (let revision = point; ; revision--) {
    if (bases.has(revision)) return true;
    if (!known.has(revision)) return false;
  }
}

/** The shortest that a span can be, and the longest. */
function leastMs(span: string): number {
  const { years, months, days, hours } = parseSpan(span);
  return ((years * 365 + months * 28 + days) * 24 - (years + months + days > 0 ? 1 : 0) + hours) * 3_600_000;
}

function mostMs(span: string): number {
  const { years, months, days, hours } = parseSpan(span);
  return ((years * 366 + months * 31 + days) * 24 + (years + months + days > 0 ? 1 : 0) + hours) * 3_600_000;
}
