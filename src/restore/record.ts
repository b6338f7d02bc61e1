// Registers a restore in a repository, so that the new cluster may save under the same name and no later restore goes below it:
// docs/repository-format.md, "Restore records".
import { isDeepStrictEqual } from "node:util";
import { readClusterFile } from "../repository/cluster-file.ts";
import { type Author, openRepository } from "../repository/repository.ts";
import { resolveBackup } from "../repository/resolve.ts";
import { type RestoreRecord, readRestoreRecords, writeRestoreRecord } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import type { DatabasePlan } from "./database-plan.ts";
import type { RestorePlan } from "./plan.ts";

type RestoreFacts = Parameters<typeof writeRestoreRecord>[3];
type RecordOptions = CallOptions & { readonly runtime: Pick<Runtime, "now"> };

/**
 * `cluster` is the name whose backups it succeeds. Writes nothing where another member's run has put the same restore on record. `isStarted`: the restored
 * cluster has run since, so that a record that has let it in already is of this restore.
 */
export async function recordRestore(
  storage: Storage,
  cluster: string,
  author: Author,
  plan: RestorePlan,
  options: RecordOptions & { readonly isStarted?: boolean },
): Promise<void> {
  const { clusterId } = plan;
  const members = plan.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls: [...peerUrls] }));
  const facts = { ...(await databaseFacts(storage, cluster, plan, options)), clusterId, purpose: "cluster", members } as const;
  if (!(await isOnRecord(storage, cluster, facts, options))) await writeRestoreRecord(storage, cluster, author, facts, options);
}

/** A snapshot file, whose revisions whoever restores it will serve: under which cluster id and with which members, only that one knows. */
export async function recordSnapshotFile(storage: Storage, cluster: string, author: Author, plan: DatabasePlan, options: RecordOptions): Promise<void> {
  const facts = { ...(await databaseFacts(storage, cluster, plan, options)), clusterId: null, purpose: "snapshot-file" } as const;
  await writeRestoreRecord(storage, cluster, author, { ...facts, members: [] }, options);
}

async function databaseFacts(storage: Storage, cluster: string, { source, revision }: Pick<DatabasePlan, "source" | "revision">, options: RecordOptions) {
  const repository = await openRepository(storage, options);
  const manifest = source.backupId === null ? undefined : (await resolveBackup(repository, cluster, source.backupId, options)).manifest;
  return {
    restoredAt: options.runtime.now().toISOString(),
    source: { backup: source.backupId, rawSha256: manifest?.objects.find(({ role }) => role === "snapshot")?.rawSha256 ?? null, location: source.location },
    parent: { clusterId: manifest?.clusterId ?? null, timeline: manifest?.timeline ?? null, revision: source.revision },
    revisionAfter: revision.after,
    markCompacted: revision.markCompacted,
  };
}

/** A record that has let its cluster in already says nothing about a restore after that. */
async function isOnRecord(
  storage: Storage,
  cluster: string,
  facts: RestoreFacts & { readonly clusterId: string },
  options: CallOptions & { readonly isStarted?: boolean },
): Promise<boolean> {
  const used = options.isStarted ? new Set() : new Set((await readClusterFile(storage, cluster, options))?.file.bindings.map(({ restore }) => restore));
  const records = await readRestoreRecords(storage, cluster, facts.clusterId, options);
  return records.some(({ key, record }) => !used.has(key) && isDeepStrictEqual(restored(record), restored(facts)));
}

/** A file may have another path on each host. */
function restored({ purpose, source, parent, revisionAfter, markCompacted, members }: RestoreFacts | RestoreRecord) {
  return { purpose, backup: source.backup, parent, revisionAfter, markCompacted, members };
}
