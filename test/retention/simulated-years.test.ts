// Two years of hourly backups, each followed by a prune, on a host whose clock is not always right, and with people who change their minds.
// The promises are checked at every prune, by code that knows nothing of how the planner keeps them.
import { expect, test } from "vitest";
import { hasCode } from "../../src/errors.ts";
import type { RetentionPolicy } from "../../src/repository/retention-policy.ts";
import { requireIntended } from "../../src/retention/brake.ts";
import { judgeClock } from "../../src/retention/clock.ts";
import { planRetention, type RetentionBackup, type RetentionCatalogue, type RetentionPlan, type RetentionSegment } from "../../src/retention/plan.ts";
import { runs, SEED } from "../support/counts.ts";
import { type RandomNumbers, randomNumbers } from "../support/random-history.ts";
import { afterwards, idsOf } from "./catalogues.ts";

const START_MS = Date.parse("2024-11-21T00:20:00.000Z");
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_HOURS = 24;
const YEARS_HOURS = 2 * 366 * DAY_HOURS;

/** How often there is a prune: seven is no divisor of a day. */
const PRUNED_HOURS = runs(7, 1);

const POLICIES: readonly RetentionPolicy[] = [
  { keepHourly: 48, keepDaily: 14, keepWeekly: 8, keepMonthly: 24, timezone: "Europe/Berlin", keepPointsWithin: "3d" },
  { keepLast: 24, keepDaily: 7, minimum: 3, timezone: "America/Sao_Paulo" },
  { keepWithinHourly: "2d", keepWithinDaily: "1m", keepWithinMonthly: "1y", timezone: "Australia/Lord_Howe", keepPointsWithin: "12h" },
  { keepLast: 1, keepPointsWithin: "2d" },
  { maxAge: "10d", keepPointsWithin: "1d" },
  { keepDaily: "unlimited", maxSizeBytes: 3000, keepPointsWithin: "36h" },
  { keepTags: ["release"], keepWithin: "2d", keepPointsWithin: "0h" },
  { keepYearly: 3, keepHourly: 5, maxAge: "1y", keepPointsWithin: "1d" },
];

test.each(Array.from({ length: runs(1, 4) }, (_, at) => SEED + at))("two years: every prune keeps the promises (seed %i)", (seed) => {
  const counts = simulate(randomNumbers(seed));
  // It would prove nothing if little of this happened.
  expect(counts.prunes).toBeGreaterThan(1000);
  expect(counts.removed).toBeGreaterThan(5000);
  expect(counts.clockRefused).toBeGreaterThan(50);
  expect(counts.braked).toBeGreaterThan(0);
  expect(counts.timelines).toBeGreaterThan(3);
});

interface World {
  catalogue: RetentionCatalogue;
  /** In catalogue order. */
  offsets: Map<string, number | null>;
  revision: number;
  timelines: number;
  policy: RetentionPolicy;
  /** How far the host's clock is ahead. */
  aheadMs: number;
  /** How many backups were made since it was set wrong, none of which was compared with a member's. */
  unmeasuredSince: number;
  removedByRuns: number[];
}

function simulate(random: RandomNumbers) {
  const counts = { prunes: 0, removed: 0, clockRefused: 0, braked: 0, timelines: 0 };
  const world: World = {
    ...{ catalogue: { backups: [], segments: [] }, offsets: new Map(), revision: 1, timelines: 1, policy: POLICIES[0]! },
    ...{ aheadMs: 0, unmeasuredSince: 0, removedByRuns: [] },
  };
  for (let hour = 0; hour < YEARS_HOURS; hour++) {
    if (random.chance(0.002)) hour += random.integer(1, random.chance(0.2) ? 20 * DAY_HOURS : 30); // Nothing was backed up.
    const trueMs = START_MS + hour * HOUR_MS;
    live(world, trueMs, random);
    const isGood = save(world, trueMs, hour, random);
    // `save --prune` goes no further after a bad one. Planning is what takes time here.
    if (!isGood || hour % PRUNED_HOURS !== 0) continue;
    prune(world, trueMs, counts, random);
  }
  return { ...counts, timelines: world.timelines };
}

