// What a run of `verify` leaves for metrics and messages: what it found, of which clusters, and whether it was all that a schedule wants looked at.
import type { Invocation } from "./command.ts";
import type { Verified } from "./verified-text.ts";

/** `exitCodeOf`: what a run that found these comes to. */
export function noteVerification(
  { config, operands, record }: Pick<Invocation, "config" | "operands" | "record">,
  verified: readonly Verified[],
  exitCodeOf: (some: readonly Verified[]) => number,
): void {
  if (record === undefined) return;
  record.noteVerified(verified);
  const clusterOf = (each: Verified) => ("cluster" in each ? each.cluster : null);
  for (const cluster of new Set(verified.map(clusterOf))) {
    if (cluster === null) continue;
    // A repository that could not be read may hold something of each.
    const about = verified.filter((each) => [cluster, null].includes(clusterOf(each)));
    if (config.get("all-clusters")) record.noteCluster(cluster, exitCodeOf(about));
    // One that somebody names says nothing of the others.
    if (operands.length === 0 || operands[0] === "latest") record.noteLook(cluster, config.get("level"), about);
  }
}
