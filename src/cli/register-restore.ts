// Tells the repository of a restore.
import { hasCode } from "../errors.ts";
import type { DatabasePlan } from "../restore/database-plan.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { FoundRestored } from "../restore/record.ts";
import type { SourceFacts } from "../restore/source.ts";
import type { LogEvent } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import type { Invocation } from "./command.ts";
import { author, openNamedStorage } from "./repository.ts";

/**
 * Lets the restored cluster save under the same name, where a repository is named. One that cannot be registered is restored all the same; false then.
 * `found`: what an earlier run restored.
 */
export async function registerRestore(invocation: Invocation, plan: RestorePlan, found?: FoundRestored): Promise<boolean> {
  if (plan.copy) return true;
  const cluster = clusterOf(invocation, plan.source);
  const again = invocation.config.get("from-plan") === undefined ? "" : "run the same command again, which only records it then; else, ";
  return register(invocation, plan.source, {
    record: async (storage) => {
      const { recordRestore } = await import("../restore/record.ts");
      const passedTo = await recordRestore(storage, cluster, await author(), plan, { ...invocation, found });
      return passedTo === null ? registered(cluster) : overtaken(cluster, plan, passedTo);
    },
    otherwise: `${again}before the new cluster saves there, run \`etcdsafe repo adopt\`, and until it has saved, tell each restore of this one: --evidence ${plan.revision.after}, or more where the cluster has shown more`,
  });
}

/** Lets the next restore go beyond what the snapshot file that was written may serve, where a repository is named. False where it could not. */
export async function registerSnapshotFile(invocation: Invocation, plan: DatabasePlan): Promise<boolean> {
  if (invocation.config.get("copy")) return true;
  const cluster = clusterOf(invocation, plan.source);
  return register(invocation, plan.source, {
    record: async (storage) => {
      await (await import("../restore/record.ts")).recordSnapshotFile(storage, cluster, await author(), plan, invocation);
      return { level: "info", message: `noted in the repository: a later restore of ${cluster} goes beyond revision ${plan.revision.after}` };
    },
    otherwise: `the next restore has to be told of this one: --evidence ${plan.revision.after}`,
  });
}

function registered(cluster: string): LogEvent {
  return { level: "info", message: `registered as the successor of ${cluster} in the repository: once it has saved there, the former cluster is refused` };
}

function overtaken(cluster: string, { clusterId, revision }: RestorePlan, passedTo: string): LogEvent {
  const message =
    `cluster ${clusterId}, which this plan restored, is not registered as the successor of ${cluster}: the name has passed to cluster ${passedTo} since. ` +
    `That it began at revision ${revision.after} is on record, so that later restores go beyond it. If it really is the successor, and not ${passedTo}, run \`etcdsafe repo adopt\` from it`;
  return { level: "warn", message };
}

interface Registration {
  /** Returns what to say once it is on record. */
  record(storage: Storage): Promise<LogEvent>;
  /** What to do where it could not be put there. */
  readonly otherwise: string;
}

async function register(invocation: Invocation, source: SourceFacts, { record, otherwise }: Registration): Promise<boolean> {
  const { config, runtime } = invocation;
  // Where another tool keeps its backups nothing is written; the plan says so.
  if (config.get("repository") === undefined || source.kind === "foreign") return true;
  try {
    runtime.log(await record(await openNamedStorage(invocation)));
    return true;
  } catch (error) {
    // A file may be restored before there is a repository: then there is no former cluster in it either, and the first save makes it.
    // And restored out of a repository's past, when nothing is left of it now.
    const mayBeMissing = source.kind === "snapshot-file" || config.get("as-of") !== undefined;
    if (mayBeMissing && hasCode(error, "REPOSITORY_NOT_FOUND")) return true;
    runtime.log({ level: "warn", message: `the restore could not be recorded in the repository (${(error as Error).message}); ${otherwise}` });
    return false;
  }
}

function clusterOf({ config }: Invocation, source: SourceFacts): string {
  return source.cluster ?? config.get("cluster");
}
