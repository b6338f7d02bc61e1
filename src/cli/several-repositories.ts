// What is asked of the repositories of one save together, before etcd is asked for anything.
import type { Config } from "../config/config.ts";
import { originText } from "../config/origin.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type AskedEncryption, chooseEncryption } from "../repository/encryption-policy.ts";
import { REPOSITORY_KEY } from "../repository/names.ts";
import { openRepository } from "../repository/repository.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";

/** A store that has not answered by then holds the others no longer: it is asked again when the backup is stored there. */
const ANSWER_LIMIT_MS = 10_000;

/** Throws USAGE for what only one repository can have. */
export function requireOneEach(config: Config, locations: readonly string[]): void {
  const several = `${locations.length} repositories are named (${originText(config.origin("repository"))})`;
  if (config.get("no-spool"))
    throw new EtcdsafeError("USAGE", `--no-spool: ${several}, and without a local copy the slowest of them would hold etcd`, {
      hint: "Save to one, and `etcdsafe copy` to the others.",
    });
  if (config.get("state-url") !== undefined)
    throw new EtcdsafeError("USAGE", `--state-url: ${several}, and each has a state of its own`, { hint: "Save to one, and `etcdsafe copy` to the others." });
}

/** Throws ENCRYPTION_REQUIRED where one of them would refuse the backup as it is asked for, with nothing written to any. */
export async function requireEncryption(
  repositories: readonly { readonly storage: Storage; readonly isOnThisHost: boolean }[],
  asked: AskedEncryption,
  { signal }: CallOptions,
): Promise<void> {
  if (typeof asked === "object") return;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
  const looking = repositories.map(async ({ storage, isOnThisHost }) => {
    const exists = (await storage.stat(REPOSITORY_KEY, { signal: limited })) !== undefined;
    const policy = exists ? (await openRepository(storage, { signal: limited })).file.policy.encryption : undefined;
    chooseEncryption(asked, policy, { location: storage.location, isOnThisHost });
  });
  const ended = await Promise.allSettled(looking);
  signal.throwIfAborted();
  for (const each of ended) {
    const error: unknown = each.status === "rejected" ? each.reason : undefined; // All else is that store's own, and may be over by then.
    if (hasCode(error, "ENCRYPTION_REQUIRED")) throw error;
  }
}
