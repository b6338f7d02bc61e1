// A snapshot's facts from a few of its pages: metas, the small buckets, and the last key. Enough to plan by; nothing is vouched for.

import { hasTrailer, TRAILER_SIZE_BYTES } from "../../bytes/trailing-hash.ts";
import { EtcdsafeError, FormatError } from "../../errors.ts";
import { type BucketRef, inlinePage, readBuckets, rowsOf } from "../bbolt/buckets.ts";
import { type Database, openDatabase } from "../bbolt/database.ts";
import { Findings } from "../bbolt/finding.ts";
import type { PageSource } from "../bbolt/page-source.ts";
import { readRightEdge } from "../bbolt/right-edge.ts";
import { BUCKETS } from "../mvcc/buckets.ts";
import { parseRevisionKey } from "../mvcc/revision-key.ts";
import { BucketFacts } from "./bucket-facts.ts";
import type { SnapshotFacts } from "./facts.ts";
import { requireDatabase } from "./require-database.ts";

export interface SnapshotPeek
  extends Pick<
    SnapshotFacts,
    "pageSizeBytes" | "sizeBytes" | "revision" | "consistentIndex" | "storageVersion" | "clusterVersion" | "leases" | "alarms" | "members" | "authEnabled"
  > {
  /** The finished or the scheduled compaction, whichever is greater: what a server has after its start; -1n for none. */
  readonly compactRevision: bigint;
  /** The hash at the file's end, hexadecimal, not compared with anything yet; undefined where there is none. */
  readonly trailer: string | undefined;
}

/**
 * `path` is for messages. Throws SNAPSHOT_EMPTY, SNAPSHOT_PACKED, SNAPSHOT_NOT_A_DATABASE or SNAPSHOT_TRUNCATED for what is no whole database,
 * and SNAPSHOT_DAMAGED when one of the few pages it reads is damaged.
 */
export function peekSnapshot(path: string, source: PageSource): SnapshotPeek {
  requireDatabase(path, source);
  try {
    return { ...peekDatabase(source), trailer: trailerOf(source) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new EtcdsafeError("SNAPSHOT_DAMAGED", `${path} is damaged: ${error.message}`, { cause: error });
  }
}

function peekDatabase(source: PageSource): Omit<SnapshotPeek, "trailer"> {
  const database = openDatabase(source);
  const facts = new BucketFacts(new Findings());
  let lastKey: Uint8Array | undefined;
  for (const bucket of readBuckets(database)) {
    const name = Buffer.from(bucket.name).toString("latin1");
    if (name === BUCKETS.key) lastKey = lastKeyOf(database, bucket);
    else for (const row of rowsOf(database, name)) facts.row(name, row.key, row.value, 0, 0);
  }
  const last = lastKey === undefined ? undefined : parseRevisionKey(lastKey);
  const {
    finishedCompactRevision: compactRevision,
    scheduledCompactRevision,
    consistentIndex,
    storageVersion,
    clusterVersion,
    leases,
    alarms,
    members,
    authEnabled,
  } = facts;
  return {
    pageSizeBytes: database.pageSizeBytes,
    sizeBytes: database.sizeBytes,
    // kvstore.go restore: an empty store is at revision 1; a compaction may have removed the last row.
    revision: greatest(1n, last?.main ?? 1n, compactRevision, scheduledCompactRevision),
    compactRevision: greatest(compactRevision, scheduledCompactRevision),
    consistentIndex,
    storageVersion,
    clusterVersion,
    leases,
    alarms,
    members,
    authEnabled,
  };
}

function lastKeyOf(database: Database, bucket: BucketRef): Uint8Array | undefined {
  if (bucket.inline === undefined) return readRightEdge(database, bucket)?.lastKey;
  const page = inlinePage(bucket.inline);
  return page.count === 0 ? undefined : page.key(page.count - 1);
}

/** The hash at the file's end, hexadecimal, not compared with anything; undefined where there is none. */
export function trailerOf(source: PageSource): string | undefined {
  if (!hasTrailer(source.sizeBytes)) return undefined;
  return Buffer.from(source.read(source.sizeBytes - TRAILER_SIZE_BYTES, TRAILER_SIZE_BYTES)).toString("hex");
}

function greatest(...revisions: bigint[]): bigint {
  return revisions.reduce((most, each) => (each > most ? each : most));
}
