// What a check finds out about a snapshot. All of it can be cloned between threads.
import type { MemberId } from "../../bytes/u64.ts";
import type { ConfState } from "../../proto/raftpb.ts";
import type { Finding } from "../bbolt/finding.ts";
import type { HashKvResult } from "../mvcc/hash-kv.ts";
import type { PrefixCount } from "../mvcc/key-prefixes.ts";
import type { KubernetesFacts } from "../mvcc/kubernetes-values.ts";
import type { LineageSample } from "../mvcc/lineage-sample.ts";

export interface SnapshotReport {
  readonly findings: readonly Finding[];
  /** Undefined when one of the findings is an error: numbers of a damaged file mean nothing. */
  readonly facts: SnapshotFacts | undefined;
}

export interface SnapshotFacts {
  readonly pageSizeBytes: number;
  /** The database itself, up to its high-water mark. */
  readonly sizeBytes: number;
  /** What a server starts with from this file (etcd-formats §3.2). */
  readonly revision: bigint;
  /** The last finished compaction, -1n when there was none. */
  readonly compactRevision: bigint;
  /** Greater than compactRevision while a compaction is unfinished; -1n when there was none. */
  readonly scheduledCompactRevision: bigint;
  /** The last raft entry this file contains. */
  readonly consistentIndex: bigint;
  /** Undefined before etcd 3.5, as confState. */
  readonly term: bigint | undefined;
  readonly confState: ConfState | undefined;
  /** Undefined before etcd 3.6. */
  readonly storageVersion: string | undefined;
  readonly clusterVersion: string | undefined;
  readonly downgrade: { readonly enabled: boolean; readonly targetVersion: string } | undefined;
  /** As `etcdutl snapshot status` prints it in hexadecimal: over all buckets (etcd-formats §5.2). */
  readonly statusHash: number;
  /** Rows of all buckets: what `snapshot status` of 3.4 and 3.5 calls total keys. */
  readonly totalKeys34: number;
  /** Live keys: what `snapshot status` of 3.6 and later calls total keys. */
  readonly keys: number;
  /** Rows of `key`. */
  readonly revisions: number;
  readonly tombstones: number;
  readonly leases: number;
  readonly users: number;
  readonly roles: number;
  readonly authEnabled: boolean;
  readonly alarms: readonly { readonly memberId: MemberId; readonly alarm: string }[];
  readonly members: readonly MemberFacts[];
  /** The most frequent first two path elements of live keys, at most 50. */
  readonly keysByPrefix: readonly PrefixCount[];
  /** Of each hash asked for, in that order. */
  readonly hashes: readonly HashKvResult[];
  readonly lineageSample: LineageSample;
  readonly kubernetes: KubernetesFacts;
}

export interface MemberFacts {
  readonly id: MemberId;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
