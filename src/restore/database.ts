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

/** The first two pages, as they were and as they are to be. */
export interface DatabaseEdit {
  /** With them in place the file's SHA-256 is still the one etcd computed. */
  readonly originalMetaPages: Uint8Array;
  /** Not written yet where the other pages are yet to be copied: whatever dies before they are leaves no file that could be taken for a database. */
  readonly metaPages: Uint8Array;
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
    const held = original && withMetasHeld(original, plan.source.databaseSizeBytes, written);
    const file = held?.file ?? written;
    const database = openDatabase(file);
    const originalMetaPages = metaPagesOf(file, database);
    const replace = new Map<string, Row[]>(keyspaceBuckets(database, plan));
    if (members !== undefined) replace.set(BUCKETS.members, membersBucketRows(members.cluster.members)).set(BUCKETS.membersRemoved, []);
    replace.set(BUCKETS.meta, metaRows(database, plan, members));
    const read = (offset: number, sizeBytes: number) => {
      onRead?.();
      return file.read(offset, sizeBytes);
    };
    const source = { ...database, source: { sizeBytes: database.sizeBytes, read } };
    editDatabase(file, { replace, appendKeyRows: addedRows(source, plan) });
    const metaPages = held === undefined ? metaPagesOf(file, database) : held.metaPages(database);
    return { originalMetaPages, metaPages };
  } finally {
    written.close();
    original?.close();
  }
}

/** For a database that stays as it is. Throws as `editRestoredDatabase`. */
export function unedited({ path, copyFrom }: DatabaseFile): DatabaseEdit {
  const file = openFilePageSource(copyFrom ?? path);
  try {
    const metaPages = metaPagesOf(file, openDatabase(file));
    return { originalMetaPages: metaPages, metaPages };
  } finally {
    file.close();
  }
}

function metaPagesOf(file: PageSource, { pageSizeBytes }: Pick<Database, "pageSizeBytes">): Uint8Array {
  return file.read(0, 2 * pageSizeBytes).slice();
}

/** `file`, with what lies below `sizeBytes` read from where it is yet to be copied from. Of all that an edit writes only the metas lie there. */
function withMetasHeld(
  source: PageSource,
  sizeBytes: number,
  file: PageFile,
): { file: PageFile; metaPages(database: Pick<Database, "pageSizeBytes">): Uint8Array } {
  // Copied: an edit keeps parts of pages while it reads others.
  const read = (offset: number, count: number) => source.read(offset, count).slice();
  const metas: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  const write = (offset: number, bytes: Uint8Array) => (offset < sizeBytes ? void metas.push({ offset, bytes: bytes.slice() }) : file.write(offset, bytes));
  return {
    file: { ...file, ...withMissingPages(file, { source: { ...source, read }, from: 0, to: sizeBytes }), write },
    metaPages({ pageSizeBytes }) {
      const pages = new Uint8Array(2 * pageSizeBytes);
      for (const { offset, bytes } of metas) pages.set(bytes, offset);
      return pages;
    },
  };
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
