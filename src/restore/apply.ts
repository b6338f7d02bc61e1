// Does what a plan says: one member's database is written from the source, edited, and read back; the other members get copies of it,
// since all members of a restored cluster hold the same bytes (etcd-formats §7.1); each gets its own WAL; then everything is renamed into place.
// Until that last step the targets hold nothing new but a staging directory, which is removed when anything fails.
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { allOrNothing } from "../bytes/all-or-nothing.ts";
import { notAsWritten } from "../bytes/copy-and-hash.ts";
import { formatId } from "../bytes/u64.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import { type PlannedCluster, planCluster } from "../etcd-files/membership/plan-cluster.ts";
import { encodeRestoreSnapshotFile, restoreSnapshotFileName } from "../etcd-files/raft-snapshot/encode.ts";
import { encodeRestoreWal } from "../etcd-files/wal/encode.ts";
import type { Runtime } from "../runtime.ts";
import type { Owner } from "./access.ts";
import { type EditedFile, editFault } from "./at-fault.ts";
import { editDatabaseFile } from "./edit.ts";
import { fileError } from "./file-error.ts";
import { grantAccess } from "./grant-access.ts";
import type { Journal } from "./journal.ts";
import { type LookOptions, requireEtcdStopped, requireUnlocked } from "./liveness-look.ts";
import { movesOf, withInodes } from "./moves.ts";
import type { PlannedRestoreMember, RestorePlan } from "./plan.ts";
import { leftoversIn } from "./replace.ts";
import { requestIdentity } from "./request-identity.ts";
import { checkWrittenDatabase, type HashKvValue } from "./self-check.ts";
import type { SnapshotSource } from "./source.ts";
import { createStage, discardStage, isNotOurs, nextRun, type StagedMember, takenOver, writeRaftFiles } from "./stage.ts";
import type { DirectoryFacts, TargetFacts } from "./target-facts.ts";
import { readTargets, requireTargets, requireUnchanged, runningUser, targetsOf } from "./targets.ts";
import { type FinishSteps, putInPlace, settleUnfinished } from "./unfinished.ts";
import { copyDatabase, writeDatabaseFile } from "./write.ts";

export type RestoreOptions = LookOptions &
  Pick<FinishSteps, "onPlaced"> & {
    readonly runtime: Runtime;
  };

export interface RestoreResult {
  readonly plan: RestorePlan;
  /** What every restored member answers at the revision that it starts with, until something is written; computed from the written file. */
  readonly hashKv: HashKvValue;
  /** Staging directories that an earlier, interrupted restore left; they hold nothing of use and are safe to remove. */
  readonly leftovers: readonly string[];
  /** When the restore began that this run has only finished: RFC 3339; null for one of its own. */
  readonly finishes: string | null;
}

/**
 * Does what the plan says, or, where an interrupted run of the same restore had everything ready, what is left of that one; what another one left half
 * done is undone first, and then planned again. Throws as `applyPlan`, ETCD_MAY_BE_ALIVE before anything is written, and RESTORE_UNFINISHED.
 */
export async function applyRestore(
  plan: RestorePlan,
  source: SnapshotSource,
  options: RestoreOptions & { planAgain?(): Promise<RestorePlan> },
): Promise<RestoreResult> {
  const { finished, hasUndone } = await settleUnfinished(plan, { ...options, requireStopped: () => requireEtcdStopped(plan, options) });
  if (finished !== undefined) return { ...finished.result, leftovers: (await readTargets(plan)).flatMap(leftoversIn), finishes: finished.startedAt };
  return applyPlan(hasUndone && options.planAgain !== undefined ? await options.planAgain() : plan, source, options);
}

