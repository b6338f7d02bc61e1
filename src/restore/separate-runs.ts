// What runs have to agree on that each write a part of a cluster's members: the token, and the revision. Whatever one run makes up by itself,
// or finds only on its own host, another makes up or finds differently. Pure.
import { EtcdsafeError } from "../errors.ts";
import type { MemberSpec } from "../etcd-files/membership/initial-cluster.ts";
import { planCluster } from "../etcd-files/membership/plan-cluster.ts";
import type { PlannedRevision } from "./revision.ts";

export interface RunsToAgree {
  readonly cluster: readonly MemberSpec[];
  /** Those that this run writes. */
  readonly targets: readonly unknown[];
  /** Absent: `newToken` is taken where that can form a cluster. */
  readonly token?: string | undefined;
  readonly newToken: string;
  /** The command that restores one member in a run of its own. */
  command(member: string, token: string, bumpRevision: string): string;
}

/** The token. Throws TOKEN_REQUIRED when separate runs would each invent one, and USAGE when each would choose a revision by what it finds. */
export function agreedToken({ cluster, targets, token, newToken, command }: RunsToAgree, revision: PlannedRevision): string {
  if (targets.length === cluster.length) return token ?? newToken;
  planCluster(cluster, newToken); // A mistake in the members is told first.
  if (token !== undefined && revision.bump !== "auto") return token;
  const commands = cluster.map(({ name }) => `  ${command(name, token ?? newToken, revision.bumpedBy ?? "none")}`).join("\n");
  const inOneRun = "or write every member's directory in one run with --members FILE --all-members.";
  const byPlan =
    "Leave --name and --initial-advertise-peer-urls out and add `--plan -o json >plan.json`, then run on each host: etcdsafe restore --from-plan plan.json --member NAME";
  if (token === undefined) {
    throw new EtcdsafeError(
      "TOKEN_REQUIRED",
      `${cluster.length} members are restored by separate runs, so all of them need the same --initial-cluster-token: members with different tokens never form a cluster`,
      { hint: `${byPlan}\nor run one command per member, all with this new token:\n${commands}\n${inOneRun}` },
    );
  }
  throw new EtcdsafeError(
    "USAGE",
    `${cluster.length} members are restored by separate runs, so all of them need the same --bump-revision: auto looks at what each host has, and members at different revisions are a corrupt cluster`,
    { hint: `${byPlan}\nor run one command per member, all with the amount that is enough for what this host shows:\n${commands}\n${inOneRun}` },
  );
}
