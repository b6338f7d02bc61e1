// Asks every endpoint, side by side, how it is: what select.ts chooses by. A member that does not answer is a finding, not a failure.
import { EtcdsafeError, FormatError, hasCode } from "../errors.ts";
import type { ClusterMember } from "../proto/rpc-cluster.ts";
import type { ResponseHeader } from "../proto/rpc-header.ts";
import type { StatusResponse } from "../proto/rpc-maintenance.ts";
import type { CallOptions } from "../runtime.ts";
import { malformed } from "./grpc-errors.ts";
import type { MemberClients } from "./member-clients.ts";
import { linearizableRevision } from "./revision.ts";
import { memberList, status } from "./status.ts";

export interface AnsweredReport {
  readonly endpoint: string;
  readonly status: StatusResponse;
  /** The member's own view; empty from a learner, which does not tell. */
  readonly members: readonly ClusterMember[];
  /** Header of a linearizable read through this member; undefined where there is no quorum, and from a learner. */
  readonly linearizable: ResponseHeader | undefined;
}

export interface FailedReport {
  readonly endpoint: string;
  readonly error: EtcdsafeError;
}

export type EndpointReport = AnsweredReport | FailedReport;

export interface SurveyOptions extends CallOptions {
  /** A member's name or id that may lie behind none of the endpoints; its advertised client URLs are then asked too. */
  readonly member?: string;
}

/** Reports in the order of the endpoints. Each call is limited by the connection's commandTimeoutMs. Rejects only with the signal's reason. */
export async function survey(clients: MemberClients, endpoints: readonly string[], options: SurveyOptions): Promise<EndpointReport[]> {
  const reports = await Promise.all([...new Set(endpoints)].map((endpoint) => ask(clients, endpoint, options)));
  if (options.member === undefined) return reports;
  const wanted = findMember(reports, options.member);
  if (wanted === undefined || reports.some((report) => isAnswered(report) && report.status.header.memberId === wanted.id)) return reports;
  const further = wanted.clientUrls.filter((url) => !endpoints.includes(url) && !(clients.secure && url.startsWith("http:")));
  return [...reports, ...(await Promise.all(further.map((url) => ask(clients, url, options))))];
}

export function isAnswered(report: EndpointReport): report is AnsweredReport {
  return "status" in report;
}

/** By name, else by id in hexadecimal digits, among the members that any endpoint knows of. */
export function findMember(reports: readonly EndpointReport[], nameOrId: string): ClusterMember | undefined {
  const known = reports.filter(isAnswered).flatMap(({ members }) => members);
  const digits = nameOrId.toLowerCase().replace(/^0+/, "");
  return known.find(({ name }) => name === nameOrId) ?? known.find(({ id }) => id.toString(16) === digits);
}

async function ask(clients: MemberClients, endpoint: string, { signal }: CallOptions): Promise<EndpointReport> {
  try {
    const client = clients.at(endpoint);
    const answer = await status(client, { signal });
    if (answer.isLearner) return { endpoint, status: answer, members: [], linearizable: undefined };
    const { members } = await memberList(client, { signal });
    // Without a leader the read could only wait for its deadline.
    const linearizable = answer.leader === 0n ? undefined : await linearizableRevision(client, { signal }).catch(unlessNoQuorum);
    return { endpoint, status: answer, members, linearizable };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FormatError) return { endpoint, error: malformed(endpoint, "an answer", error) };
    if (error instanceof EtcdsafeError) return { endpoint, error };
    throw error;
  }
}

function unlessNoQuorum(error: unknown): undefined {
  if (!hasCode(error, "ETCD_NO_QUORUM")) throw error;
}
