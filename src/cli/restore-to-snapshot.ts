// `etcdsafe restore --to-snapshot`, and with --distro what to do with the file.
import { resolve } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { type DatabasePlan, type DatabaseRequest, databaseSizeBytes, databaseWarnings, planDatabase } from "../restore/database-plan.ts";
import { isSnapshotDistro, snapshotInstructions } from "../restore/instructions/instructions.ts";
import { quotaFor } from "../restore/instructions/quota.ts";
import { planLoss } from "../restore/loss.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { instructionsText } from "./instructions-text.ts";
import { sameCommand } from "./plan-commands.ts";
import { withWayOn } from "./restore-source.ts";
import { snapshotPlanText, snapshotText } from "./restore-text.ts";

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
      [snapshotPlanText(plan, runtime.now()), instructionsText(instructions)].filter((part) => part !== "").join("\n"),
    );
    return 0;
  }
  const { writeSnapshotFile } = await import("../restore/to-snapshot.ts");
  const written = await withWayOn(invocation, source.facts.backupId, () => writeSnapshotFile(source, file, database, invocation));
  for (const message of warnings) runtime.log({ level: "warn", message });
  output.print({ file: written }, () => snapshotText(written));
  return 0;
}

function instructionsFor(invocation: Invocation, plan: DatabasePlan, file: string) {
  const distro = invocation.config.get("distro");
  if (distro === undefined || !isSnapshotDistro(distro)) return [];
  return snapshotInstructions(distro, {
    file: resolve(file),
    restoreCommand: sameCommand(invocation, plan.source, { "to-snapshot": resolve(file) }),
    quotaBackendBytes: quotaFor(databaseSizeBytes(plan)),
    time: invocation.runtime
      .now()
      .toISOString()
      .replaceAll(/[-:]|\.\d+/g, ""),
  });
}
