// `prune`: what a policy says of a repository as it is, and the removal of that. The plan is made before anything is touched, and once more under the writer
// lease: only what both plans remove goes, so that whatever another prune removed in between cannot make this one remove the last good backup.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { scanDeletions } from "../repository/backup-scan.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { Author, Repository } from "../repository/repository.ts";
import type { RetentionPolicy } from "../repository/retention-policy.ts";
import { requireState } from "../repository/state-store.ts";
import { takeWriterLease } from "../repository/writer-lease.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { judgeClock } from "./clock.ts";
import { type DeletionOptions, deleteBackup, finishDeletions } from "./deletion.ts";
import { lockedBackups } from "./locks.ts";
import { planRetention, type RetentionPlan } from "./plan.ts";
import { type PruneRun, readRuns, removeOldRecords, writeRun } from "./prune-records.ts";
import { readCatalogue } from "./read-catalogue.ts";

export interface PruneRequest {
  readonly cluster: string;
  readonly policy: RetentionPolicy;
  readonly policyFrom: "options" | "repository";
  /** Somebody vouches for this host's clock, and for the store's where it has one. */
  readonly clockIsRight: boolean;
}

export interface PlannedPrune extends PruneRequest {
  readonly now: Date;
  readonly nowFrom: "store" | "host";
  readonly plan: RetentionPlan;
  /** All that are listed. */
  readonly backups: number;
  /** Deletions that another run has begun: they are finished first. */
  readonly unfinished: readonly string[];
  /** Below the cluster's name, and not written by etcdsafe. */
  readonly unrecognised: readonly string[];
  /** How many backups each earlier run has removed that removed any, newest first. */
  readonly removedByRuns: readonly number[];
}

export interface PruneResult {
  /** Key of the record of this run. */
  readonly record: string;
  readonly removed: PruneRun["backupsRemoved"];
  readonly segmentsRemoved: PruneRun["segmentsRemoved"];
  readonly kept: number;
  /** Backups of which others had begun the deletion. */
  readonly finished: readonly string[];
  readonly left: PruneRun["left"];
  /** The store keeps versions: what was removed is hidden, and freed by the store's own rules. */
  readonly isHidden: boolean;
  /** Empty where all that was planned is done. */
  readonly failures: PruneRun["failures"];
}

type PruneOptions = CallOptions & { readonly runtime: Pick<Runtime, "now" | "monotonicMs" | "sleep" | "randomBytes" | "log"> };

const LEASE_EXPIRES_AFTER_SECONDS = 30;

/** Changes nothing. Throws USAGE for a policy without rules, CLOCK_DIFFERS, and CONFIG_INVALID where the state, which tells who writes, is elsewhere. */
export async function planPrune(repository: Repository, request: PruneRequest, options: PruneOptions): Promise<PlannedPrune> {
  const { storage } = repository;
  const { cluster, policy, clockIsRight } = request;
  await requireState(repository, options);
  const ours = options.runtime.now();
  const store = storage.clock === undefined ? null : await storage.clock.now(options);
  const unfinished = await scanDeletions(storage, cluster, options);
  const catalogue = await readCatalogue(repository, cluster, store?.time ?? ours, options);
  const { now, from } = clockIsRight
    ? { now: store?.time ?? ours, from: store === null ? ("host" as const) : ("store" as const) }
    : judgeClock({ ours, store, backups: catalogue.clocks });
  const plan = await planWithLocks(repository, cluster, catalogue, { policy, now }, options);
  const runs = await readRuns(storage, cluster, options);
  return {
    ...{ ...request, now, nowFrom: from, plan, backups: catalogue.backups.length, unfinished: [...unfinished], unrecognised: catalogue.unrecognised },
    removedByRuns: runs.map(({ backupsRemoved }) => backupsRemoved.length).filter((count) => count > 0),
  };
}

