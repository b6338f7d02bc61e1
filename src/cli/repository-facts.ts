// How much the repositories that a command's options name hold of its cluster.
import type { RepositoryFacts } from "../metrics/run-facts.ts";
import { backupsPrefix } from "../repository/names.ts";
import { distinctPlaces, placeOf } from "../storage/place.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { asEtcdsafeError } from "./report-error.ts";
import { openStorageForReading } from "./repository.ts";

/** Whoever is to hear of it waits for no longer than 10 s for all. */
const LISTING_LIMIT_MS = 6_000;

/** By one listing of each, all at the same time. Of one that cannot be listed, or not in time, there is a warning; throws when aborted. */
export async function repositoryFacts(invocation: Invocation, limitMs: number = LISTING_LIMIT_MS): Promise<RepositoryFacts[]> {
  const { config, runtime, signal } = invocation;
  const limited = { ...invocation, signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]) };
  const listed = distinctPlaces(config.all("repository")).map(async (location) => {
    try {
      return [await factsOf(inRepository(limited, location), location)];
    } catch (error) {
      signal.throwIfAborted();
      const why = limited.signal.aborted ? `no answer within ${limitMs / 1000} s` : asEtcdsafeError(error).message;
      runtime.log({ level: "warn", message: `what is in ${location}: ${why}` });
      return [];
    }
  });
  return (await Promise.all(listed)).flat();
}

async function factsOf(invocation: Invocation, location: string): Promise<RepositoryFacts> {
  const cluster = invocation.config.get("cluster");
  const storage = await openStorageForReading(invocation);
  let [backups, sizeBytes] = [0, 0];
  for await (const object of storage.list(backupsPrefix(cluster), invocation)) {
    if (object.key.endsWith("/manifest.json")) backups++;
    sizeBytes += object.sizeBytes;
  }
  return { store: placeOf(location).kind, cluster, backups, sizeBytes };
}
