// Members as a survey finds them, for tests of what is decided from it.
import type { ClusterId, MemberId, RaftIndex, RaftTerm, Revision } from "../../src/bytes/u64.ts";
import type { AnsweredReport, FailedReport } from "../../src/cluster/survey.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import type { ClusterMember } from "../../src/proto/rpc-cluster.ts";

export interface Found {
  readonly id: number;
  readonly applied?: number;
  /** Of its log; `applied` where left out. */
  readonly logged?: number;
  readonly leader?: number;
  readonly isLearner?: boolean;
  readonly clusterId?: number;
  readonly quorum?: boolean;
  readonly errors?: readonly string[];
  readonly endpoint?: string;
}

export function member(id: number, isLearner = false): ClusterMember {
  return { id: BigInt(id) as MemberId, name: `m${id}`, peerUrls: [`http://p${id}:2380`], clientUrls: [`http://m${id}:2379`], isLearner };
}

const MEMBERS = [1, 2, 3].map((id) => member(id));

export function answered({
  id,
  applied = 100,
  logged = applied,
  leader = 1,
  isLearner = false,
  clusterId = 9,
  quorum = true,
  errors = [],
  endpoint,
}: Found): AnsweredReport {
  const header = { clusterId: BigInt(clusterId) as ClusterId, memberId: BigInt(id) as MemberId, revision: 5n as Revision, raftTerm: 2n as RaftTerm };
  return {
    endpoint: endpoint ?? `http://m${id}:2379`,
    members: isLearner ? [] : MEMBERS,
    linearizable: quorum && !isLearner ? header : undefined,
    status: {
      ...{ header, version: "3.6.16", storageVersion: "3.6.0", dbSizeBytes: 4096, errors, isLearner },
      ...{
        leader: BigInt(leader) as MemberId,
        raftIndex: BigInt(logged) as RaftIndex,
        raftAppliedIndex: BigInt(applied) as RaftIndex,
        raftTerm: 2n as RaftTerm,
      },
    },
  };
}

export function failed(endpoint: string, text = "connect ECONNREFUSED"): FailedReport {
  return { endpoint, error: new EtcdsafeError("ETCD_UNREACHABLE", `${endpoint}: cannot connect: ${text}`) };
}
