// What is restored from: a stored backup, of etcdsafe or another tool, or any snapshot file. The facts go into the plan; the bytes are read when it is applied.
import type { Bundle } from "../bundle/read.ts";
import type { ByteStream } from "../bytes/stream.ts";
import type { SnapshotPeek } from "../etcd-files/check/peek.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { CallOptions } from "../runtime.ts";
import type { FormerMember } from "./former-members.ts";

/** Plain JSON, part of the plan. */
export interface SourceFacts {
  /** `foreign`: another tool's backup, in a location where nothing is written. */
  readonly kind: "backup" | "snapshot-file" | "foreign";
  readonly location: string;
  readonly cluster: string | null;
  readonly backupId: string | null;
  readonly state: "proven" | "unconfirmed" | "suspect" | "partial" | "damaged" | null;
  readonly createdAt: string | null;
  /** SHA-256 of the database bytes, which etcd appended to the snapshot; null where the file has none. Hexadecimal. */
  readonly databaseSha256: string | null;
  readonly databaseSizeBytes: number;
  readonly revision: string;
  /** "-1" when nothing was ever compacted. */
  readonly compactRevision: string;
  readonly storageVersion: string | null;
  readonly clusterVersion: string | null;
  readonly leases: number;
  readonly alarms: number;
  readonly authEnabled: boolean;
  /** What a member holding these bytes answers to HashKV, where that is known beforehand. `hash` as etcdctl prints it. */
  readonly hashKv: { readonly revision: string; readonly compactRevision: string; readonly hash: number } | null;
  /** What was saved beside it; absent where nothing was. */
  readonly bundle?: Manifest["bundle"];
}

/** What only a look into the database tells. */
export type DatabaseFacts = Pick<SourceFacts, "revision" | "compactRevision" | "storageVersion" | "clusterVersion" | "leases" | "alarms" | "authEnabled">;

export function peekedFacts(found: SnapshotPeek): DatabaseFacts {
  return {
    revision: found.revision.toString(),
    compactRevision: found.compactRevision.toString(),
    storageVersion: found.storageVersion ?? null,
    clusterVersion: found.clusterVersion ?? null,
    leases: found.leases,
    alarms: found.alarms.length,
    authEnabled: found.authEnabled,
  };
}

/** Where in its cluster's log a database ends, so that a log of that cluster tells how many revisions more there may be. */
export interface LogPosition {
  /** For people. */
  readonly where: string;
  readonly revision: bigint;
  /** Raft index of the last entry that it holds. */
  readonly consistentIndex: bigint;
  /** 16 hexadecimal digits; null where only the members tell. */
  readonly clusterId: string | null;
  /** 16 hexadecimal digits each. */
  readonly memberIds: readonly string[];
}

export interface SnapshotSource {
  /** Absent where it is not known. */
  readonly logPosition?: LogPosition;
  /** Files of the host that were saved beside the snapshot; absent where there are none. Throws BUNDLE_INVALID where they may not be unpacked. */
  readonly bundle?: { read(options: CallOptions): Promise<Bundle> };
  readonly facts: SourceFacts;
  /** What is to be known of how it was chosen. */
  readonly warnings?: readonly string[];
  /** Of the cluster it comes from, as far as they are known. */
  readonly members: readonly FormerMember[];
  /** A file is copied, which the kernel does best; a backup is decoded, and compared with its stored sizes and hashes on the way. */
  readonly content: { readonly path: string } | { read(options: CallOptions): ByteStream };
}
