// Catalogues for the planner's tests: written down where a test is worked out by hand, random where it is a property.
import fc from "fast-check";
import type { RetentionPolicy } from "../../src/repository/retention-policy.ts";
import type { RetentionBackup, RetentionCatalogue, RetentionPlan, RetentionSegment } from "../../src/retention/plan.ts";
import { keepRulesOf } from "../../src/retention/rules.ts";

/** A proven backup of timeline A that nothing protects. Its id is when it was created unless it is given one. */
export function backup(createdAt: string, other: Partial<RetentionBackup> = {}): RetentionBackup {
  const time = new Date(createdAt.length === 16 ? `${createdAt}:00Z` : createdAt).toISOString();
  return {
    ...{ id: createdAt, createdAt: time, timeline: "A", revision: "1", state: "proven", storedSizeBytes: 10, tags: {}, pin: null, lock: null, fault: null },
    ...{ isBeingWritten: false, ...other },
  };
}

/** Of timeline A, modified when it is said to be. */
export function segment(firstRevision: number, lastRevision: number | null, modifiedAt: string, other: Partial<RetentionSegment> = {}): RetentionSegment {
  const known = { key: `${firstRevision}-${lastRevision ?? ""}`, timeline: "A", firstRevision: `${firstRevision}`, modifiedAt: `${modifiedAt}:00Z` };
  return { ...known, lastRevision: lastRevision === null ? null : `${lastRevision}`, storedSizeBytes: 1, ...other };
}

export function idsOf(verdicts: RetentionPlan["keep"]): string[] {
  return verdicts.map(({ backup: { id } }) => id);
}

/** What is left once a plan was carried out. */
export function afterwards({ backups, segments }: RetentionCatalogue, { remove, segments: { remove: removedSegments } }: RetentionPlan): RetentionCatalogue {
  const gone = new Set(idsOf(remove));
  const goneSegments = new Set(removedSegments.map(({ segment: { key } }) => key));
  return { backups: backups.filter(({ id }) => !gone.has(id)), segments: segments.filter(({ key }) => !goneSegments.has(key)) };
}

/** When all random plans are made. */
export const NOW = new Date("2026-11-21T12:00:00.000Z");
const HOUR_MS = 3_600_000;

/** From three years before NOW to a year after, more often than not close to it, and often in the same hour as another one's. */
const anyTime: fc.Arbitrary<number> = fc
  .oneof(fc.integer({ min: -72, max: 1 }), fc.integer({ min: -24 * 60, max: 0 }), fc.integer({ min: -24 * 365 * 3, max: 24 * 365 }))
  .chain((hours) => fc.constantFrom(0, 0, 10, 59).map((minutes) => NOW.getTime() + hours * HOUR_MS + minutes * 60_000));

const anyBackup: fc.Arbitrary<Omit<RetentionBackup, "id">> = fc.record({
  createdAt: anyTime.map((time) => new Date(time).toISOString()),
  timeline: fc.constantFrom("A", "A", "B", null),
  revision: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 60 }).map(String) }, fc.constant(null)),
  state: fc.constantFrom("proven", "proven", "unconfirmed", "unconfirmed", "suspect", "partial", "damaged", "unreadable"),
  storedSizeBytes: fc.integer({ min: 0, max: 100 }),
  tags: fc.constantFrom({}, {}, { release: "1" }, { release: "2", keep: "" }),
  fault: fc.constant(null),
  pin: fc.constantFrom(null, null, null, null, null, "before the upgrade"),
  lock: fc.constantFrom(null, null, null, null, null, null, { until: null }, { until: "2026-11-21T12:00:00.001Z" }, { until: "2026-11-21T12:00:00.000Z" }),
  isBeingWritten: fc.constantFrom(false, false, false, false, false, false, true),
});

const anySegment: fc.Arbitrary<Omit<RetentionSegment, "key">> = fc
  .record({
    timeline: fc.constantFrom("A", "B"),
    first: fc.integer({ min: 1, max: 60 }),
    length: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(null)),
    modified: anyTime,
    storedSizeBytes: fc.integer({ min: 0, max: 20 }),
  })
  .map(({ timeline, first, length, modified, storedSizeBytes }) => ({
    ...{ timeline, storedSizeBytes, firstRevision: `${first}`, modifiedAt: new Date(modified).toISOString() },
    lastRevision: length === null ? null : `${first + length - 1}`,
  }));

/** In no order. */
export const anyCatalogue: fc.Arbitrary<RetentionCatalogue> = fc
  .record({ backups: fc.array(anyBackup, { maxLength: 30 }), segments: fc.array(anySegment, { maxLength: 12 }) })
  .map(({ backups, segments }) => ({
    backups: backups.map((it, at) => ({ id: `backup ${at}`, ...it })),
    segments: segments.map((it, at) => ({ key: `segment ${at}`, ...it })),
  }));

const anyCount = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 8 }) }, fc.constant("unlimited" as const));
const anySpan: fc.Arbitrary<string> = fc.constantFrom("0h", "1h", "36h", "3d", "7d12h", "1m", "1m1d", "6m", "1y", "2y6m");

export const anyKeepRules: fc.Arbitrary<RetentionPolicy> = fc.record(
  {
    ...{ keepLast: anyCount, keepHourly: anyCount, keepDaily: anyCount, keepWeekly: anyCount, keepMonthly: anyCount, keepYearly: anyCount },
    ...{ keepWithin: anySpan, keepWithinHourly: anySpan, keepWithinDaily: anySpan, keepWithinWeekly: anySpan, keepWithinMonthly: anySpan },
    ...{ keepWithinYearly: anySpan, keepTags: fc.subarray(["release", "release=2", "keep"]), keepPointsWithin: anySpan },
    ...{ minimum: fc.integer({ min: 0, max: 4 }), timezone: fc.constantFrom("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo") },
  },
  { requiredKeys: [] },
);

const anyLimits: fc.Arbitrary<RetentionPolicy> = fc.record({ maxAge: anySpan, maxSizeBytes: fc.integer({ min: 0, max: 800 }) }, { requiredKeys: [] });

/** Any policy that has a rule. */
export const anyPolicy: fc.Arbitrary<RetentionPolicy> = fc
  .tuple(anyKeepRules, anyLimits)
  .filter(([rules, limits]) => keepRulesOf(rules) !== undefined || limits.maxAge !== undefined || limits.maxSizeBytes !== undefined)
  .map(([rules, limits]) => ({ ...rules, ...limits }));
