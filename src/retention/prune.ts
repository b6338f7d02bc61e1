// `prune`: what a policy says of a repository as it is, and the removal of that. The plan is made before anything is touched, and once more under the writer
// lease: only what both plans remove goes, so that whatever another prune removed in between cannot make this one remove the last good backup.
import { EtcdsafeError, hasCode } from "../errors.ts";
import { findBackups, scanDeletions } from "../repository/backup-scan.ts";
import { listClusters } from "../repository/catalogue.ts";
import { readClusterFile } from "../repository/cluster-file.ts";
import { mayBeDenied } from "../repository/object-lock.ts";
import type { Author, Repository } from "../repository/repository.ts";
import type { RetentionPolicy } from "../repository/retention-policy.ts";
import { requireState } from "../repository/state-store.ts";
import { takeWriterLease, type WriterLease } from "../repository/writer-lease.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { judgeClock } from "./clock.ts";
import { type DeletionOptions, deleteBackup, failureOf, finishDeletions, onlyMarkersLeft } from "./deletion.ts";
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
const DENIALS_MAX = 3;
const UNKNOWN_LOCKS = "whether backups are locked may not be asked here: one that is would only be hidden, and stay in the store until its lock ends";
/** How long the record of a run that was stopped may take. */
const RECORD_LIMIT_MS = 10_000;

/** Changes nothing. Throws USAGE for a policy without rules, CLOCK_DIFFERS, and CONFIG_INVALID where the state, which tells who writes, is elsewhere. */
export async function planPrune(repository: Repository, request: PruneRequest, options: PruneOptions): Promise<PlannedPrune> {
  const { storage } = repository;
  const { cluster, policy, clockIsRight } = request;
  await requireState(repository, options);
  const ours = options.runtime.now();
  const store = storage.clock === undefined ? null : await storage.clock.now(options);
  const begun = await scanDeletions(storage, cluster, options);
  const catalogue = await readCatalogue(repository, cluster, store?.time ?? ours, options);
  // Of one whose manifest is still there, nothing was removed: it is planned anew.
  const unfinished = [...begun].filter((id) => !catalogue.backups.some((backup) => backup.id === id));
  if (catalogue.backups.length + unfinished.length === 0) await requireBoundName(repository, cluster, options);
  const { now, from } = clockIsRight
    ? { now: store?.time ?? ours, from: store === null ? ("host" as const) : ("store" as const) }
    : judgeClock({ ours, store, backups: catalogue.clocks });
  const plan = await planWithLocks(repository, cluster, catalogue, { policy, now }, options);
  const runs = await readRuns(storage, cluster, options);
  return {
    ...{ ...request, now, nowFrom: from, plan, backups: catalogue.backups.length, unfinished, unrecognised: catalogue.unrecognised },
    removedByRuns: runs.map(({ backupsRemoved }) => backupsRemoved.length).filter((count) => count > 0),
  };
}

/** Removes what the plan says, as the writer of the cluster, and records it; under `lease`, where the caller holds it already. Throws WRITER_LOCKED where another is, WRITER_LEASE_LOST where another came. */
export async function applyPrune(
  repository: Repository,
  planned: PlannedPrune,
  author: Author,
  options: PruneOptions & { readonly lease?: WriterLease },
): Promise<PruneResult> {
  const { cluster, policy, policyFrom, now, nowFrom, unrecognised } = planned;
  const { storage } = repository;
  const startedAt = options.runtime.now().toISOString();
  const request = { cluster, purpose: "prune", author, expiresAfterSeconds: LEASE_EXPIRES_AFTER_SECONDS };
  await using own = options.lease === undefined ? await takeWriterLease(repository, request, options) : undefined;
  const lease = options.lease ?? own!;
  const deleting: DeletionOptions = { ...options, author, lease, signal: AbortSignal.any([options.signal, lease.signal]) };
  const isHidden = (await mayBeDenied(async () => (await storage.versions?.isEnabled(deleting)) ?? false)) === true;
  const done: Done = { going: [], finished: [], segments: [], left: [], failures: [] };
  const runOf = async (call: CallOptions): Promise<PruneRun> => {
    // With its manifest a backup is gone, whatever is left of its objects.
    const listed = new Set((await findBackups(storage, cluster, call)).map(({ id }) => id));
    const removed = done.going.filter(({ backup }) => !listed.has(backup.id));
    return {
      ...{ startedAt, finishedAt: options.runtime.now().toISOString(), now: now.toISOString(), nowFrom, policy, policyFrom },
      outcome: done.failures.length === 0 ? "done" : "partly",
      backupsKept: listed.size,
      backupsRemoved: removed.map(({ backup, reasons }) => ({ backup: backup.id, reasons: [...reasons], storedSizeBytes: backup.storedSizeBytes, isHidden })),
      ...{ segmentsRemoved: done.segments, left: done.left, failures: done.failures },
    };
  };
  try {
    const { finished, left, failures } = await finishDeletions(repository, cluster, await scanDeletions(storage, cluster, deleting), deleting);
    done.finished.push(...finished);
    done.left.push(...left.map(({ backup, reason }) => ({ key: backup, reason })));
    done.failures.push(...failures);
    const again = await planWithLocks(repository, cluster, await readCatalogue(repository, cluster, now, deleting), { policy, now }, deleting);
    done.left.push(...again.leave, ...again.keep.flatMap(lockedAway), ...unrecognised.map((key) => ({ key, reason: "not written by etcdsafe" })));
    await removeBoth(repository, planned, again, done, deleting);
    const run = await runOf(deleting);
    const record = await writeRun(storage, cluster, author, run, deleting);
    await removeOldRecords(storage, cluster, now, deleting);
    const { backupsRemoved: removed, segmentsRemoved, backupsKept: kept, left: leftAlone, failures: failed } = run;
    return { record, removed, segmentsRemoved, kept, finished: done.finished, left: leftAlone, isHidden, failures: failed };
  } catch (error) {
    // What it has removed is on record, also where it was stopped in the middle.
    if (done.going.length + done.finished.length > 0) await recordStopped(error);
    throw error;
  }

  async function recordStopped(error: unknown): Promise<void> {
    const call = { signal: AbortSignal.timeout(RECORD_LIMIT_MS) };
    const { code, message, hint } = error instanceof EtcdsafeError ? error : { code: "INTERNAL", message: (error as Error).message, hint: "" };
    done.failures.push({ code, message: `stopped before its end: ${message}`, hint });
    await runOf(call)
      .then((run) => writeRun(storage, cluster, author, run, call))
      .catch(() => undefined); // What ended it may keep this from being written too.
  }
}