/** What people and disks do in an hour. */
function live(world: World, trueMs: number, random: RandomNumbers): void {
  const { backups, segments } = world.catalogue;
  const change = (chance: number, to: (it: RetentionBackup) => Partial<RetentionBackup>) => {
    if (!random.chance(chance) || backups.length === 0) return;
    const at = random.integer(0, Math.min(backups.length, 40) - 1);
    world.catalogue = { segments, backups: world.catalogue.backups.with(at, { ...world.catalogue.backups[at]!, ...to(backups[at]!) }) };
  };
  change(0.004, () => ({ state: "damaged" }));
  change(0.004, ({ pin }) => ({ pin: pin === null ? "of interest" : null }));
  change(0.004, () => ({ lock: { until: random.chance(0.05) ? null : new Date(trueMs + random.integer(0, 60 * DAY_HOURS) * HOUR_MS).toISOString() } }));
  if (random.chance(0.001)) {
    world.timelines++;
    world.revision = Math.max(1, world.revision - random.integer(0, 200));
  }
  if (random.chance(0.003)) world.policy = random.pick(POLICIES);
  if (world.aheadMs === 0 && random.chance(0.004)) {
    world.aheadMs = random.pick([365 * DAY_HOURS, 40 * DAY_HOURS, 48, -48, -365 * DAY_HOURS, 10 / 60]) * HOUR_MS;
    world.unmeasuredSince = 0;
  } else if (world.aheadMs !== 0 && random.chance(0.08)) world.aheadMs = 0;
}

/** Whether what was saved is good. */
function save(world: World, trueMs: number, hour: number, random: RandomNumbers): boolean {
  const { backups, segments } = world.catalogue;
  const timeline = `timeline ${world.timelines}`;
  const createdAt = new Date(trueMs + world.aheadMs).toISOString();
  const state = random.chance(0.9) ? "proven" : random.pick(["suspect", "partial", "unconfirmed", "unconfirmed"] as const);
  const first = world.revision + 1 + (random.chance(0.01) ? 5 : 0); // A gap.
  world.revision = first + random.integer(0, 20);
  const backup: RetentionBackup = {
    ...{
      id: `${hour}`,
      createdAt,
      timeline,
      revision: `${world.revision - random.integer(0, 3)}`,
      state,
      storedSizeBytes: 20 + random.integer(0, 20),
      pin: null,
    },
    ...{ tags: random.chance(0.01) ? { release: `${hour}` } : {}, lock: null, fault: null, isBeingWritten: random.chance(0.005) },
  };
  const known = { key: `segment ${hour}`, timeline, modifiedAt: createdAt, storedSizeBytes: 2 };
  const segment: RetentionSegment = { ...known, firstRevision: `${first}`, lastRevision: `${world.revision}` };
  const isMeasured = random.chance(0.7);
  world.unmeasuredSince = isMeasured ? Number.NEGATIVE_INFINITY : world.unmeasuredSince + 1;
  world.offsets.set(backup.id, isMeasured ? -world.aheadMs : null);
  const at = backups.findIndex((other) => other.createdAt <= createdAt);
  world.catalogue = { backups: backups.toSpliced(at < 0 ? backups.length : at, 0, backup), segments: [...segments, segment] };
  return state === "proven" || state === "unconfirmed";
}

function prune(world: World, trueMs: number, counts: { prunes: number; removed: number; clockRefused: number; braked: number }, random: RandomNumbers): void {
  const { catalogue, policy } = world;
  let plan: RetentionPlan;
  const ours = new Date(trueMs + world.aheadMs);
  try {
    const backups = catalogue.backups.map(({ id, createdAt }) => ({ createdAt, memberOffsetMs: world.offsets.get(id)! }));
    const { now } = judgeClock({ ours, store: null, backups });
    plan = planRetention(catalogue, policy, now);
    // A person looks at it now and then, once the brake has stopped it.
    const yesRemove = random.chance(0.05) ? plan.remove.length : undefined;
    requireIntended({ removing: plan.remove.length, total: catalogue.backups.length, removedByRuns: world.removedByRuns, isTerminal: false, yesRemove });
  } catch (error) {
    if (hasCode(error, "CLOCK_DIFFERS")) counts.clockRefused++;
    else if (hasCode(error, "PRUNE_TOO_MUCH")) counts.braked++;
    else throw error;
    return;
  }
  const left = afterwards(catalogue, plan);
  checkPromises(catalogue, plan, left, ours.getTime());
  // A clock that is far ahead is found out, but for ten backups in a row that nobody's clock was compared with.
  if (world.aheadMs >= 40 * DAY_HOURS * HOUR_MS && catalogue.backups.length > 30) expect(world.unmeasuredSince).toBeGreaterThanOrEqual(10);
  if (counts.prunes % 10 === 0) {
    const again = planRetention(left, policy, ours);
    expect([again.remove, again.segments.remove]).toEqual([[], []]);
  }
  world.catalogue = left;
  world.removedByRuns = [plan.remove.length, ...world.removedByRuns].slice(0, 30);
  counts.prunes++;
  counts.removed += plan.remove.length;
}

