// Whether the cluster at hand may be saved under its name at all: asked before an agent takes the writer lease, so that a clone's keeps nobody from it.
import { observeCluster } from "../backup/observe.ts";
import { openClients } from "../cluster/member-clients.ts";
import { selectMember } from "../cluster/select.ts";
import { survey } from "../cluster/survey.ts";
import { EtcdsafeError, hasCode } from "../errors.ts";
import type { ObservedCluster } from "../repository/cluster-file.ts";
import { requireMayWrite } from "../repository/placement.ts";
import type { Repository } from "../repository/repository.ts";
import type { Invocation } from "./command.ts";
import { connectionOf } from "./connection.ts";

/** A standby tries for the lease far more often than any cluster becomes another's successor. */
const ASKED_EVERY_MS = 60_000;

/**
 * Throws CLUSTER_MISMATCH, and what keeps the repository from being read. That etcd cannot be asked is no refusal: somebody has to hold the lease to tell that saves fail.
 */
type BindingGuard = (repository: Repository, invocation: Invocation) => Promise<void>;

/** One for each agent: it remembers for a while what it was told. */
export function bindingGuard(): BindingGuard {
  let refusal: EtcdsafeError | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  return async (repository, invocation) => {
    const { config, runtime } = invocation;
    const nowMs = runtime.monotonicMs();
    if (nowMs - askedMs >= ASKED_EVERY_MS) {
      const answer = await asked(repository, invocation, config.get("cluster"));
      if (answer !== "unknown") [refusal, askedMs] = [answer, nowMs];
    }
    if (refusal !== undefined) throw refusal;
  };
}

async function asked(repository: Repository, invocation: Invocation, cluster: string): Promise<EtcdsafeError | undefined | "unknown"> {
  try {
    const observed = await observe(invocation);
    if (observed === undefined) return "unknown";
    await requireMayWrite(repository, cluster, observed, invocation);
    return undefined;
  } catch (error) {
    if (hasCode(error, "CLUSTER_MISMATCH")) return error;
    throw error;
  }
}

/** Undefined where etcd cannot be asked: its saves will tell why. */
async function observe(invocation: Invocation): Promise<ObservedCluster | undefined> {
  const { signal } = invocation;
  try {
    const connection = await connectionOf(invocation);
    await using clients = openClients(connection);
    return await observeCluster(clients, selectMember(await survey(clients, connection.endpoints, { signal }), invocation.config.get("member")), { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError) || error.code === "CLUSTER_MISMATCH") throw error;
    return undefined;
  }
}
