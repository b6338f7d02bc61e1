// `etcdsafe restore --from-plan FILE`: one host's part of a plan that was printed before. Options that plan are refused here.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import type { OwnMember } from "../restore/found-member.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { FoundForPlan } from "../restore/saved-plan.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { PARTLY_DONE } from "./exit-codes.ts";
import { printPlan } from "./print-plan.ts";
import { registerRestore } from "./register-restore.ts";
import { evidenceFromRepository } from "./restore-evidence.ts";
import { openSource } from "./restore-source.ts";
import { inPlaceText } from "./restore-text.ts";
import { version } from "./version.ts";

export interface PlannedRun {
  readonly plan: RestorePlan;
  readonly source: SnapshotSource;
}

/**
 * The plan for this host and the source it is about, or the exit code where `--plan` only shows it, or where all of it is done already. Throws PLAN_MISMATCH
 * where something is not as planned.
 */
export async function openPlannedRun(invocation: Invocation, file: string): Promise<PlannedRun | number> {
  const { config } = invocation;
  const { planForMember, readSavedPlan, requireAsPlanned } = await import("../restore/saved-plan.ts");
  const saved = readSavedPlan(file, await readText(file), version());
  // Elsewhere than on the command line it may be the default of saves.
  const member = config.origin("member").kind === "flag" ? config.get("member") : undefined;
  if (config.get("plan") && member === undefined) return printPlan(invocation, saved, { file });
  const plan = planForMember(saved, member);
  const done = await doneAlready(plan, invocation);
  if (done !== undefined) return printInPlace(invocation, plan, done);
  const source = await openSource(invocation, invocation.operands[0] ?? saved.source.backupId ?? saved.source.location);
  const isBegun = await isInterrupted(plan);
  const unsignedSha256 = saved.unsignedSha256 === null ? null : await unsignedHash(source, invocation);
  requireAsPlanned(plan, { source: source.facts, unsignedSha256, ...(isBegun ? NOTHING_NEW : await evidenceNow(plan, invocation)) });
  const warnings = isBegun ? [] : await carriedOutBefore(plan, invocation);
  if (config.get("plan")) {
    for (const message of warnings) invocation.runtime.log({ level: "warn", message });
    return printPlan(invocation, plan, { file, member });
  }
  return { plan: { ...plan, warnings: [...plan.warnings, ...warnings] }, source: { ...source, facts: plan.source } };
}

/** Runs `restore` by `plan`; where that lacks --replace, the hint says so: nothing can be added to a plan. */
export async function byPlan<T>(plan: RestorePlan, restore: () => Promise<T>): Promise<T> {
  try {
    return await restore();
  } catch (error) {
    const { REPLACE_WAY } = await import("../restore/replace.ts");
    if (!(error instanceof EtcdsafeError) || error.hint !== REPLACE_WAY || plan.replace) throw error;
    throw new EtcdsafeError(error.code, error.message, {
      hint: "The plan was made without --replace. Where etcd is stopped, no member of this plan was started anywhere, and this is to be replaced, plan again with --replace and use the new plan on every host, those that are restored already among them; what is there is kept beside, under another name. Nothing was written.",
      cause: error,
    });
  }
}

/** Whether an earlier run of this was interrupted when it put its files in place: what lies there may be its own, and all was compared before. */
async function isInterrupted(plan: RestorePlan): Promise<boolean> {
  const [{ findUnfinished }, { requestIdentity }] = await Promise.all([import("../restore/unfinished.ts"), import("../restore/request-identity.ts")]);
  const unfinished = await findUnfinished(plan.members.flatMap(({ dataDir }) => dataDir ?? []));
  return unfinished.some(({ journal }) => journal.request === requestIdentity(plan));
}

/** Warnings. Throws TOKEN_USED. */
async function carriedOutBefore(plan: RestorePlan, invocation: Invocation): Promise<string[]> {
  const [{ requireNotCarriedOut }, { useInRepository }] = await Promise.all([import("../restore/used-token.ts"), import("./restore-token.ts")]);
  return requireNotCarriedOut(plan, await useInRepository(invocation, plan));
}

