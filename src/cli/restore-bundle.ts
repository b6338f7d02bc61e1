// `etcdsafe restore --bundle-dir`: the files that were saved beside the snapshot are read and checked before anything is restored, and get their name after it.
import { EtcdsafeError } from "../errors.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { Invocation } from "./command.ts";
import { PARTLY_DONE } from "./exit-codes.ts";
import { requireApart, type WrittenPlace } from "./restore-bundle-place.ts";

const NOT_UNPACKED =
  "the files that were saved beside the snapshot are not unpacked: a plan does not say where to, so each run that is to do it needs --bundle-dir DIR";

/**
 * Runs `restore`, which resolves to its exit code and writes `written`, with the bundle unpacked beside it where that is asked for; nothing is left of that when
 * the restore fails. Throws BUNDLE_NOT_FOUND where the source has none, USAGE where it would be unpacked into what is restored or around it, and BUNDLE_INVALID,
 * TARGET_NOT_EMPTY and what reading it throws, before anything is written.
 */
export async function withBundle(
  invocation: Invocation,
  { bundle, facts }: SnapshotSource,
  written: readonly WrittenPlace[],
  restore: () => Promise<number>,
): Promise<number> {
  const { config, runtime } = invocation;
  const directory = config.get("bundle-dir");
  if (directory === undefined) {
    // Who planned with it may take it for a part of the plan.
    if (bundle !== undefined && config.get("from-plan") !== undefined) runtime.log({ level: "info", message: NOT_UNPACKED });
    return restore();
  }
  if (bundle === undefined) throw new EtcdsafeError("BUNDLE_NOT_FOUND", `--bundle-dir: no files of a host were saved beside ${facts.location}`);
  const { requireEmptyDirectory, stageBundle } = await import("../bundle/unpack.ts");
  await requireApart(directory, written);
  await requireEmptyDirectory(directory);
  if (config.get("plan")) return restore();
  const staged = await stageBundle(await bundle.read(invocation), directory, invocation);
  let exitCode: number;
  try {
    exitCode = await restore();
  } catch (error) {
    await staged.discard();
    throw error;
  }
  try {
    await staged.place();
  } catch (error) {
    runtime.log({ level: "warn", message: `the restore is done, but not its bundle: ${(error as Error).message}` });
    return PARTLY_DONE;
  }
  runtime.log({ level: "info", message: `the files that were saved beside the snapshot are in ${directory}` });
  return exitCode;
}
