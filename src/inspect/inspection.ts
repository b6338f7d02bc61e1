// What `inspect` tells, as plain JSON: revisions, raft indexes and terms are decimal strings, ids 16 hexadecimal digits, as in
// docs/repository-format.md. Null: an etcd of that version does not write it, or nothing could be read; sections that do not apply are absent.
import type { Finding } from "../etcd-files/bbolt/finding.ts";

export interface Inspection {
  readonly path: string;
  readonly kind: InspectedKind;
  /** The kind in words, as part of a sentence: "a gzip file". */
  readonly what: string;
  readonly sizeBytes?: number;
  /** What to do with it, or about it. */
  readonly hint?: string;
  /** Of a database. */
  readonly inUse?: DatabaseUse;
  /** Of `snapshot`, `database`, and the database of a `data-directory`. */
  readonly snapshot?: SnapshotSection;
  /** Of `wal-file`, `wal-directory` and `data-directory`. */
  readonly wal?: WalSection;
  /** Of `raft-snapshot`. */
  readonly raftSnapshot?: RaftSnapshotSection;
  readonly dataDirectory?: DataDirectorySection;
  readonly repository?: RepositorySection;
}

export type InspectedKind =
  /** A database with the SHA-256 of a snapshot at its end, one without, and either of them cut short. */
  | "snapshot"
  | "database"
  | "truncated-snapshot"
  | "wal-file"
  | "wal-directory"
  | "raft-snapshot"
  | "data-directory"
  | "repository"
  /** Something compressed or encrypted. */
  | "packed"
  | "empty"
  | "directory"
  | "other";

/** Whether an etcd has the database open: what was read then may be torn. */
export interface DatabaseUse {
  /** Null where the system does not tell. */
  readonly locked: boolean | null;
  /** Null as well where the process is in another container. */
  readonly processId: number | null;
}

export interface SnapshotSection {
  /** Whether the SHA-256 at the end is that of the bytes before it. */
  readonly hash: "matches" | "differs" | "absent";
  /** Of the bytes before it, or of the whole file when there is none. */
  readonly sha256: string;
  readonly findings: readonly Finding[];
  /** All that follows is absent where one of the findings is an error. */
  readonly databaseSizeBytes?: number;
  readonly pageSizeBytes?: number;
  readonly revision?: string;
  /** The finished compaction, and the one that a server would resume; "-1" for none. */
  readonly compactRevision?: string;
  readonly scheduledCompactRevision?: string;
  /** What a server started from this file answers to HashKV. */
  readonly hashKv?: { readonly revision: string; readonly compactRevision: string; readonly hash: number } | null;
  /** What `etcdutl snapshot status` prints as hash. */
  readonly statusHash?: number;
  /** The last raft entry that is in the database. */
  readonly consistentIndex?: string;
  readonly term?: string | null;
  readonly confState?: ConfStateSection | null;
  readonly storageVersion?: string | null;
  readonly clusterVersion?: string | null;
  readonly downgrade?: { readonly enabled: boolean; readonly targetVersion: string } | null;
  /** Live keys; rows of changes; those of them that delete; rows of all buckets. */
  readonly keys?: number;
  readonly revisions?: number;
  readonly tombstones?: number;
  readonly totalRows?: number;
  readonly leases?: number;
  readonly users?: number;
  readonly roles?: number;
  readonly authEnabled?: boolean;
  readonly alarms?: readonly { readonly memberId: string; readonly alarm: string }[];
  readonly members?: readonly MemberSection[];
  /** Live keys by their first path elements, at most 50 entries. */
  readonly keysByPrefix?: readonly { readonly prefix: string; readonly keys: number }[];
}

export interface ConfStateSection {
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly votersOutgoing: readonly string[];
  readonly learnersNext: readonly string[];
}

export interface MemberSection {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface WalSection {
  readonly segments: readonly WalSegmentSection[];
  readonly memberId: string | null;
  readonly clusterId: string | null;
  /** The last of them that was written down. */
  readonly hardState: { readonly term: string; readonly vote: string; readonly commit: string } | null;
  readonly entries: { readonly firstIndex: string; readonly lastIndex: string; readonly lastTerm: string } | null;
  /** The newest committed raft snapshot that the log refers to: its .snap file is where etcd begins. */
  readonly snapshot: { readonly index: string; readonly term: string } | null;
  /** Why reading stopped. torn: a write that never completed, which etcd repairs when it starts. corrupt: etcd refuses to start, and what is told of the log is as of there. */
  readonly fault: WalFaultSection | null;
  /** Why it may have gone on after its end: then how much is lost nobody can tell, and etcd starts from it without a word. Null where it did not, or is corrupt. */
  readonly behindEnd: string | null;
}

export interface WalFaultSection {
  readonly kind: "torn" | "corrupt";
  readonly segment: string;
  /** Byte of the segment; null where it is the file as a whole that is wrong. */
  readonly offset: number | null;
  readonly text: string;
}

export interface WalSegmentSection {
  readonly name: string;
  readonly sizeBytes: number;
  /** Up to the end of the last good record; what follows is preallocated. Null, as `records`, in a segment that was not read, because of damage before it. */
  readonly usedBytes: number | null;
  readonly records: number | null;
}

/** `fault` and nothing else where the file cannot be read. */
export interface RaftSnapshotSection {
  readonly index?: string;
  readonly term?: string;
  readonly confState?: ConfStateSection;
  /** Null when the v2 store in it cannot be read: etcd 3.7 does not mind, earlier ones refuse to start. */
  readonly members?: readonly { readonly id: string; readonly peerUrls: readonly string[] }[] | null;
  readonly fault: RaftSnapshotFault | null;
}

export interface RaftSnapshotFault {
  /** Byte of the file; null where it is the file as a whole that is wrong. */
  readonly offset: number | null;
  readonly text: string;
}

export interface DataDirectorySection {
  /** Absent before the first start, and where a restore did not finish. */
  readonly memberDirectory: string | null;
  /** Whose directory it is, by its log. The name is the one in the database. */
  readonly memberId: string | null;
  readonly memberName: string | null;
  readonly clusterId: string | null;
  /** Entries of the log that are not in the database yet: etcd applies the committed ones when it starts, a copied database lacks them. */
  readonly unappliedEntries: string | null;
  readonly raftSnapshots: readonly (RaftSnapshotSection & { readonly name: string; readonly sizeBytes: number })[];
  /** Files of no further use, or set aside. */
  readonly leftovers: readonly { readonly path: string; readonly what: string; readonly sizeBytes: number | null }[];
  /** What does not fit together. */
  readonly findings: readonly { readonly severity: "warning" | "error"; readonly text: string }[];
}

export interface RepositorySection {
  readonly id: string;
  readonly createdAt: string;
  readonly clusters: readonly { readonly name: string; readonly backups: number }[];
}
