// Turns a copy of the snapshot's database into that of the new cluster's members, in place: only a few pages at its end and the metas are written.

import { rowsOf } from "../etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { editDatabase } from "../etcd-files/bbolt/edit.ts";
import type { Row } from "../etcd-files/bbolt/page-builder.ts";
import { openPageFile, type PageFile } from "../etcd-files/bbolt/page-file.ts";
import { confStateJson } from "../etcd-files/membership/conf-state-json.ts";
import { membersBucketRows } from "../etcd-files/membership/members-bucket.ts";
import type { PlannedCluster } from "../etcd-files/membership/plan-cluster.ts";
import { bumpRow, restoredMetaRows } from "./meta-rows.ts";
import type { RestorePlan } from "./plan.ts";
import type { PlannedRevision } from "./revision.ts";

/** What the first pages held before the edit: with them in place the file's SHA-256 is still the one etcd computed. */
export interface DatabaseEdit {
  readonly originalMetaPages: Uint8Array;
}

/** Edits the database at `path`. Throws SNAPSHOT_TRUNCATED, BBOLT_META_INVALID or BBOLT_PAGE_INVALID for a source that is damaged where the edit looks. */
export function editRestoredDatabase(path: string, plan: RestorePlan, cluster: PlannedCluster): DatabaseEdit {
  const file = openPageFile(path);
  try {
    const database = openDatabase(file);
    const originalMetaPages = file.read(0, 2 * database.pageSizeBytes).slice();
    const replace = new Map<string, Row[]>([
      ["members", membersBucketRows(cluster.members)],
      ["members_removed", []],
      ["alarm", []],
      ["meta", metaRows(file, plan, cluster)],
    ]);
    editDatabase(file, { replace, ...appended(plan) });
    return { originalMetaPages };
  } finally {
    file.close();
  }
}

/** Only the revision is moved ahead, the cluster stays as it was: for a plain snapshot that etcd's own tools restore. */
export function bumpDatabase(path: string, plan: { readonly revision: PlannedRevision }): DatabaseEdit {
  const file = openPageFile(path);
  try {
    const database = openDatabase(file);
    const originalMetaPages = file.read(0, 2 * database.pageSizeBytes).slice();
    const rows = restoredMetaRows([...rowsOf(database, "meta")], { scheduledCompactRevision: BigInt(plan.revision.after) });
    editDatabase(file, { replace: new Map([["meta", rows]]), ...appended(plan) });
    return { originalMetaPages };
  } finally {
    file.close();
  }
}

function metaRows(file: PageFile, plan: RestorePlan, cluster: PlannedCluster): Row[] {
  return restoredMetaRows([...rowsOf(openDatabase(file), "meta")], {
    raft: {
      memberCount: cluster.members.length,
      confState: confStateJson(cluster.members.map(({ id }) => id)),
      withTermAndConfState: plan.walDialect !== "3.4",
    },
    ...(plan.revision.markCompacted ? { scheduledCompactRevision: BigInt(plan.revision.after) } : {}),
  });
}

function appended(plan: { readonly revision: PlannedRevision }): { appendKeyRows?: Row[] } {
  return plan.revision.bumpedBy === null ? {} : { appendKeyRows: [bumpRow(BigInt(plan.revision.after))] };
}
