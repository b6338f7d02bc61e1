// One prune of the repository that a command's options name: by `prune`, and by `save --prune`.
import { EtcdsafeError } from "../errors.ts";
import type { Repository } from "../repository/repository.ts";
import { writeAttempt } from "../repository/sidecars.ts";
import { requireIntended } from "../retention/brake.ts";
import { applyPrune, type PlannedPrune, type PruneResult, planPrune } from "../retention/prune.ts";
import type { Invocation } from "./command.ts";
import { author } from "./repository.ts";
import { policyFor } from "./retention-policy.ts";

/** Changes nothing. Throws USAGE where nothing says what to keep, and CLOCK_DIFFERS. */
export function plannedPrune(invocation: Invocation, repository: Repository): Promise<PlannedPrune> {
  const { config } = invocation;
  const request = { cluster: config.get("cluster"), ...policyFor(config, repository), clockIsRight: config.get("clock-is-right") };
  return planPrune(repository, request, invocation);
}

export interface Pruned {
  readonly planned: PlannedPrune;
  readonly result: PruneResult;
}

/** Throws as plannedPrune, PRUNE_TOO_MUCH, WRITER_LOCKED, and what ends it in the middle; that it failed is on record then, for `list`. */
export async function pruned(invocation: Invocation, repository: Repository): Promise<Pruned> {
  const { config, runtime } = invocation;
  const startedAt = runtime.now().toISOString();
  let phase = "plan";
  try {
    const planned = await plannedPrune(invocation, repository);
    requireAllowed(invocation, planned);
    phase = "removal";
    return { planned, result: await applyPrune(repository, planned, await author(), invocation) };
  } catch (error) {
    // A name that nobody has used stays unused.
    if (!(error instanceof EtcdsafeError) || error.code === "CLUSTER_NOT_FOUND" || invocation.signal.aborted) throw error;
    const { code, message, hint } = error;
    const facts = { action: "prune", phase, backup: null, startedAt, finishedAt: runtime.now().toISOString(), failure: { code, message, hint } } as const;
    // Its own error says enough; a repository that cannot be written is often what it is about.
    await writeAttempt(repository.storage, config.get("cluster"), await author(), facts, invocation).catch(() => undefined);
    throw error;
  }
}

function requireAllowed(invocation: Invocation, planned: PlannedPrune): void {
  requireIntended({
    removing: planned.plan.remove.length,
    total: planned.backups,
    removedByRuns: planned.removedByRuns,
    isTerminal: process.stdin.isTTY === true,
    yesRemove: invocation.config.get("yes-remove"),
  });
}

/** As JSON has it. */
export function planDocument({ cluster, now, nowFrom, policy, policyFrom, plan, unfinished, unrecognised }: PlannedPrune) {
  const verdict = ({ backup, reasons }: PlannedPrune["plan"]["keep"][number]) => {
    const { id, createdAt, timeline, revision, state, storedSizeBytes } = backup;
    return { id, createdAt, timeline, revision, state, storedSizeBytes, reasons };
  };
  const segment = ({ segment, reasons }: PlannedPrune["plan"]["segments"]["keep"][number]) => ({
    key: segment.key,
    storedSizeBytes: segment.storedSizeBytes,
    reasons,
  });
  return {
    ...{ cluster, now: now.toISOString(), nowFrom, policy, policyFrom },
    keep: plan.keep.map(verdict),
    remove: plan.remove.map(verdict),
    segments: { keep: plan.segments.keep.map(segment), remove: plan.segments.remove.map(segment) },
    left: [...plan.leave, ...unrecognised.map((key) => ({ key, reason: "not written by etcdsafe" }))],
    unfinished,
  };
}
