// Does what a plan says: one member's database is written from the source, edited, and read back; the other members get copies of it,
// since all members of a restored cluster hold the same bytes (etcd-formats §7.1); each gets its own WAL; then everything is renamed into place.
// Until that last step the targets hold nothing but a staging directory, which is removed when anything fails.
import { open, statfs } from "node:fs/promises";
import { allOrNothing } from "../bytes/all-or-nothing.ts";
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import { type PlannedCluster, planCluster } from "../etcd-files/membership/plan-cluster.ts";
import { encodeRestoreSnapshotFile, restoreSnapshotFileName } from "../etcd-files/raft-snapshot/encode.ts";
import { encodeRestoreWal } from "../etcd-files/wal/encode.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { DatabaseEdit } from "./database.ts";
import { editDatabaseFile } from "./edit.ts";
import { fileError } from "./file-error.ts";
import type { RestorePlan } from "./plan.ts";
import { checkWrittenDatabase, type HashKvValue, type WrittenDatabase } from "./self-check.ts";
import type { SnapshotSource } from "./source.ts";
import { commitStage, createStage, discardStage, requireEmptyTarget, type StagedMember, writeRaftFiles } from "./stage.ts";
import { copyDatabase, writeDatabaseFile } from "./write.ts";

export type RestoreOptions = CallOptions & { readonly runtime: Runtime };

export interface RestoreResult {
  readonly plan: RestorePlan;
  /** What every restored member answers at the revision that it starts with, until something is written; computed from the written file. */
  readonly hashKv: HashKvValue;
  /** Staging directories that an earlier, interrupted restore left; they hold nothing of use and are safe to remove. */
  readonly leftovers: readonly string[];
}

/** Throws TARGET_NOT_EMPTY, TARGET_NO_SPACE, SNAPSHOT_* for a source that is no good, SELF_CHECK_FAILED. Nothing is in place then. */
export async function applyRestore(plan: RestorePlan, source: SnapshotSource, options: RestoreOptions): Promise<RestoreResult> {
  const cluster = clusterOf(plan);
  const targets = plan.members.flatMap(({ name, dataDir, walDir }) => (dataDir === null ? [] : [{ name, dataDir, walDir: walDir ?? undefined }]));
  const leftovers: string[] = [];
  for (const target of targets) leftovers.push(...(await requireEmptyTarget(target)));
  const stages: StagedMember[] = [];
  try {
    for (const target of targets) stages.push(await createStage(target, plan.stageId));
    await requireSpace(plan, stages);
    const hashKv = await writeDatabases(plan, cluster, source, stages, options);
    for (const stage of stages) await writeRaftFiles(stage, raftFiles(plan, cluster, stage.name));
    options.signal.throwIfAborted();
    for (const stage of stages) await commitStage(stage);
    return { plan, hashKv, leftovers };
  } catch (error) {
    for (const stage of stages) await discardStage(stage);
    throw fileError(error);
  }
}

async function writeDatabases(
  plan: RestorePlan,
  cluster: PlannedCluster,
  source: SnapshotSource,
  stages: readonly StagedMember[],
  options: RestoreOptions,
): Promise<HashKvValue> {
  const [first, ...others] = stages;
  if (first === undefined) throw new EtcdsafeError("INTERNAL", "the restore plan names no directory to write");
  const trailer = await writeDatabaseFile(source, first.databasePath, { ...options, skipHashCheck: plan.skipHashCheck });
  const edit: DatabaseEdit = await editDatabaseFile(first.databasePath, plan, { cluster, walDialect: plan.walDialect }, options);
  const hashKv = await checkWhileSyncing(first.databasePath, { plan, edit, trailer }, options);
  for (const stage of others) {
    await copyDatabase(first.databasePath, stage.databasePath, plan.source.databaseSizeBytes, options);
    await checkWhileSyncing(stage.databasePath, { plan, edit, trailer }, options);
  }
  return hashKv;
}

/** Reads the file back while the disk takes it, and resolves when both are done. */
async function checkWhileSyncing(path: string, written: WrittenDatabase, options: RestoreOptions): Promise<HashKvValue> {
  const [hashKv] = await allOrNothing(checkWrittenDatabase(path, written, options), syncFile(path));
  return hashKv;
}

function raftFiles(plan: RestorePlan, cluster: PlannedCluster, name: string): { wal: Uint8Array; snapName: string; snap: Uint8Array } {
  const member = cluster.members.find((each) => each.name === name);
  if (member === undefined) throw new EtcdsafeError("INTERNAL", `the plan has no member ${name}`);
  return {
    wal: encodeRestoreWal({ memberId: member.id, clusterId: cluster.clusterId, members: cluster.members, dialect: plan.walDialect }),
    snapName: restoreSnapshotFileName(cluster.members.length),
    snap: encodeRestoreSnapshotFile({ members: cluster.members, dialect: plan.walDialect }),
  };
}

/** The ids follow from names, URLs and token; a plan that says otherwise was altered. */
function clusterOf(plan: RestorePlan): PlannedCluster {
  const cluster = planCluster(plan.members, plan.token);
  if (formatId(cluster.clusterId) !== plan.clusterId)
    throw new EtcdsafeError("INTERNAL", `the plan's cluster id ${plan.clusterId} does not follow from its members and token`);
  return cluster;
}

async function requireSpace(plan: RestorePlan, stages: readonly StagedMember[]): Promise<void> {
  const neededBytes = new Map<bigint, { directory: string; sizeBytes: number }>();
  for (const { dataDir, device } of stages) {
    const entry = neededBytes.get(device) ?? { directory: dataDir, sizeBytes: 0 };
    entry.sizeBytes += plan.bytes.databasePerMember + plan.bytes.walPerMember;
    neededBytes.set(device, entry);
  }
  for (const { directory, sizeBytes } of neededBytes.values()) {
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize < sizeBytes)
      throw new EtcdsafeError(
        "TARGET_NO_SPACE",
        `the restore needs ${sizeBytes} bytes on the file system of ${directory}, but only ${bavail * bsize} are free`,
      );
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
