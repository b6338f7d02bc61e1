// Adds to a plan what follows from its targets on this host, and from --replace and --owner.
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { CallOptions } from "../runtime.ts";
import type { Invocation } from "./command.ts";

/** Throws USAGE for an owner that nobody knows, and unless only a plan is asked for TARGET_NOT_EMPTY and RESTORE_UNFINISHED for targets that cannot be looked at. */
export async function withTargets(invocation: Invocation, plan: RestorePlan): Promise<RestorePlan> {
  const { config } = invocation;
  const [{ resolveOwner }, { planTargets, readTargets }] = await Promise.all([import("../restore/owner.ts"), import("../restore/targets.ts")]);
  const named = config.get("owner");
  const asked = { replace: config.get("replace"), owner: named === undefined ? null : await resolveOwner(named) };
  // Of targets on other hosts, this one knows nothing.
  if (plan.perHost) return planTargets(plan, [], asked);
  const facts = await readTargets(plan).catch((error: unknown) => {
    if (error instanceof EtcdsafeError && config.get("plan")) return []; // printed with the plan, as what restore refuses
    throw error;
  });
  const planned = planTargets(plan, facts, asked);
  return { ...planned, warnings: [...planned.warnings, ...(await otherHostsWarnings(plan, invocation))] };
}

/** A directory that belongs to another of the planned members. */
async function otherHostsWarnings(plan: RestorePlan, options: CallOptions): Promise<string[]> {
  if (plan.members.length === 1) return [];
  const { foundMembers, otherMembersDirectory } = await import("../restore/found-member.ts");
  const found = await foundMembers(plan, options).catch((error: unknown) => {
    if (hasCode(error, "RESTORE_UNFINISHED")) return []; // Who writes there says so.
    throw error;
  });
  return found.flatMap((each) => {
    const other = otherMembersDirectory(plan, each);
    return other === undefined ? [] : [`${other.text}: IS THIS THE HOST OF ${other.name}?`];
  });
}
