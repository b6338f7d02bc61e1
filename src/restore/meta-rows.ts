// The rows of `meta` and `key` that a restore changes. Source: etcdutl/snapshot/v3_snapshot.go (saveWALAndSnap, modifyLatestRevision)
// and etcd-formats §4.3, §4.6, §4.9: the old voters, which etcdutl leaves in confState, are made right here.
import type { Row } from "../etcd-files/bbolt/page-builder.ts";
import { META_KEYS } from "../etcd-files/mvcc/buckets.ts";
import { encodeRevisionKey } from "../etcd-files/mvcc/revision-key.ts";

export interface MetaChanges {
  /** Set for the members of a new cluster. */
  readonly raft?: {
    readonly memberCount: number;
    readonly confState: Uint8Array;
    /** Etcd 3.4 knows neither term nor confState, and never updates them (etcd-formats §4.7). */
    readonly withTermAndConfState: boolean;
  };
  /** Set with a revision bump: the server compacts up to here when it starts. */
  readonly scheduledCompactRevision?: bigint;
  /** For an older etcd than wrote it, which would not start with it (target-version.ts). */
  readonly withoutStorageVersion: boolean;
}

/** The rows of `meta` after the restore, in key order. Rows this does not know stay as they are. */
export function restoredMetaRows(source: readonly Row[], { raft, scheduledCompactRevision, withoutStorageVersion }: MetaChanges): Row[] {
  const rows = new Map(source.map(({ key, value }) => [Buffer.from(key).toString("latin1"), value]));
  if (raft !== undefined) {
    // Exactly the number of members: with less the server looks for a snapshot it never received, with more it skips its own first entries (etcd-formats §4.9).
    rows.set(META_KEYS.consistentIndex, u64(BigInt(raft.memberCount)));
    rows.delete(META_KEYS.term);
    rows.delete(META_KEYS.confState);
    if (raft.withTermAndConfState) rows.set(META_KEYS.term, u64(1n)).set(META_KEYS.confState, raft.confState);
  }
  if (scheduledCompactRevision !== undefined) rows.set(META_KEYS.scheduledCompactRev, encodeRevisionKey(scheduledCompactRevision, 0n));
  if (withoutStorageVersion) rows.delete(META_KEYS.storageVersion);
  return [...rows].map(([key, value]) => ({ key: Buffer.from(key, "latin1"), value })).sort((a, b) => Buffer.compare(a.key, b.key));
}

/** The row that moves the revision ahead: a key at the new revision with an empty value, as etcdutl writes it. */
export function bumpRow(revision: bigint): Row {
  return { key: encodeRevisionKey(revision, 0n), value: new Uint8Array(0) };
}

function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
