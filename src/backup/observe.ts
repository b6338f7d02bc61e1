// Which cluster this is, as far as a name in a repository is bound to it: docs/repository-format.md, "Binding".
import { formatId } from "../bytes/u64.ts";
import { kubeSystemUid } from "../cluster/kube-system.ts";
import type { MemberClients } from "../cluster/member-clients.ts";
import type { Selection } from "../cluster/select.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import type { CallOptions } from "../runtime.ts";

export async function observeCluster(clients: MemberClients, selection: Selection, { signal }: CallOptions): Promise<ObservedCluster> {
  const members = selection.members.map(({ id, name, peerUrls, clientUrls, isLearner }) => ({
    id: formatId(id),
    name,
    peerUrls: [...peerUrls],
    clientUrls: [...clientUrls],
    isLearner,
  }));
  const client = clients.at(selection.order[0]!.endpoint);
  // A user who may take snapshots may read everything; should the read fail all the same, the save will tell why.
  const uid = await kubeSystemUid(client, { signal }).catch(() => null);
  signal.throwIfAborted();
  return { clusterId: formatId(selection.clusterId), members, kubeSystemUid: uid };
}
