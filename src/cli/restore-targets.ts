// Adds to a plan what follows from its targets on this host, and from --replace and --owner.
import { EtcdsafeError } from "../errors.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { Invocation } from "./command.ts";

/** Throws USAGE for an owner that nobody knows, and unless only a plan is asked for TARGET_NOT_EMPTY and RESTORE_UNFINISHED for targets that cannot be looked at. */
export async function withTargets({ config }: Invocation, plan: RestorePlan): Promise<RestorePlan> {
  const [{ resolveOwner }, { planTargets, readTargets }] = await Promise.all([import("../restore/owner.ts"), import("../restore/targets.ts")]);
  const named = config.get("owner");
  const asked = { replace: config.get("replace"), owner: named === undefined ? null : await resolveOwner(named) };
  // Of targets on other hosts, this one knows nothing.
  if (plan.perHost) return planTargets(plan, [], asked);
  const facts = await readTargets(plan).catch((error: unknown) => {
    if (error instanceof EtcdsafeError && config.get("plan")) return []; // printed with the plan, as what restore refuses
    throw error;
  });
  return planTargets(plan, facts, asked);
}
