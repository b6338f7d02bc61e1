// How much the repositories that a command's options name hold of its cluster.
import type { RepositoryFacts } from "../metrics/run-facts.ts";
import { backupsPrefix } from "../repository/names.ts";
import { distinctPlaces, placeOf } from "../storage/place.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { openStorageForReading } from "./repository.ts";

/** By one listing of each. */
export async function repositoryFacts(invocation: Invocation): Promise<RepositoryFacts[]> {
  const cluster = invocation.config.get("cluster");
  const all: RepositoryFacts[] = [];
  for (const location of distinctPlaces(invocation.config.all("repository"))) {
    const storage = await openStorageForReading(inRepository(invocation, location));
    let [backups, sizeBytes] = [0, 0];
    for await (const object of storage.list(backupsPrefix(cluster), invocation)) {
      if (object.key.endsWith("/manifest.json")) backups++;
      sizeBytes += object.sizeBytes;
    }
    all.push({ store: placeOf(location).kind, cluster, backups, sizeBytes });
  }
  return all;
}
