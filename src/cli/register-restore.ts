// Tells the repository of a restore.
import { EtcdsafeError } from "../errors.ts";
import type { RestoreResult } from "../restore/apply.ts";
import type { Invocation } from "./command.ts";
import { author, openNamedStorage } from "./repository.ts";

/** Lets the restored cluster save under the same name, where a repository is named. One that cannot be registered is restored all the same; false then. */
export async function registerRestore(invocation: Invocation, { plan }: RestoreResult): Promise<boolean> {
  const { config, runtime } = invocation;
  if (plan.copy || config.get("repository") === undefined) return true;
  const cluster = plan.source.cluster ?? config.get("cluster");
  const { recordRestore } = await import("../restore/record.ts");
  try {
    await recordRestore(await openNamedStorage(invocation), cluster, await author(), plan, invocation);
    const message = `registered as the successor of ${cluster} in the repository: once it has saved there, the former cluster is refused`;
    runtime.log({ level: "info", message });
    return true;
  } catch (error) {
    // A file may be restored before there is a repository: then there is no former cluster in it either, and the first save makes it.
    if (plan.source.kind === "snapshot-file" && error instanceof EtcdsafeError && error.code === "REPOSITORY_NOT_FOUND") return true;
    runtime.log({
      level: "warn",
      message: `the restore could not be recorded in the repository (${(error as Error).message}); before the new cluster saves there, run \`etcdsafe repo adopt\``,
    });
    return false;
  }
}
