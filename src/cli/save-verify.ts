// `save --verify LEVEL`: what was just stored is read back from each repository that has it. What is found there leaves the save as it is.
import type { Saved } from "../backup/save-target.ts";
import type { BackupVerification } from "../verify/verify.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { type Failure, failureBehind } from "./report-error.ts";
import { author, openForVerifying } from "./repository.ts";
import { verifyOptions } from "./verify-options.ts";

export interface VerifiedRepository {
  readonly location: string;
  /** Null where it could not be read back, as `failure` says. */
  readonly result: BackupVerification | null;
  readonly failure: Failure | null;
}

/** Nothing where nobody asked for it. An abort leaves what is still to be read unread: it says so of each. */
export async function* verifyAfterSave(invocation: Invocation, saved: Saved, locations: readonly (string | undefined)[]): AsyncGenerator<VerifiedRepository> {
  const { manifest, repositories } = saved;
  if (invocation.config.get("verify") === undefined || manifest === null) return;
  for (const [index, location] of locations.entries()) {
    const isThere = (repositories?.[index]?.failure ?? null) === null;
    if (isThere) yield await verifyIn(inRepository(invocation, location), manifest.id);
  }
}

async function verifyIn(invocation: Invocation, id: string): Promise<VerifiedRepository> {
  const { config, runtime, signal } = invocation;
  let location = config.get("repository") ?? "";
  try {
    signal.throwIfAborted();
    const repository = await openForVerifying(invocation);
    location = repository.storage.location;
    const { verifyBackup } = await import("../verify/verify.ts");
    const options = await verifyOptions(invocation, config.get("verify")!);
    const result = await verifyBackup(repository, { cluster: config.get("cluster"), id }, await author(), options);
    if (result.outcome === "failed")
      runtime.log({ level: "error", message: `the backup in ${location} is damaged: ${result.failure!.message}. ${result.failure!.hint}` });
    return { location, result, failure: null };
  } catch (error) {
    const { code, message, hint } = failureBehind(error, signal, `\`etcdsafe verify ${id}\` reads it back.`);
    runtime.log({ level: "warn", message: `the backup is stored, but was not read back from ${location}: ${message}. ${hint}`, fields: { code } });
    return { location, result: null, failure: { code, message, hint } };
  }
}
