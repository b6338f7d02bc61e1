// The part of a plan that follows from what is in the targets: what is replaced, whose the files will be, and whether there is room for them.
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import { type Owner, type RunningUser, requirePermittedAccess } from "./access.ts";
import { fileError } from "./file-error.ts";
import { planFileSystems, requireSpace } from "./free-space.ts";
import type { MemberTarget, PlannedRestoreMember, RestorePlan } from "./plan.ts";
import { leftoversIn, planTarget, requireTarget, targetWarnings } from "./replace.ts";
import { type DirectoryFacts, type TargetFacts, targetFacts } from "./target-facts.ts";
import { asIfUndone, findUnfinished } from "./unfinished.ts";

/** The members that this run writes, where their files go. */
export function targetsOf({ members }: Pick<RestorePlan, "members">): MemberTarget[] {
  return members.flatMap(({ name, dataDir, walDir }) => (dataDir === null ? [] : [{ name, dataDir, ...(walDir === null ? {} : { walDir }) }]));
}

/** Looks at the targets, as they will be when interrupted restores are undone. Throws TARGET_NOT_EMPTY, RESTORE_UNFINISHED and FILE_FAILED. */
export async function readTargets(plan: Pick<RestorePlan, "members">): Promise<TargetFacts[]> {
  const targets = targetsOf(plan);
  try {
    const { namesIn, whereIs } = asIfUndone(await findUnfinished(targets.map(({ dataDir }) => dataDir)));
    return await Promise.all(targets.map((target) => targetFacts(target, namesIn, whereIs)));
  } catch (error) {
    throw fileError(error);
  }
}

/** The plan with all that follows from `facts`; of targets that are on other hosts it says nothing. */
export function planTargets(
  plan: RestorePlan,
  facts: readonly TargetFacts[],
  { replace, owner }: { readonly replace: boolean; readonly owner: Owner | null },
  user: RunningUser = runningUser(),
): RestorePlan {
  const request = { replace, owner, user, at: new Date(plan.plannedAt) };
  const planned = new Map(facts.map((each) => [each.name, planTarget(each, request)]));
  return {
    ...plan,
    replace,
    owner,
    members: plan.members.map((member) => ({ ...member, ...(planned.get(member.name) ?? { replaces: null, access: null }) })),
    bytes: { ...plan.bytes, fileSystems: planFileSystems(facts, plan.bytes) },
    warnings: [...plan.warnings, ...facts.flatMap((each) => targetWarnings(each, replace))],
  };
}

/**
 * What is planned for the targets, once more with what is there now. Throws TARGET_NOT_EMPTY where that may not be written to or is not what the
 * plan was made for, OWNER_NOT_PERMITTED, FILE_FAILED where nothing can be written, and TARGET_NO_SPACE.
 */
export function requireTargets(plan: RestorePlan, facts: readonly TargetFacts[]): { readonly plan: RestorePlan; readonly leftovers: readonly string[] } {
  for (const each of facts) requireTarget(each, plan.replace);
  const user = runningUser();
  const now = planTargets(plan, facts, plan, user);
  const leftovers = facts.flatMap(leftoversIn);
  const members = now.members.map((member, index) => asPlanned(plan.members[index]!, member));
  for (const { access, dataDir } of members) if (access !== null && dataDir !== null) requirePermittedAccess(access, dataDir, user);
  for (const { dataDir, walDir } of facts) for (const each of [dataDir, walDir]) if (each !== null) requireWritable(each);
  requireSpace(now.bytes.fileSystems, leftovers);
  return { plan: { ...now, members, warnings: plan.warnings }, leftovers };
}

function requireWritable({ path, writeFault }: DirectoryFacts): void {
  if (writeFault !== null) throw new EtcdsafeError("FILE_FAILED", `the restore cannot write to ${path}: ${writeFault}`);
}

/** A plan that was made where the target is not says nothing of it; and who plans need not be who restores. */
function asPlanned(planned: PlannedRestoreMember, now: PlannedRestoreMember): PlannedRestoreMember {
  if (planned.access === null) return now;
  const wasAbsent = planned.access.from === "running-user";
  // A run by this plan that died may have made the directory, as whose the plan says.
  const isMade = wasAbsent && now.access?.from === "data-directory" && isDeepStrictEqual(planned.access, { ...now.access, from: planned.access.from });
  const isSameAccess = (wasAbsent && now.access?.from === "running-user") || isMade || isDeepStrictEqual(planned.access, now.access);
  if (isSameAccess && isDeepStrictEqual(planned.replaces, now.replaces)) return planned;
  throw hasChanged(now.dataDir);
}

/** The same once everything is staged, which may have taken a while. Throws TARGET_NOT_EMPTY. */
export function requireUnchanged(plan: RestorePlan, facts: readonly TargetFacts[]): void {
  for (const each of facts) requireTarget(each, plan.replace);
  const now = planTargets(plan, facts, plan);
  for (const [index, { replaces, dataDir }] of now.members.entries())
    if (!isDeepStrictEqual(plan.members[index]!.replaces, replaces)) throw hasChanged(dataDir);
}

function hasChanged(dataDir: string | null): EtcdsafeError {
  return new EtcdsafeError("TARGET_NOT_EMPTY", `what is in ${dataDir} has changed since the restore was planned`, {
    hint: "Make sure that no etcd runs there and nobody else restores, and plan again; nothing was put in place.",
  });
}

export function runningUser(): RunningUser {
  // Where there are no users, nothing belongs to anybody else either.
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, groups: process.getgroups?.() ?? [] };
}
