// Which keys are bound to leases. Nothing but the rows of `key` says so: a server attaches each key to the lease that its last row names, and
// to none where that is a tombstone or names none (server/storage/mvcc/kvstore.go restoreChunk, etcd-formats §3.3).
// What is kept of a key is what HashKV keeps (superseded-keys.ts), so memory is bounded whatever the number of keys.
import { FormatError } from "../../errors.ts";
import type { Page } from "../bbolt/page.ts";
import { KeyRowCursor } from "./key-row.ts";
import { RowBits } from "./row-bits.ts";
import { SupersededKeys } from "./superseded-keys.ts";

/** The last row of a key. Both fields are valid until the next one is asked for. */
export interface LeasedRow {
  readonly page: Page;
  readonly row: KeyRowCursor;
}

/** A change at any revision supersedes what came before it. */
const LATEST = [Number.MAX_SAFE_INTEGER] as const;

/**
 * The last rows of all live keys that name a lease, in order of their revisions; whether there is such a lease is not looked at.
 * `leaves` gives the leaves of `key` in order of keys, as often as it is called. `finished` is the last finished compaction, 0 or less for none: no
 * key has two rows up to it. Throws FormatError BBOLT_ROW_INVALID for what is no row.
 */
export function* leasedRows(
  leaves: () => Iterable<Page>,
  finished: number,
  superseded: SupersededKeys = new SupersededKeys(LATEST),
): Generator<LeasedRow, void, void> {
  const marks = new RowBits(1);
  recordChanges(leaves, finished, superseded);
  // When the changed keys do not fit in memory at once, the rows are marked by one part of them after the other.
  for (let part = 0; ; ) {
    // Each time round the parts are at most half as large.
    while (superseded.overflowed) {
      superseded.startPart(part);
      recordChanges(leaves, finished, superseded);
    }
    part += 1;
    if (part >= superseded.parts) break;
    let index = 0;
    for (const leased of rowsWithLease(leaves)) marks.set(index++, supersededBit(superseded, leased));
    superseded.startPart(part);
    recordChanges(leaves, finished, superseded);
  }
  let index = 0;
  for (const leased of rowsWithLease(leaves)) {
    if ((marks.get(index++) | supersededBit(superseded, leased)) === 0) yield leased;
  }
}

/** Notes every row that has one of the same key before it (hash-kv.ts). */
function recordChanges(leaves: () => Iterable<Page>, finished: number, superseded: SupersededKeys): void {
  for (const { page, row } of rows(leaves)) {
    if (row.main <= finished || !(row.tombstone || row.keyValue.version !== 1)) continue;
    superseded.record(page.view, page.bytes, row.keyValue.keyStart, row.keyValue.keyEnd, row.main);
  }
}

function supersededBit(superseded: SupersededKeys, { page, row }: LeasedRow): number {
  return superseded.supersededBits(page.view, page.bytes, row.keyValue.keyStart, row.keyValue.keyEnd, row.main);
}

function* rowsWithLease(leaves: () => Iterable<Page>): Generator<LeasedRow> {
  for (const each of rows(leaves)) if (each.row.keyValue.hasLease && !each.row.tombstone) yield each;
}

function* rows(leaves: () => Iterable<Page>): Generator<LeasedRow> {
  const row = new KeyRowCursor();
  for (const page of leaves()) {
    const each = { page, row };
    for (let index = 0; index < page.count; index++) {
      const fault = row.read(page, index);
      if (fault !== undefined) throw new FormatError("BBOLT_ROW_INVALID", fault, page.offsetOf(row.start));
      yield each;
    }
  }
}
