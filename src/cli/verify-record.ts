// What a run of `verify` leaves for metrics and messages: what it found, of which clusters, and whether it was all that a schedule wants looked at.
import { listBriefly } from "../repository/catalogue.ts";
import { distinctPlaces } from "../storage/place.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import { asEtcdsafeError } from "./report-error.ts";
import { openForJudging } from "./repository.ts";
import type { Verified } from "./verified-text.ts";

/** `exitCodeOf`: what a run that found these comes to. */
export function noteVerification(
  { config, operands, record }: Pick<Invocation, "config" | "operands" | "record">,
  verified: readonly Verified[],
  exitCodeOf: (some: readonly Verified[]) => number,
): void {
  if (record === undefined) return;
  record.noteVerified(verified);
  record.isOfNoCluster = verified.length > 0 && verified.every((each) => !("cluster" in each));
  for (const cluster of clustersOf(verified)) {
    // A repository that could not be read may hold something of each.
    const about = verified.filter((each) => [cluster, null].includes(clusterOf(each)));
    if (config.get("all-clusters")) record.noteCluster(cluster, exitCodeOf(about));
    // One that somebody names says nothing of the others.
    if (operands.length === 0 || operands[0] === "latest") record.noteLook(cluster, config.get("level"), about);
  }
}

/**
 * Looks up how many backups of these clusters are on record as damaged, in all repositories together: what a look at `latest` does not read is not good by that. Where one
 * repository cannot be read, what was told before stays.
 */
export async function noteDamage(invocation: Invocation, verified: readonly Verified[]): Promise<void> {
  const { config, record, runtime, signal } = invocation;
  if (record === undefined || (config.get("textfile") === undefined && config.get("pushgateway") === undefined)) return;
  for (const cluster of clustersOf(verified)) {
    try {
      let backups = 0;
      for (const location of distinctPlaces(config.all("repository"))) {
        const entries = await listBriefly(await openForJudging(inRepository(invocation, location)), cluster, invocation);
        backups += entries.filter((entry) => entry.manifest !== null && entry.state === "damaged").length;
      }
      record.damaged.push({ cluster, backups });
    } catch (error) {
      if (signal.aborted) return; // All was verified: that it was stopped is no news.
      runtime.log({ level: "warn", message: `how many backups of ${cluster} are damaged is not known: ${asEtcdsafeError(error).message}` });
    }
  }
}

function clustersOf(verified: readonly Verified[]): Set<string> {
  return new Set(verified.map(clusterOf).filter((cluster) => cluster !== null));
}

/** Null of what is no cluster's, and of a repository that could not be read. */
function clusterOf(verified: Verified): string | null {
  return "cluster" in verified ? verified.cluster : null;
}