/** The members of this run, where this very plan has put all of them in place before. Throws PLAN_MISMATCH for one that has served since, or another host's. */
async function doneAlready(plan: RestorePlan, invocation: Invocation): Promise<readonly OwnMember[] | undefined> {
  const [{ foundMembers, goneOn, otherMembersDirectory, ownMember }, { tokenUsed, usedBy }] = await Promise.all([
    import("../restore/found-member.ts"),
    import("../restore/used-token.ts"),
  ]);
  const found = await foundMembers(plan, invocation);
  for (const each of found) {
    const other = otherMembersDirectory(plan, each);
    if (other === undefined) continue;
    throw new EtcdsafeError("PLAN_MISMATCH", `${other.text}: this looks like the host of ${other.name}`, {
      hint: `Say --member ${other.name} on this host. If it is the right one all the same, move that directory away first. Nothing was written.`,
    });
  }
  const own = found.flatMap((each) => ownMember(plan, each) ?? []);
  const started = own.find(({ state }) => state === "gone on");
  if (started !== undefined) {
    // A member of this plan begins at its revision.
    if (started.revision !== null && BigInt(started.revision) < BigInt(plan.revision.after)) throw tokenUsed(plan, usedBy(started));
    // The run that restored it may not have been able to tell the repository; what it serves, the next restore has to go beyond.
    if (!invocation.config.get("plan")) await registerRestore(invocation, plan, { restoredAt: started.restoredAt, isStarted: true });
    throw goneOn(started, plan);
  }
  const written = plan.members.filter(({ dataDir }) => dataDir !== null);
  return own.length > 0 && own.length === written.length ? own : undefined;
}

async function printInPlace(invocation: Invocation, plan: RestorePlan, [first, ...others]: readonly OwnMember[]): Promise<number> {
  const { output, signal } = invocation;
  const { restoredHashKv } = await import("../restore/self-check.ts");
  const hashKv = await restoredHashKv(join(first!.memberDir, "snap", "db"), plan, { signal });
  const names = [first!, ...others].map(({ name }) => name);
  // The run that put them in place may not have been able to tell the repository.
  const registered = invocation.config.get("plan") || (await registerRestore(invocation, plan, { restoredAt: first!.restoredAt, isStarted: false }));
  output.print({ plan, hashKv, leftovers: [], finishes: null, inPlace: names }, () => inPlaceText(plan, names, hashKv));
  return registered ? 0 : PARTLY_DONE;
}

type EvidenceNow = Pick<FoundForPlan, "evidence" | "ownBackup">;
const NOTHING_NEW: EvidenceNow = { evidence: [], ownBackup: null };

/** What this host's directories and the repository show now. A repository that cannot be read shows nothing, which is said. */
async function evidenceNow(plan: RestorePlan, invocation: Invocation): Promise<EvidenceNow> {
  const [{ dataDirectoryEvidence }, { targetsOf }] = await Promise.all([import("../restore/evidence-files.ts"), import("../restore/targets.ts")]);
  const { source, clusterId } = plan;
  const here = await Promise.all(targetsOf(plan).map(({ dataDir, walDir }) => dataDirectoryEvidence(dataDir, walDir, invocation)));
  const stored = await evidenceFromRepository(invocation, { sourceId: source.backupId, clusterIds: [clusterId] });
  for (const message of stored.warnings) invocation.runtime.log({ level: "warn", message });
  return { evidence: [...here, stored].flatMap(({ found }) => found), ownBackup: stored.ofKnown };
}

/** SHA-256 of a database that has none of its own; null where etcd's vouches for it, or where the repository's does. */
export async function unsignedHash({ facts, content }: SnapshotSource, { signal }: Invocation): Promise<string | null> {
  if (facts.databaseSha256 !== null || !("path" in content)) return null;
  const { hashFile } = await import("../bytes/hash-file.ts");
  return hashFile({ path: content.path, from: 0, to: facts.databaseSizeBytes }, { signal });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new EtcdsafeError("FILE_NOT_FOUND", `there is no plan ${file}`, { hint: "Copy what `restore … --plan -o json` printed to this host." });
    throw new EtcdsafeError("FILE_FAILED", `the plan ${file} cannot be read: ${(error as Error).message}`);
  }
}
