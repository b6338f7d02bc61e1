// Turns a copy of the snapshot's database into what the plan says, in place: only pages behind its end and the metas are written.

import { rowsOf } from "../etcd-files/bbolt/buckets.ts";
import { type Database, openDatabase } from "../etcd-files/bbolt/database.ts";
import { editDatabase } from "../etcd-files/bbolt/edit.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { withMissingPages } from "../etcd-files/bbolt/missing-pages.ts";
import type { Row } from "../etcd-files/bbolt/page-builder.ts";
import { openPageFile, type PageFile } from "../etcd-files/bbolt/page-file.ts";
import type { PageSource } from "../etcd-files/bbolt/page-source.ts";
import { confStateJson } from "../etcd-files/membership/conf-state-json.ts";
import { membersBucketRows } from "../etcd-files/membership/members-bucket.ts";
import type { PlannedCluster } from "../etcd-files/membership/plan-cluster.ts";
import { BUCKETS } from "../etcd-files/mvcc/buckets.ts";
import type { DatabasePlan } from "./database-plan.ts";
import { addedRevisions } from "./keyspace.ts";
import { keyspaceBuckets, plannedLeaseRows } from "./keyspace-rows.ts";
import { bumpRow, restoredMetaRows } from "./meta-rows.ts";
import type { RestorePlan } from "./plan.ts";

/** The members that the database is to be that of; none for a plain snapshot, whose cluster stays as it was for etcd's own tools. */
export interface DatabaseMembers {
  readonly cluster: PlannedCluster;
  readonly walDialect: RestorePlan["walDialect"];
}

/** What the first pages held before the edit: with them in place the file's SHA-256 is still the one etcd computed. */
export interface DatabaseEdit {
  readonly originalMetaPages: Uint8Array;
}

/** A file for a database, as write.ts leaves it. */
export interface DatabaseFile {
  readonly path: string;
  /** The file that all of its pages are yet to be copied from; absent where they are there. */
  readonly copyFrom?: string;
}

/**
 * Edits the database. Throws SNAPSHOT_TRUNCATED, BBOLT_META_INVALID, BBOLT_PAGE_INVALID or BBOLT_ROW_INVALID for a source that is damaged
 * where the edit looks, and SELF_CHECK_FAILED where it holds other keys with leases than were counted for the plan.
 * `onRead` is called before each read of it; what that throws ends the edit.
 */
export function editRestoredDatabase(
  { path, copyFrom }: DatabaseFile,
  plan: DatabasePlan,
  members: DatabaseMembers | undefined,
  onRead?: () => void,
): DatabaseEdit {
  const written = openPageFile(path);
  const original = copyFrom === undefined ? undefined : openFilePageSource(copyFrom);
  try {
    const file = original === undefined ? written : readingFrom(original, plan.source.databaseSizeBytes, written);
    const database = openDatabase(file);
    const originalMetaPages = file.read(0, 2 * database.pageSizeBytes).slice();
    const replace = new Map<string, Row[]>(keyspaceBuckets(database, plan));
    if (members !== undefined) replace.set(BUCKETS.members, membersBucketRows(members.cluster.members)).set(BUCKETS.membersRemoved, []);
    replace.set(BUCKETS.meta, metaRows(database, plan, members));
    const read = (offset: number, sizeBytes: number) => {
      onRead?.();
      return file.read(offset, sizeBytes);
    };
    const source = { ...database, source: { sizeBytes: database.sizeBytes, read } };
    editDatabase(file, { replace, appendKeyRows: addedRows(source, plan) });
    return { originalMetaPages };
  } finally {
    written.close();
    original?.close();
  }
}

/** `file`, with what lies below `sizeBytes` read from where it is yet to be copied from. */
function readingFrom(source: PageSource, sizeBytes: number, file: PageFile): PageFile {
  // Copied: an edit keeps parts of pages while it reads others.
  const read = (offset: number, count: number) => source.read(offset, count).slice();
  return { ...file, ...withMissingPages(file, { source: { ...source, read }, from: 0, to: sizeBytes }) };
}

function metaRows(database: Database, { revision, versions }: DatabasePlan, members: DatabaseMembers | undefined): Row[] {
  const raft = members && {
    memberCount: members.cluster.members.length,
    confState: confStateJson(members.cluster.members.map(({ id }) => id)),
    withTermAndConfState: members.walDialect !== "3.4",
  };
  return restoredMetaRows([...rowsOf(database, BUCKETS.meta)], {
    ...(raft === undefined ? {} : { raft }),
    ...(revision.markCompacted ? { scheduledCompactRevision: BigInt(revision.after) } : {}),
    withoutStorageVersion: versions.removesStorageVersion,
  });
}

/** Behind the last row of `key`: what the lease policy adds, then the row that moves the revision ahead. */
function* addedRows(database: Database, plan: DatabasePlan): Generator<Row> {
  const { revision, keyspace } = plan;
  if (addedRevisions(keyspace) > 0) yield* plannedLeaseRows(database, plan);
  if (revision.bumpedBy !== null) yield bumpRow(BigInt(revision.after));
}