/** What the store keeps from being removed, for who wonders why it is still there. */
function lockedAway({ backup, reasons }: RetentionPlan["keep"][number]): PruneRun["left"] {
  return backup.lock === null ? [] : [{ key: backup.id, reason: reasons.join("; ") }];
}

/** A name that nobody has used is a mistyped one, and a prune of it would be green for ever. */
async function requireBoundName(repository: Repository, cluster: string, options: CallOptions): Promise<void> {
  const { storage } = repository;
  if ((await readClusterFile(storage, cluster, options)) !== undefined) return;
  const names = await listClusters(repository, options);
  throw new EtcdsafeError("CLUSTER_NOT_FOUND", `there is no cluster ${cluster} in ${storage.location}: nobody has saved under that name`, {
    hint: names.length === 0 ? "There are no backups yet." : `The names there are ${names.join(", ")}: check --cluster.`,
  });
}

/** Locks are asked for of those only that would go, and of those that would go in their place. */
async function planWithLocks(
  repository: Repository,
  cluster: string,
  catalogue: Awaited<ReturnType<typeof readCatalogue>>,
  { policy, now }: { readonly policy: RetentionPolicy; readonly now: Date },
  options: PruneOptions,
): Promise<RetentionPlan> {
  let { backups } = catalogue;
  const asked = new Set<string>();
  for (;;) {
    const plan = planRetention({ backups, segments: catalogue.segments }, policy, now);
    const unasked = plan.remove.map(({ backup }) => backup.id).filter((id) => !asked.has(id));
    if (unasked.length === 0) return plan;
    for (const id of unasked) asked.add(id);
    const onUnknown = ({ message }: EtcdsafeError) => options.runtime.log({ level: "warn", message: `${UNKNOWN_LOCKS}: ${message}` });
    const locked = await lockedBackups(repository.storage, cluster, unasked, { ...options, onUnknown });
    if (locked.size === 0) return plan;
    backups = backups.map((backup) => ({ ...backup, lock: locked.get(backup.id) ?? backup.lock }));
  }
}

/** Grows as it is done. */
interface Done {
  /** Those that both plans remove, before the first of them goes. */
  going: RetentionPlan["remove"];
  readonly finished: string[];
  readonly segments: PruneRun["segmentsRemoved"];
  readonly left: PruneRun["left"];
  readonly failures: PruneRun["failures"];
}

/** What the plan that was shown removes, and the one that was made just now. */
async function removeBoth(repository: Repository, planned: PlannedPrune, again: RetentionPlan, done: Done, options: DeletionOptions): Promise<void> {
  const { storage } = repository;
  const { cluster } = planned;
  const { left, failures, segments } = done;
  let denials = 0;
  const still = new Set(again.remove.map(({ backup }) => backup.id));
  done.going = planned.plan.remove.filter(({ backup }) => still.has(backup.id));
  for (const { backup, reasons } of planned.plan.remove) {
    const { id } = backup;
    if (!still.has(id)) {
      left.push({ key: id, reason: "what has changed since the plan was made keeps it" });
      continue;
    }
    try {
      const why = await deleteBackup(repository, { cluster, backup: id, reasons }, options);
      if (why !== undefined) left.push({ key: id, reason: why });
    } catch (error) {
      const reason = await onlyMarkersLeft(repository, cluster, id, error, options);
      if (reason !== undefined) {
        left.push({ key: id, reason });
        continue;
      }
      failures.push(failureOf(error, options));
      // One that the store holds keeps no other from going; who may remove nothing need not try them all.
      if (hasCode(error, "STORAGE_DENIED") && ++denials === DENIALS_MAX) return;
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
}
