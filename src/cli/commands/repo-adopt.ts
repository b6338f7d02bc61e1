// `etcdsafe repo adopt`
import { formatId } from "../../bytes/u64.ts";
import { kubeSystemUid } from "../../cluster/kube-system.ts";
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
  const { clusterId, members, order } = selectMember(await survey(clients, connection.endpoints, { signal }));
  return {
    clusterId: formatId(clusterId),
    members: members.map(({ id, name, peerUrls, clientUrls, isLearner }) => ({
      id: formatId(id),
      name,
      peerUrls: [...peerUrls],
      clientUrls: [...clientUrls],
      isLearner,
    })),
    kubeSystemUid: await kubeSystemUid(clients.at(order[0]!.endpoint), { signal }),
  };
}
