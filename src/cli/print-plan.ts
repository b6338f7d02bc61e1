// What `restore --plan` prints: the plan, what this host would refuse of it, and what to run where.
import { existsSync } from "node:fs";
import { memberInstructions } from "../restore/instructions/instructions.ts";
import { lookForEtcd } from "../restore/liveness-look.ts";
import type { RestorePlan } from "../restore/plan.ts";
import { planSha256 } from "../restore/plan-sha256.ts";
import { targetRefusals } from "../restore/refusals.ts";
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
    restoreCommand: (member) => fromPlanCommand(invocation, plan, saved?.file ?? UNSAVED, member),
  });
  const liveness = await lookForEtcd(plan, { ...invocation, liveness: livenessOptions(invocation.config) });
  const refusals = [...(plan.perHost && saved?.member === undefined ? await refusalsHere(plan) : await targetRefusals(plan)), ...livenessRefusals(liveness)];
  const text = () => [
    planText({ ...plan, warnings: [...refusals, ...plan.warnings] }, { now: invocation.runtime.now(), bundleDirectory: invocation.config.get("bundle-dir") }),
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

/** Of targets on other hosts this one knows nothing; but it may be one of the hosts, and others may well look the same. */
async function refusalsHere(plan: RestorePlan): Promise<string[]> {
  const { planForMember } = await import("../restore/saved-plan.ts");
  const names = plan.members.filter(({ dataDir }) => dataDir !== null && existsSync(dataDir)).map(({ name }) => name);
  const refusals = await Promise.all(names.map((name) => targetRefusals(planForMember(plan, name))));
  return [...new Set(refusals.flat())].map((text) => `On this host: ${text}`);
}

/** With the token and the revision of the plan that was shown, so that the saved one has the same ids, and the text the hash's revision. */
function saveText(invocation: Invocation, plan: RestorePlan): string {
  const { source, revision, repository } = plan;
  const command = sameCommand(invocation, source, {
    "initial-cluster-token": plan.token,
    "bump-revision": revision.bumpedBy ?? "none",
    plan: true,
    format: "json",
  });
  const place =
    source.kind !== "snapshot-file" && repository !== null
      ? `to every host; each needs the repository at ${repository.location}: mount it there, or copy it, or plan with a snapshot file and copy that`
      : "and the source to every host, the source to the same place";
  const where = plan.perHost ? `${UNSAVED}, and copy it ${place}` : UNSAVED;
  return `First save this plan as ${where}; every restore below goes by it:\n     ${command} >${UNSAVED}\n`;
}
