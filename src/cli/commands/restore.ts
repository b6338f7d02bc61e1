// `etcdsafe restore`
import { resolve } from "node:path";
import { EtcdsafeError } from "../../errors.ts";
import { isSnapshotDistro, type MemberDistro } from "../../restore/instructions/instructions.ts";
import type { RestorePlan } from "../../restore/plan.ts";
import type { SnapshotSource } from "../../restore/source.ts";
import type { Invocation } from "../command.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { livenessOptions } from "../liveness.ts";
import { repositoryOf } from "../plan-commands.ts";
import { registerRestore } from "../register-restore.ts";
import { withBundle } from "../restore-bundle.ts";
import { directoriesOf } from "../restore-bundle-place.ts";
import { restoreCommand } from "../restore-command.ts";
import { databaseRequest } from "../restore-database.ts";
import { byPlan, openPlannedRun, unsignedHash } from "../restore-from-plan.ts";
import { restoreMembers } from "../restore-members.ts";
import { openSource, withWayOn } from "../restore-source.ts";
import { withTargets } from "../restore-targets.ts";
import { restoredText } from "../restore-text.ts";
import { formerData, restoreToSnapshot } from "../restore-to-snapshot.ts";
import { clusterOfRuns, requireNewCluster } from "../restore-token.ts";
import { version } from "../version.ts";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

export async function run(invocation: Invocation): Promise<number> {
  const { config } = invocation;
  const planFile = config.get("from-plan");
  if (planFile !== undefined) {
    const planned = await openPlannedRun(invocation, planFile);
    return typeof planned === "number"
      ? planned
      : byPlan(planned.plan, () =>
          withBundle(invocation, planned.source, directoriesOf(planned.plan), () => restore(invocation, planned.plan, planned.source)),
        );
  }
  // Elsewhere than on the command line it may be the default of saves.
  if (config.origin("member").kind === "flag")
    throw new EtcdsafeError("USAGE", "--member is for a plan that --from-plan names", {
      hint: "Without one, --name says which member to write. For one run on each host, plan first: `--plan -o json >plan.json`, then `--from-plan plan.json --member NAME`.",
    });
  const file = config.get("to-snapshot");
  const distro = distroFor(invocation, file !== undefined);
  const source = await openSource(invocation, invocation.operands[0] ?? "latest");
  if (file !== undefined) {
    const request = await databaseRequest(invocation, source, await formerData(config));
    return withBundle(invocation, source, [{ what: "the snapshot file", path: file }], () => restoreToSnapshot(invocation, source, file, request));
  }
  const plan = await planMembers(invocation, source, distro);
  return withBundle(invocation, source, directoriesOf(plan), async () => {
    if (config.get("plan")) return (await import("../print-plan.ts")).printPlan(invocation, plan);
    return restore(invocation, plan, source, () => planMembers(invocation, source, distro));
  });
}

async function planMembers(invocation: Invocation, source: SnapshotSource, distro: MemberDistro | undefined): Promise<RestorePlan> {
  const { config, runtime } = invocation;
  const { planRestore } = await import("../../restore/plan.ts");
  const members = await restoreMembers(config, invocation);
  const targets = members.targets.map((target) => ({
    ...target,
    dataDir: resolve(target.dataDir),
    ...(target.walDir === undefined ? {} : { walDir: resolve(target.walDir) }),
  }));
  const former = [...new Map(targets.map((target) => [target.dataDir, target])).values()];
  const plan = planRestore({
    ...(await databaseRequest(invocation, source, former, await clusterOfRuns(config, members))),
    unsignedSha256: config.get("plan") ? await unsignedHash(source, invocation) : null,
    ...members,
    targets,
    distro,
    copy: config.get("copy"),
    repository: repositoryOf(config),
    formerMembers: source.members,
    newToken: `etcdsafe-${random(invocation, 12)}`,
    command: (member, token, bump) => restoreCommand(invocation, source.facts, members.cluster, { member, token, bumpRevision: bump }),
    stageId: random(invocation, 6),
    tool: version(),
    plannedAt: runtime.now().toISOString(),
  });
  const warnings = plan.tokenGiven ? await requireNewCluster(invocation, plan, source) : [];
  return withTargets(invocation, { ...plan, warnings: [...plan.warnings, ...warnings] });
}

/** `planAgain`: for when another, interrupted restore has to be undone first. A saved plan is never made again. */
async function restore(invocation: Invocation, plan: RestorePlan, source: SnapshotSource, planAgain?: () => Promise<RestorePlan>): Promise<number> {
  const { output, runtime } = invocation;
  const { applyRestore } = await import("../../restore/apply.ts");
  let registered = true;
  // Before an etcd can start: of a restore that is killed right after its end there is no rerun.
  const onPlaced = async (placed: RestorePlan) => {
    registered = await registerRestore(invocation, placed);
  };
  const result = await withWayOn(invocation, source.facts, () =>
    applyRestore(plan, source, { ...invocation, onPlaced, liveness: livenessOptions(invocation.config), ...(planAgain === undefined ? {} : { planAgain }) }),
  );
  // What to know before the cluster is started, so after whatever kept it from being restored.
  for (const message of result.plan.warnings) runtime.log({ level: "warn", message });
  output.print(result, () => restoredText(result));
  return registered ? 0 : PARTLY_DONE;
}

/** Throws USAGE where the distribution restores a snapshot file and none is to be written, or the other way round; or where its directory is not said. */
function distroFor({ config }: Invocation, writesSnapshot: boolean): MemberDistro | undefined {
  const distro = config.get("distro");
  if (distro === undefined) return undefined;
  if (isSnapshotDistro(distro)) {
    if (writesSnapshot) return undefined;
    throw new EtcdsafeError("USAGE", `${distro} restores a snapshot file by itself`, {
      hint: "Give --to-snapshot FILE in place of members; the plan shows what to do with it.",
    });
  }
  // The default is a directory below the one that this runs in, where no etcd of the distribution looks.
  if (config.get("members") === undefined && config.get("data-dir") === undefined) {
    throw new EtcdsafeError("USAGE", `--distro ${distro} needs --data-dir, or --members FILE`, {
      hint: `Give etcd's own data directory: ${distro === "kubeadm" ? "kubeadm has it at /var/lib/etcd" : "`systemctl cat etcd` shows where it is, often /var/lib/etcd"}.`,
    });
  }
  return distro;
}

function random({ runtime }: Invocation, length: number): string {
  return Array.from(runtime.randomBytes(length), (byte) => BASE32[byte % BASE32.length]).join("");
}
