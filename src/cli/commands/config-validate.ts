// `etcdsafe config validate`: every fault at once, also those that only a connection to etcd would run into.
import { throwFaults } from "../../config/config-error.ts";
import { readConnection } from "../../config/connection.ts";
import type { Invocation } from "../command.ts";

/** Throws CONFIG_INVALID or USAGE with all faults. */
export async function run({ config, faults, environment, output }: Invocation): Promise<number> {
  const connection = await readConnection(config, environment);
  throwFaults([...faults, ...connection.faults]);
  output.print({ valid: true }, () => "The configuration is valid.");
  return 0;
}