function checkPromises(before: RetentionCatalogue, plan: RetentionPlan, left: RetentionCatalogue, nowMs: number): void {
  const stay = new Set(left.backups.map(({ id }) => id));
  const gone = before.backups.filter(({ id }) => !stay.has(id));
  const isFuture = ({ createdAt }: RetentionBackup) => Date.parse(createdAt) > nowMs + 5 * MINUTE_MS;
  expect(gone.filter((it) => it.pin !== null || it.isBeingWritten || isFuture(it))).toEqual([]);
  expect(gone.filter(({ lock }) => lock !== null && (lock.until === null || Date.parse(lock.until) > nowMs))).toEqual([]);
  expect(idsOf(plan.remove).toSorted()).toEqual(gone.map(({ id }) => id).toSorted());

  const present = before.backups.filter((it) => !it.isBeingWritten && !isFuture(it)); // Newest first.
  const proven = present.find(({ state }) => state === "proven");
  const unconfirmed = present.find(({ state }) => state === "unconfirmed");
  if (proven !== undefined) expect(stay).toContain(proven.id);
  if (unconfirmed !== undefined && (proven === undefined || unconfirmed.createdAt > proven.createdAt)) expect(stay).toContain(unconfirmed.id);

  const rebuilt = rebuildable(left, isFuture);
  const couldBe = rebuildable(before, isFuture);
  expect(plan.segments.keep.filter(({ segment: { key }, reasons }) => reasons[0]!.includes("points-within") && couldBe.has(key) && !rebuilt.has(key))).toEqual(
    [],
  );
}

/** Keys of the segments whose first revision can be rebuilt: segments without a gap lead to it from a good backup. */
function rebuildable({ backups, segments }: RetentionCatalogue, isFuture: (backup: RetentionBackup) => boolean): Set<string> {
  const found = new Set<string>();
  const good = backups.filter((it) => !it.isBeingWritten && !isFuture(it) && (it.state === "proven" || it.state === "unconfirmed"));
  for (const [timeline, its] of Map.groupBy(segments, (segment) => segment.timeline)) {
    const bases = good.filter((it) => it.timeline === timeline).map(({ revision }) => Number(revision));
    let start = 0;
    let last = Number.NEGATIVE_INFINITY;
    for (const { key, firstRevision, lastRevision } of its) {
      const first = Number(firstRevision);
      if (first > last + 1) start = first;
      last = Number(lastRevision);
      if (bases.some((revision) => revision >= start - 1 && revision <= first)) found.add(key);
    }
  }
  return found;
}

test.each([POLICIES[0]!, POLICIES[2]!, POLICIES[6]!])("two years: a prune after every backup leaves what one prune at the end would (%j)", (policy) => {
  const random = randomNumbers(SEED);
  const all: RetentionBackup[] = [];
  let pruned: RetentionCatalogue = { backups: [], segments: [] };
  let timeline = "first";
  for (let hour = 0; hour < YEARS_HOURS; hour += runs(11, 1)) {
    if (random.chance(0.005)) hour += random.integer(0, 3 * DAY_HOURS);
    if (random.chance(0.0005)) timeline = `since ${hour}`;
    const createdAt = new Date(START_MS + hour * HOUR_MS + random.integer(0, 50 * MINUTE_MS)).toISOString();
    const backup: RetentionBackup = {
      ...{ id: `${hour}`, createdAt, timeline, revision: null, state: random.chance(0.1) ? "unconfirmed" : "proven", storedSizeBytes: 1 },
      ...{ tags: random.chance(0.01) ? { release: "" } : {}, pin: null, lock: null, fault: null, isBeingWritten: false },
    };
    all.unshift(backup);
    const catalogue = { backups: [backup, ...pruned.backups], segments: [] };
    pruned = afterwards(catalogue, planRetention(catalogue, policy, new Date(createdAt)));
  }
  const atOnce = planRetention({ backups: all, segments: [] }, policy, new Date(all[0]!.createdAt));
  expect(pruned.backups.map(({ id }) => id)).toEqual(idsOf(atOnce.keep));
  expect(atOnce.remove.length).toBeGreaterThan(1000);
});
