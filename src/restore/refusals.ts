// What a restore will refuse of its targets as they are now, said with the plan: looked at, and nothing written.
import { EtcdsafeError } from "../errors.ts";
import { fileError } from "./file-error.ts";
import type { RestorePlan } from "./plan.ts";
import { readTargets, requireTargets } from "./targets.ts";
import { requireNewFile } from "./to-snapshot.ts";
import { unfinishedTexts } from "./unfinished.ts";

/** What interrupted restores have left to be settled before, and what keeps the targets from being written as they are. */
export async function targetRefusals(plan: RestorePlan): Promise<string[]> {
  const unfinished = await refusalOf(() => unfinishedTexts(plan));
  const refused = await refusalOf(async () => {
    requireTargets(plan, await readTargets(plan));
    return [];
  });
  return [...new Set([...unfinished, ...refused])];
}

/** The same of the file that `--to-snapshot` names. */
export function fileRefusals(path: string): Promise<string[]> {
  return refusalOf(async () => {
    await requireNewFile(path);
    return [];
  });
}

/** What `look` finds to say, or the refusal that it throws. */
async function refusalOf(look: () => Promise<readonly string[]>): Promise<string[]> {
  try {
    return [...(await look())];
  } catch (error) {
    const known = fileError(error);
    if (!(known instanceof EtcdsafeError)) throw known;
    return [`${known.message}; restore refuses that.`];
  }
}