/** Removes what the plan says, as the writer of the cluster, and records it. Throws WRITER_LOCKED where another is, WRITER_LEASE_LOST where another came. */
export async function applyPrune(repository: Repository, planned: PlannedPrune, author: Author, options: PruneOptions): Promise<PruneResult> {
  const { cluster, policy, policyFrom, now, nowFrom, unrecognised } = planned;
  const { storage } = repository;
  const startedAt = options.runtime.now().toISOString();
  const request = { cluster, purpose: "prune", author, expiresAfterSeconds: LEASE_EXPIRES_AFTER_SECONDS };
  await using lease = await takeWriterLease(repository, request, options);
  const deleting: DeletionOptions = { ...options, author, lease, signal: AbortSignal.any([options.signal, lease.signal]) };
  const { finished, left: unfinished } = await finishDeletions(repository, cluster, await scanDeletions(storage, cluster, deleting), deleting);
  const again = await planWithLocks(repository, cluster, await readCatalogue(repository, cluster, now, deleting), { policy, now }, deleting);
  const done = await removeBoth(repository, planned, again, deleting);
  const left = [...again.leave, ...unfinished.map(({ backup, reason }) => ({ key: backup, reason })), ...done.left];
  const run: PruneRun = {
    ...{ startedAt, finishedAt: options.runtime.now().toISOString(), now: now.toISOString(), nowFrom, policy, policyFrom },
    outcome: done.failures.length === 0 ? "done" : "partly",
    backupsKept: again.keep.length + again.remove.length - done.removed.length,
    backupsRemoved: done.removed,
    segmentsRemoved: done.segments,
    left: [...left, ...unrecognised.map((key) => ({ key, reason: "not written by etcdsafe" }))],
    failures: done.failures,
  };
  await lease.requireHeld(options);
  const record = await writeRun(storage, cluster, author, run, deleting);
  await removeOldRecords(storage, cluster, now, deleting);
  return {
    ...{ record, removed: run.backupsRemoved, segmentsRemoved: run.segmentsRemoved, kept: run.backupsKept, finished, left: run.left },
    isHidden: done.isHidden,
    failures: run.failures,
  };
}

/** Locks are asked for of those only that would go, and of those that would go in their place. */
async function planWithLocks(
  repository: Repository,
  cluster: string,
  catalogue: Awaited<ReturnType<typeof readCatalogue>>,
  { policy, now }: { readonly policy: RetentionPolicy; readonly now: Date },
  options: CallOptions,
): Promise<RetentionPlan> {
  let { backups } = catalogue;
  const asked = new Set<string>();
  for (;;) {
    const plan = planRetention({ backups, segments: catalogue.segments }, policy, now);
    const unasked = plan.remove.map(({ backup }) => backup.id).filter((id) => !asked.has(id));
    if (unasked.length === 0) return plan;
    for (const id of unasked) asked.add(id);
    const locked = await lockedBackups(repository.storage, cluster, unasked, now, options);
    if (locked.size === 0) return plan;
    backups = backups.map((backup) => ({ ...backup, lock: locked.get(backup.id) ?? backup.lock }));
  }
}

interface Done {
  readonly removed: PruneRun["backupsRemoved"];
  readonly segments: PruneRun["segmentsRemoved"];
  readonly left: PruneRun["left"];
  readonly failures: PruneRun["failures"];
  readonly isHidden: boolean;
}

/** What the plan that was shown removes, and the one that was made just now. */
async function removeBoth(repository: Repository, planned: PlannedPrune, again: RetentionPlan, options: DeletionOptions): Promise<Done> {
  const { storage } = repository;
  const { cluster } = planned;
  const isHidden = (await mayBeDenied(async () => (await storage.versions?.isEnabled(options)) ?? false)) === true;
  const still = new Set(again.remove.map(({ backup }) => backup.id));
  const [removed, left, failures, segments]: [Done["removed"], Done["left"], Done["failures"], Done["segments"]] = [[], [], [], []];
  for (const { backup, reasons } of planned.plan.remove) {
    const { id, storedSizeBytes } = backup;
    if (!still.has(id)) {
      left.push({ key: id, reason: "what has changed since the plan was made keeps it" });
      continue;
    }
    try {
      const why = await deleteBackup(repository, { cluster, backup: id, reasons }, options);
      if (why === undefined) removed.push({ backup: id, reasons: [...reasons], storedSizeBytes, isHidden });
      else left.push({ key: id, reason: why });
    } catch (error) {
      failures.push(failureOf(error, options));
      if (hasCode(error, "STORAGE_DENIED")) return { removed, segments, left, failures, isHidden };
    }
  }
  const stillSegments = new Set(again.segments.remove.map(({ segment }) => segment.key));
  for (const { segment } of planned.plan.segments.remove) {
    if (!stillSegments.has(segment.key)) continue;
    try {
      await options.lease.requireHeld(options);
      for (const key of [segment.key, `${segment.key}.sig`]) await storage.remove(key, options);
      const { timeline, firstRevision, lastRevision, storedSizeBytes } = segment;
      segments.push({ timeline, firstRevision, lastRevision: lastRevision ?? firstRevision, storedSizeBytes });
    } catch (error) {
      failures.push(failureOf(error, options));
      if (hasCode(error, "STORAGE_DENIED")) break;
    }
  }
  return { removed, segments, left, failures, isHidden };
}

/** Throws what ends the whole run. */
function failureOf(error: unknown, { signal, lease }: DeletionOptions): PruneRun["failures"][number] {
  lease.signal.throwIfAborted();
  if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL" || signal.aborted) throw error;
  const { code, message, hint } = error;
  return { code, message, hint };
}
