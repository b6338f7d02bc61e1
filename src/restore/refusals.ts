// What a restore will refuse of its targets as they are now, said with the plan: looked at, and nothing written.
import { EtcdsafeError } from "../errors.ts";
import { fileError } from "./file-error.ts";
import type { RestorePlan } from "./plan.ts";
import { requireEmptyTarget } from "./stage.ts";
import { requireNewFile } from "./to-snapshot.ts";

/** One warning for each target that cannot be written. */
export async function targetRefusals({ members }: Pick<RestorePlan, "members">): Promise<string[]> {
  const targets = members.flatMap(({ dataDir, walDir }) => (dataDir === null ? [] : [{ dataDir, walDir: walDir ?? undefined }]));
  return (await Promise.all(targets.map((target) => refusalOf(() => requireEmptyTarget(target))))).flat();
}

/** The same of the file that `--to-snapshot` names. */
export function fileRefusals(path: string): Promise<string[]> {
  return refusalOf(() => requireNewFile(path));
}

async function refusalOf(look: () => Promise<unknown>): Promise<string[]> {
  try {
    await look();
    return [];
  } catch (error) {
    const known = fileError(error);
    if (!(known instanceof EtcdsafeError)) throw known;
    return [`${known.message}; restore refuses that.`];
  }
}
