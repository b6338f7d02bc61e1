// How a command reaches etcd, from its options.
import type { ConnectionOptions } from "../cluster/connection-options.ts";
import { parseEndpoint } from "../cluster/endpoint.ts";
import { throwFaults } from "../config/config-error.ts";
import { readConnection } from "../config/connection.ts";
import { originText } from "../config/origin.ts";
import type { Invocation } from "./command.ts";

/** Throws all faults of the options at once. Warns, at each run, of what makes the connection unsafe. */
export async function connectionOf({ config, environment, runtime }: Invocation): Promise<ConnectionOptions> {
  const { options, faults } = await readConnection(config, environment);
  throwFaults(faults);
  if (options.insecureSkipVerify && options.endpoints.some((endpoint) => parseEndpoint(endpoint, options).secure)) {
    const origin = originText(config.origin("insecure-skip-tls-verify"));
    const message = `etcd's certificate is not verified (${origin}): whoever is on the way can read the snapshot and the password, and send another snapshot`;
    runtime.log({ level: "warn", message });
  }
  return options;
}
