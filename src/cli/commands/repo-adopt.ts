// `etcdsafe repo adopt`
import { observeCluster } from "../../backup/observe.ts";
import { openClients } from "../../cluster/member-clients.ts";
import { selectMember } from "../../cluster/select.ts";
import { survey } from "../../cluster/survey.ts";
import { throwFaults } from "../../config/config-error.ts";
import { readConnection } from "../../config/connection.ts";
import type { ObservedCluster } from "../../repository/cluster-file.ts";
import { adoptCluster } from "../../repository/placement.ts";
import { openRepository } from "../../repository/repository.ts";
import type { Invocation } from "../command.ts";
import { openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output } = invocation;
  const repository = await openRepository(await openNamedStorage(invocation), invocation);
  const cluster = await adoptCluster(repository, config.get("cluster"), await observe(invocation), invocation);
  output.print({ cluster }, () => `${cluster.cluster} is now the name of cluster ${cluster.clusterId}. Its next save starts a new timeline.`);
  return 0;
}

async function observe({ config, environment, signal }: Invocation): Promise<ObservedCluster> {
  const { options: connection, faults } = await readConnection(config, environment);
  throwFaults(faults);
  await using clients = openClients(connection);
  return await observeCluster(clients, selectMember(await survey(clients, connection.endpoints, { signal })), { signal });
}
