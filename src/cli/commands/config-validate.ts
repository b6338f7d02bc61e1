// `etcdsafe config validate`: every fault at once, also those that only a connection to etcd would run into, or a command that takes both of
// two options that contradict each other.
import { throwFaults } from "../../config/config-error.ts";
import { readConnection } from "../../config/connection.ts";
import { faultDocument, inOrder } from "../../config/origin.ts";
import { readStorageSettings } from "../../config/storage-settings.ts";
import type { Invocation } from "../command.ts";
import { conflictFaults } from "../conflicts.ts";

/** Throws CONFIG_INVALID or USAGE with all faults; as a JSON document they are an array. */
export async function run({ config, faults, environment, output }: Invocation): Promise<number> {
  const connection = await readConnection(config, environment);
  const stores = readStorageSettings(config);
  const all = inOrder([...faults, ...connection.faults, ...stores.faults, ...conflictFaults(config)]);
  // In text, the error below says it all.
  if (output.format === "json" || all.length === 0)
    output.print({ valid: all.length === 0, faults: all.map(faultDocument) }, () => "The configuration is valid.");
  throwFaults(all);
  return 0;
}
