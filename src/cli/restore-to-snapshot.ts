// `etcdsafe restore --to-snapshot`, and with --distro what to do with the file.
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { EtcdsafeError } from "../errors.ts";
import { type DatabasePlan, type DatabaseRequest, databaseSizeBytes, databaseWarnings, planDatabase } from "../restore/database-plan.ts";
import { isSnapshotDistro, snapshotInstructions } from "../restore/instructions/instructions.ts";
import { quotaFor } from "../restore/instructions/quota.ts";
import { shellCommand } from "../restore/instructions/shell-command.ts";
import { planLoss } from "../restore/loss.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { PARTLY_DONE } from "./exit-codes.ts";
import { instructionsText } from "./instructions-text.ts";
import { repositoryOf, sameCommand } from "./plan-commands.ts";
import { registerSnapshotFile } from "./register-restore.ts";
import type { FormerData } from "./restore-evidence.ts";
import { withWayOn } from "./restore-source.ts";
import { snapshotPlanText, snapshotText } from "./restore-text.ts";

/** What the distribution that is to restore the file has on this host. */
export async function formerData(config: Config): Promise<FormerData[]> {
  const distro = config.get("distro");
  if (distro === undefined || !isSnapshotDistro(distro)) return [];
  const { distroDirectories } = await import("../restore/distro-directories.ts");
  return (await distroDirectories(distro, config.get("host-root"))).map((dataDir) => ({ dataDir }));
}

/** Resolves to the exit code. */
export async function restoreToSnapshot(invocation: Invocation, source: SnapshotSource, file: string, request: DatabaseRequest): Promise<number> {
  const { config, output, runtime } = invocation;
  if (file === "-")
    throw new EtcdsafeError("USAGE", "--to-snapshot writes a file, not standard output", { hint: "Name a file; it is checked before it gets its name." });
  const database = planDatabase(request);
  const warnings = databaseWarnings(database, request.evidence);
  if (config.get("plan")) {
    const { fileRefusals } = await import("../restore/refusals.ts");
    const loss = planLoss(source.facts, request.evidence.found, request.evidence.jumps);
    const plan = { ...database, file, distro: config.get("distro") ?? null, loss, warnings: [...(await fileRefusals(file)), ...warnings] };
    const instructions = instructionsFor(invocation, database, file);
    output.print({ plan, instructions }, () =>
      [snapshotPlanText(plan, { now: runtime.now(), bundleDirectory: config.get("bundle-dir") }), instructionsText(instructions)]
        .filter((part) => part !== "")
        .join("\n"),
    );
    return 0;
  }
  const { writeSnapshotFile } = await import("../restore/to-snapshot.ts");
  let registered = true;
  const onWhole = async () => {
    registered = await registerSnapshotFile(invocation, database);
  };
  const written = await withWayOn(invocation, source.facts, () => writeSnapshotFile(source, file, database, { ...invocation, onWhole }));
  for (const message of warnings) runtime.log({ level: "warn", message });
  output.print({ file: written }, () => snapshotText(written));
  return registered ? 0 : PARTLY_DONE;
}

function instructionsFor(invocation: Invocation, plan: DatabasePlan, file: string) {
  const distro = invocation.config.get("distro");
  if (distro === undefined || !isSnapshotDistro(distro)) return [];
  return snapshotInstructions(distro, {
    file: resolve(file),
    // The amount as the plan shows it, whatever there is to be found by then.
    restoreCommand: sameCommand(invocation, plan.source, { "to-snapshot": resolve(file), "bump-revision": plan.revision.bumpedBy ?? "none" }),
    adoptCommand: adoptCommand(invocation.config, plan),
    quotaBackendBytes: quotaFor(databaseSizeBytes(plan)),
    time: invocation.runtime
      .now()
      .toISOString()
      .replaceAll(/[-:]|\.\d+/g, ""),
  });
}

/** A file may be restored before it is settled where the cluster's backups go. */
function adoptCommand(config: Config, { source }: DatabasePlan): string | null {
  if (config.get("copy")) return null;
  const [repository, cluster] = [repositoryOf(config)?.location ?? "<where its backups go>", source.cluster ?? config.get("cluster")];
  return shellCommand(["etcdsafe", "repo", "adopt", "--repository", repository, "--cluster", cluster]);
}
