// Registers a restore in a repository, so that the new cluster may save under the same name and no later restore goes below it:
// docs/repository-format.md, "Restore records".
import { isDeepStrictEqual } from "node:util";
import { isOutdated } from "../repository/binding.ts";
import { type ClusterFile, readClusterFile } from "../repository/cluster-file.ts";
import { type Author, openRepository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import { type RestoreRecord, readRestoreRecords, writeRestoreRecord } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import type { DatabasePlan } from "./database-plan.ts";
import type { RestorePlan } from "./plan.ts";

type RestoreFacts = Parameters<typeof writeRestoreRecord>[3];
type RecordOptions = CallOptions & { readonly runtime: Pick<Runtime, "now"> };

/** What an earlier run restored, and this one found. */
export interface FoundRestored {
  /** RFC 3339; not later than it was. */
  readonly restoredAt: string;
  /** Whether it has run since, so that a record that has let it in already is of this restore. */
  readonly isStarted: boolean;
}

/**
 * `cluster` is the name whose backups it succeeds. Writes nothing where another member's run has put the same restore on record. Returns the cluster that the
 * name has passed to since what was found was restored, which lets no other in any more; later restores go beyond both all the same. Else null.
 */
export async function recordRestore(
  storage: Storage,
  cluster: string,
  author: Author,
  plan: RestorePlan,
  options: RecordOptions & { readonly found?: FoundRestored | undefined },
): Promise<string | null> {
  const { clusterId } = plan;
  const { found, runtime } = options;
  const members = plan.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls: [...peerUrls] }));
  const bound = (await readClusterFile(storage, cluster, options))?.file;
  const database = await databaseFacts(storage, cluster, plan, options);
  const isAfterBinding = found === undefined || boundOnlyNow(database.parent.clusterId, bound);
  const time = found?.restoredAt ?? runtime.now().toISOString();
  const restoredAt = isAfterBinding ? timeAfterBinding(time, bound) : time;
  const facts = { ...database, restoredAt, clusterId, purpose: "cluster", members } as const;
  const isPassedOver = isOutdated(restoredAt, bound);
  const used = new Set(bound?.bindings.map(({ restore }) => restore));
  // A record that has let its cluster in already says nothing about a restore after that.
  const recorded = (await sameOnRecord(storage, cluster, facts, options)).filter(({ key }) => found?.isStarted || !used.has(key));
  const current = recorded.filter(({ record }) => !isOutdated(record.restoredAt, bound));
  if ((isPassedOver ? recorded : current).length === 0) await writeRestoreRecord(storage, cluster, author, facts, options);
  const isLetIn = !isPassedOver || current.some(({ key }) => !used.has(key));
  return isLetIn || bound === undefined || bound.clusterId === clusterId ? null : bound.clusterId;
}

/** A snapshot file, whose revisions whoever restores it will serve: under which cluster id and with which members, only that one knows. */
export async function recordSnapshotFile(storage: Storage, cluster: string, author: Author, plan: DatabasePlan, options: RecordOptions): Promise<void> {
  const restoredAt = options.runtime.now().toISOString();
  const facts = { ...(await databaseFacts(storage, cluster, plan, options)), restoredAt, clusterId: null, purpose: "snapshot-file" } as const;
  await writeRestoreRecord(storage, cluster, author, { ...facts, members: [] }, options);
}

/** For what came after every binding that is there, also where the clock of the host that saved is ahead of this one's. */
function timeAfterBinding(time: string, bound: ClusterFile | undefined): string {
  const last = bound?.bindings.at(-1);
  return last !== undefined && isOutdated(time, bound) ? new Date(last.boundAt).toISOString() : time;
}

/** Whether a backup of that cluster was made after the last binding, and a restore of it therefore as well: before, nobody stored any of it. */
function boundOnlyNow(clusterId: string | null, bound: ClusterFile | undefined): boolean {
  const bindings = bound?.bindings ?? [];
  return bindings.at(-1)?.clusterId === clusterId && bindings.filter((each) => each.clusterId === clusterId).length === 1;
}

async function databaseFacts(storage: Storage, cluster: string, { source, revision }: Pick<DatabasePlan, "source" | "revision">, options: CallOptions) {
  const repository = await openRepository(storage, options);
  const manifest = source.backupId === null ? undefined : (await resolveBackup(repository, cluster, source.backupId, options)).manifest;
  return {
    source: { backup: source.backupId, rawSha256: manifest?.objects.find(({ role }) => role === "snapshot")?.rawSha256 ?? null, location: source.location },
    parent: { clusterId: manifest?.clusterId ?? null, timeline: manifest?.timeline ?? null, revision: source.revision },
    revisionAfter: revision.after,
    markCompacted: revision.markCompacted,
  };
}

async function sameOnRecord(storage: Storage, cluster: string, facts: RestoreFacts & { readonly clusterId: string }, options: CallOptions) {
  const records = await readRestoreRecords(storage, cluster, facts.clusterId, options);
  return records.filter(({ record }) => isDeepStrictEqual(restored(record), restored(facts)));
}

/** A file may have another path on each host. */
function restored({ purpose, source, parent, revisionAfter, markCompacted, members }: RestoreFacts | RestoreRecord) {
  return { purpose, backup: source.backup, parent, revisionAfter, markCompacted, members };
}
