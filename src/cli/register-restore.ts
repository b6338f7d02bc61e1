// Tells the repository of a restore.
import type { RestoreResult } from "../restore/apply.ts";
import type { Invocation } from "./command.ts";
import { author, openNamedStorage } from "./repository.ts";

/** Lets the restored cluster save under the same name. One that cannot be registered is restored all the same; false then. */
export async function registerRestore(invocation: Invocation, { plan }: RestoreResult): Promise<boolean> {
  if (plan.copy || plan.source.kind !== "backup") return true;
  const { recordRestore } = await import("../restore/record.ts");
  try {
    await recordRestore(await openNamedStorage(invocation), await author(), plan, invocation);
    const message = `registered as the successor of ${plan.source.cluster} in the repository: once it has saved there, the former cluster is refused`;
    invocation.runtime.log({ level: "info", message });
    return true;
  } catch (error) {
    invocation.runtime.log({
      level: "warn",
      message: `the restore could not be recorded in the repository (${(error as Error).message}); before the new cluster saves there, run \`etcdsafe repo adopt\``,
    });
    return false;
  }
}
