// `save --prune`: retention once the new backup is stored, in each repository that has it. What goes wrong there leaves the save as it is.
import type { Saved } from "../backup/save-target.ts";
import { EtcdsafeError } from "../errors.ts";
import { openToWrite } from "../repository/repository.ts";
import type { PruneResult } from "../retention/prune.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { pruned } from "./prune.ts";
import { type Failure, failureBehind } from "./report-error.ts";
import { openNamedStorage } from "./repository.ts";
import { typedRules } from "./retention-policy.ts";

export interface PrunedRepository {
  readonly location: string;
  /** Null where it failed, as `failure` says. */
  readonly result: PruneResult | null;
  readonly failure: Failure | null;
}

/** Throws USAGE where rules were typed that nothing would follow, and for what could not be pruned by anybody. */
export function requirePruning({ config }: Invocation): void {
  const [rule] = typedRules(config);
  if (rule !== undefined && !config.get("prune"))
    throw new EtcdsafeError("USAGE", `--${rule} is a rule of retention, and nothing is pruned without --prune`, { hint: "Add --prune, or leave it out." });
}

/** Nothing where nothing is to be pruned: not asked for, or the new backup is no good one to rely on. Of an abort as verifyAfterSave. */
export async function* pruneAfterSave(invocation: Invocation, saved: Saved, locations: readonly (string | undefined)[]): AsyncGenerator<PrunedRepository> {
  const { config } = invocation;
  if (!config.get("prune") || saved.manifest === null) return;
  if (saved.state !== "proven" && saved.state !== "unconfirmed") {
    invocation.runtime.log({ level: "warn", message: `nothing is pruned: the new backup is ${saved.state}` });
    return;
  }
  for (const [index, location] of locations.entries()) {
    const failed = saved.repositories?.[index]?.failure ?? null;
    if (failed === null) yield await pruneOne(inRepository(invocation, location));
  }
}

async function pruneOne(invocation: Invocation): Promise<PrunedRepository> {
  const { runtime, signal } = invocation;
  let location = invocation.config.get("repository") ?? "";
  try {
    signal.throwIfAborted();
    const repository = await openToWrite(await openNamedStorage(invocation), invocation);
    location = repository.storage.location;
    const { result } = await pruned(invocation, repository);
    for (const { message } of result.failures) runtime.log({ level: "warn", message: `pruned only in part: ${message}` });
    return { location, result, failure: null };
  } catch (error) {
    const { code, message, hint } = failureBehind(error, signal, "What it has not removed, the next prune does.");
    runtime.log({
      level: "warn",
      message: `the backup is stored, but the prune of ${location} was not done to its end: ${message}. ${hint}`,
      fields: { code },
    });
    return { location, result: null, failure: { code, message, hint } };
  }
}
