// `etcdsafe repo adopt`
import { observeCluster } from "../../backup/observe.ts";
import { openClients } from "../../cluster/member-clients.ts";
import { selectMember } from "../../cluster/select.ts";
import { survey } from "../../cluster/survey.ts";
import type { ObservedCluster } from "../../repository/cluster-file.ts";
import { type Adoption, adoptCluster } from "../../repository/placement.ts";
import { openToWrite } from "../../repository/repository.ts";
import type { Invocation } from "../command.ts";
import { connectionOf } from "../connection.ts";
import { openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output } = invocation;
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const adoption = await adoptCluster(repository, config.get("cluster"), await observe(invocation), invocation);
  output.print({ changed: adoption.changed, cluster: adoption.file }, () => adoptionText(adoption));
  return 0;
}

function adoptionText({ file: { cluster, clusterId }, changed, formerClusterId }: Adoption): string {
  if (!changed) return `${cluster} is the name of cluster ${clusterId} already; nothing changed.`;
  const binding = formerClusterId === clusterId ? `${cluster} stays the name of cluster ${clusterId}` : `${cluster} is now the name of cluster ${clusterId}`;
  return `${binding}. Its next save is accepted whatever it holds, and starts a new timeline unless it continues the newest backup.`;
}

async function observe(invocation: Invocation): Promise<ObservedCluster> {
  const { signal } = invocation;
  const connection = await connectionOf(invocation);
  await using clients = openClients(connection);
  return await observeCluster(clients, selectMember(await survey(clients, connection.endpoints, { signal })), { signal });
}