/** Throws TARGET_NOT_EMPTY, TARGET_NO_SPACE, OWNER_NOT_PERMITTED, SNAPSHOT_* for a source that is no good, SELF_CHECK_FAILED. Nothing is in place then. */
async function applyPlan(planned: RestorePlan, source: SnapshotSource, options: RestoreOptions): Promise<RestoreResult> {
  const { plan, leftovers } = requireTargets(planned, await readTargets(planned));
  const cluster = clusterOf(plan);
  const stages: StagedMember[] = [];
  try {
    const targets = targetsOf(plan);
    const run = await nextRun(targets, plan.stageId);
    for (const target of targets) stages.push(await createStage(target, plan.stageId, run));
    const hashKv = await writeDatabases(plan, cluster, source, stages, options);
    for (const stage of stages) {
      const { access, replaces } = memberOf(plan, stage);
      await writeRaftFiles(stage, raftFiles(plan, cluster, stage.name));
      if (access !== null) await grantAccess(stage, access, replaces);
    }
    options.signal.throwIfAborted();
    const now = await readTargets(plan);
    requireUnchanged(plan, now);
    await requireUnlocked(plan, options);
    // Once more when no other can be started any more: one may have been until then.
    await putInPlace(await journalOf({ plan, hashKv }, stages, now, options.runtime.now()), {
      ...options,
      requireStopped: () => requireUnlocked(plan, options),
    });
    // What runs of the same plan left is gone.
    return { plan, hashKv, leftovers: leftovers.filter((path) => existsSync(path)), finishes: null };
  } catch (error) {
    const cause = hasCode(error, "RESTORE_UNFINISHED") || options.signal.aborted ? error : await causeOf(error, stages);
    // The last one first: a directory that several share was made for the first, and goes when it is empty.
    if (!hasCode(error, "RESTORE_UNFINISHED")) for (const stage of stages.toReversed()) await discardStage(stage);
    throw fileError(cause);
  }
}

/** Whatever fails where another run has removed the stage, fails because of that. */
async function causeOf(error: unknown, stages: readonly StagedMember[]): Promise<unknown> {
  for (const stage of stages) {
    const taken = await takenOver(stage);
    if (taken !== undefined) return taken;
  }
  return error;
}

function memberOf({ members }: RestorePlan, { name }: { readonly name: string }): PlannedRestoreMember {
  const member = members.find((each) => each.name === name);
  if (member === undefined) throw new EtcdsafeError("INTERNAL", `the plan has no member ${name}`);
  return member;
}

/** What moves where, once everything is staged. */
async function journalOf(result: Journal["result"], stages: readonly StagedMember[], facts: readonly TargetFacts[], startedAt: Date): Promise<Journal> {
  const { plan } = result;
  const moves = stages.flatMap((stage) => {
    const walNames = facts.find(({ name }) => name === stage.name)?.walDir?.names ?? [];
    return movesOf(stage, memberOf(plan, stage).replaces, walNames);
  });
  const withInode = await withInodes(moves);
  for (const { stageDir, inode } of stages) if (!withInode.some((move) => move.from === stageDir && move.inode === inode)) throw isNotOurs(stageDir);
  return {
    format: 1,
    id: plan.stageId,
    startedAt: startedAt.toISOString(),
    request: requestIdentity(plan),
    result,
    dataDirs: stages.map(({ dataDir }) => dataDir),
    moves: withInode,
    // Who is not root cannot give a directory away; but then it is his, or he writes there all the same.
    owners:
      plan.owner === null || runningUser().uid !== 0
        ? []
        : facts.flatMap(({ dataDir, walDir }) => [dataDir, walDir].flatMap((each) => ownerChange(each, plan.owner!))),
  };
}

/** Of a directory that was there: what is made for the restore gets its owner when it is staged. */
function ownerChange(directory: DirectoryFacts | null, to: Owner): Journal["owners"] {
  const from = directory?.access;
  if (!directory || !from || (from.uid === to.uid && from.gid === to.gid)) return [];
  return [{ path: directory.path, from: { uid: from.uid, gid: from.gid }, to }];
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
  const file = await writeDatabaseFile(source, first.databasePath, { ...options, skipHashCheck: plan.skipHashCheck });
  const edit = await editDatabaseFile(file, plan, { cluster, walDialect: plan.walDialect }, options).catch(async (error: unknown) => {
    throw await editFault(error, { ...file, plan }, options);
  });
  const { trailer } = file;
  const hashKv = await checkAndSync({ ...file, plan, edit }, options);
  for (const { databasePath: path } of others) {
    await copyDatabase(first.databasePath, path, plan.source.databaseSizeBytes, options);
    const found = await checkAndSync({ path, plan, edit, trailer, proof: "checked" }, options);
    // Where the source has no hash at its end, this is all that tells one copy from the other.
    if (found.hash !== hashKv.hash) throw notAsWritten(`${path} has the HashKV ${found.hash} instead of ${hashKv.hash}, as ${first.databasePath} has`);
  }
  return hashKv;
}

/** Reads the file back while the disk takes it, and resolves when both are done. A file that the check completes is synced when it is whole. */
async function checkAndSync(written: EditedFile, options: RestoreOptions): Promise<HashKvValue> {
  if (written.copyFrom === undefined) return (await allOrNothing(checkWrittenDatabase(written, options), syncFile(written.path)))[0];
  const hashKv = await checkWrittenDatabase(written, options);
  await syncFile(written.path);
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

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
