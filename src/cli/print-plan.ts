// What `restore --plan` prints: the plan, what this host would refuse of it, and what to run where.
import { memberInstructions } from "../restore/instructions/instructions.ts";
import { lookForEtcd } from "../restore/liveness-look.ts";
import type { RestorePlan } from "../restore/plan.ts";
import { targetRefusals } from "../restore/refusals.ts";
import { planSha256 } from "../restore/saved-plan.ts";
import type { Invocation } from "./command.ts";
import { instructionsText } from "./instructions-text.ts";
import { livenessOptions, livenessRefusals, livenessText } from "./liveness.ts";
import { fromPlanCommand, sameCommand } from "./plan-commands.ts";
import { planText } from "./plan-text.ts";

/** What the commands call the file that a plan is to be saved in. */
const UNSAVED = "plan.json";

/** Where a plan was read from, and for which of its hosts it is looked at. */
interface Saved {
  readonly file: string;
  readonly member?: string | undefined;
}

/** Resolves to the exit code. */
export async function printPlan(invocation: Invocation, plan: RestorePlan, saved?: Saved): Promise<number> {
  const instructions = memberInstructions(plan.distro, {
    members: plan.members,
    quotaBackendBytes: plan.quotaBackendBytes,
    // Etcd 3.4 refuses the very revision that it has compacted (etcd-formats §5.1).
    compareRevision: plan.walDialect === "3.4" && plan.revision.markCompacted ? null : plan.revision.after,
    authEnabled: plan.keyspace.auth.after === "on",
    perHost: plan.perHost,
    restoreCommand: (member) => fromPlanCommand(invocation, plan.source, saved?.file ?? UNSAVED, member),
  });
  // Of targets on other hosts, this one knows nothing.
  const isOtherHosts = plan.perHost && saved?.member === undefined;
  const liveness = await lookForEtcd(plan, { ...invocation, liveness: livenessOptions(invocation.config) });
  const refusals = [...(isOtherHosts ? [] : await targetRefusals(plan)), ...livenessRefusals(liveness)];
  const text = () => [
    planText({ ...plan, warnings: [...refusals, ...plan.warnings] }, invocation.runtime.now()),
    livenessText(liveness),
    saved === undefined ? saveText(invocation, plan) : "",
    instructionsText(instructions),
  ];
  invocation.output.print({ plan, sha256: planSha256(plan), liveness, refusals, instructions }, () =>
    text()
      .filter((part) => part !== "")
      .join("\n"),
  );
  return 0;
}

/** With the token of the plan that was shown, so that the saved one has the same ids. */
function saveText(invocation: Invocation, plan: RestorePlan): string {
  const command = sameCommand(invocation, plan.source, { "initial-cluster-token": plan.token, plan: true, format: "json" });
  const where = plan.perHost ? `${UNSAVED}, and copy it${plan.source.kind === "backup" ? "" : " and the source"} to every host` : UNSAVED;
  return `First save this plan as ${where}; every restore below goes by it:\n     ${command} >${UNSAVED}\n`;
}
