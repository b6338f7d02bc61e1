// `save --verify LEVEL`: what was just stored is read back from each repository that has it. What is found there leaves the save as it is.
import type { Saved } from "../backup/save-target.ts";
import type { BackupVerification } from "../verify/verify.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { expectedFailure } from "./report-error.ts";
import { author, openForVerifying } from "./repository.ts";
import { verifyOptions } from "./verify-options.ts";

export interface VerifiedRepository {
  readonly location: string;
  /** Null where it could not be read back, as `failure` says. */
  readonly result: BackupVerification | null;
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** Empty where nobody asked for it. */
export async function verifyAfterSave(invocation: Invocation, saved: Saved, locations: readonly (string | undefined)[]): Promise<VerifiedRepository[]> {
  const { manifest, repositories } = saved;
  if (invocation.config.get("verify") === undefined || manifest === null) return [];
  const results: VerifiedRepository[] = [];
  for (const [index, location] of locations.entries()) {
    const isThere = (repositories?.[index]?.failure ?? null) === null;
    if (isThere) results.push(await verifyIn(inRepository(invocation, location), manifest.id));
  }
  return results;
}

async function verifyIn(invocation: Invocation, id: string): Promise<VerifiedRepository> {
  const { config, runtime, signal } = invocation;
  let location = config.get("repository") ?? "";
  try {
    const repository = await openForVerifying(invocation);
    location = repository.storage.location;
    const { verifyBackup } = await import("../verify/verify.ts");
    const options = await verifyOptions(invocation, config.get("verify")!);
    const result = await verifyBackup(repository, { cluster: config.get("cluster"), id }, await author(), options);
    if (result.outcome === "failed")
      runtime.log({ level: "error", message: `the backup in ${location} is damaged: ${result.failure!.message}. ${result.failure!.hint}` });
    return { location, result, failure: null };
  } catch (error) {
    const { code, message, hint } = expectedFailure(error, signal);
    runtime.log({ level: "warn", message: `the backup is stored, but was not read back from ${location}: ${message}. ${hint}`, fields: { code } });
    return { location, result: null, failure: { code, message, hint } };
  }
}
