// `etcdsafe restore --from-plan FILE`: one host's part of a plan that was printed before. Options that plan are refused here.
import { readFile } from "node:fs/promises";
import { EtcdsafeError } from "../errors.ts";
import type { Evidence } from "../restore/evidence.ts";
import type { RestorePlan } from "../restore/plan.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { CallOptions } from "../runtime.ts";
import type { Invocation } from "./command.ts";
import { printPlan } from "./print-plan.ts";
import { openSource } from "./restore-source.ts";
import { version } from "./version.ts";

export interface PlannedRun {
  readonly plan: RestorePlan;
  readonly source: SnapshotSource;
}

/** The plan for this host and the source it is about, or the exit code where `--plan` only shows it. Throws PLAN_MISMATCH where something is not as planned. */
export async function openPlannedRun(invocation: Invocation, file: string): Promise<PlannedRun | number> {
  const { config } = invocation;
  const { planForMember, readSavedPlan, requireAsPlanned } = await import("../restore/saved-plan.ts");
  const saved = readSavedPlan(file, await readText(file));
  // Elsewhere than on the command line it may be the default of saves.
  const member = config.origin("member").kind === "flag" ? config.get("member") : undefined;
  if (config.get("plan") && member === undefined) return printPlan(invocation, saved, { file });
  const plan = planForMember(saved, member);
  const source = await openSource(invocation, invocation.operands[0] ?? saved.source.backupId ?? saved.source.location);
  const unsignedSha256 = saved.unsignedSha256 === null ? null : await unsignedHash(source, invocation);
  requireAsPlanned(plan, { tool: version(), source: source.facts, unsignedSha256, evidence: await evidenceHere(plan, invocation) });
  return config.get("plan") ? printPlan(invocation, plan, { file, member }) : { plan, source: { ...source, facts: plan.source } };
}

async function evidenceHere({ members }: RestorePlan, options: CallOptions): Promise<readonly Evidence[]> {
  const { dataDirectoryEvidence } = await import("../restore/evidence-files.ts");
  const targets = members.flatMap(({ dataDir, walDir }) => (dataDir === null ? [] : [{ dataDir, walDir: walDir ?? undefined }]));
  return (await Promise.all(targets.map(({ dataDir, walDir }) => dataDirectoryEvidence(dataDir, walDir, options)))).flatMap(({ found }) => found);
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
