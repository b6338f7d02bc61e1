// What becomes of the keys that are bound to leases. Where they are to go, or to stay without a lease, each gets one row more, all in one new
// revision behind the source's last: a tombstone as a deletion writes it, or its last value once more as a put without a lease writes it. So every
// row and page of the source stays as it was; its SHA-256 and its HashKV still vouch for it, and clients see the change as any other.
import { bucketLeaves, readBuckets, rowsOf } from "../etcd-files/bbolt/buckets.ts";
import type { Database } from "../etcd-files/bbolt/database.ts";
import type { Row } from "../etcd-files/bbolt/page-builder.ts";
import { PageOutput } from "../etcd-files/bbolt/page-output.ts";
import { writeRows } from "../etcd-files/bbolt/writer.ts";
import { BUCKETS, META_KEYS } from "../etcd-files/mvcc/buckets.ts";
import { decodeKeyValue, encodeKeyValue, encodeTombstone, type KeyValue } from "../etcd-files/mvcc/key-value-message.ts";
import { leasedRows } from "../etcd-files/mvcc/leased-rows.ts";
import { encodeRevisionKey, parseRevisionKey, REVISION_KEY_SIZE_BYTES } from "../etcd-files/mvcc/revision-key.ts";

/** `restart`: as etcd does, all leases start again with their full time to live. `expire`: they end, and with them their keys. `detach`: they end, and their keys stay. */
export type LeasePolicy = "restart" | "expire" | "detach";

/** What a policy adds to the database. */
export interface LeaseChanges {
  readonly boundKeys: number;
  readonly addedBytes: number;
}

/** Counts what `leaseRows` gives, and the pages that it takes. Throws FormatError for a damaged database. */
export function countLeaseChanges(database: Database, policy: LeasePolicy): LeaseChanges {
  let boundKeys = 0;
  const counted = function* () {
    for (const row of leaseRows(database, policy, 1n)) {
      boundKeys += 1;
      yield row;
    }
  };
  const output = new PageOutput({ write() {} }, database.pageSizeBytes, 0);
  writeRows(output, counted());
  return { boundKeys, addedBytes: boundKeys === 0 ? 0 : output.nextPageId * database.pageSizeBytes };
}

/** The rows that the policy adds, of the revision `main`, in order. Throws FormatError for a damaged database. */
export function* leaseRows(database: Database, policy: LeasePolicy, main: bigint): Generator<Row, void, void> {
  if (policy === "restart") return;
  let sub = 0n;
  for (const keyValue of boundKeys(database, policy)) {
    const value =
      policy === "expire" ? encodeTombstone(keyValue.key) : encodeKeyValue({ ...keyValue, modRevision: main, version: keyValue.version + 1n, lease: 0n });
    yield { key: encodeRevisionKey(main, sub, policy === "expire"), value };
    sub += 1n;
  }
}

/**
 * A key that names a lease which is not there expires never (etcd-formats §3.3). It is nothing that would have gone, so it is not deleted;
 * but of its lease it is freed like any other, lest a lease of that id be granted again.
 */
function* boundKeys(database: Database, policy: "expire" | "detach"): Generator<KeyValue> {
  const bucket = readBuckets(database).find(({ name }) => Buffer.from(name).toString("latin1") === BUCKETS.key);
  if (bucket === undefined) return;
  const leases = policy === "expire" ? leaseIds(database) : undefined;
  for (const { page, row } of leasedRows(() => bucketLeaves(database, bucket), finishedCompaction(database))) {
    const valueStart = row.start + REVISION_KEY_SIZE_BYTES;
    const keyValue = decodeKeyValue(page.bytes.subarray(valueStart, row.end), page.offsetOf(valueStart));
    if (leases === undefined || includes(leases, keyValue.lease)) yield keyValue;
  }
}

/** Sorted: eight bytes a lease, however many there are. */
function leaseIds(database: Database): BigInt64Array {
  const ids = function* () {
    for (const { key } of rowsOf(database, BUCKETS.lease)) yield Buffer.from(key).readBigInt64BE();
  };
  return BigInt64Array.from(ids()).sort();
}

function includes(sorted: BigInt64Array, id: bigint): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] as bigint) < id) from = middle + 1;
    else to = middle;
  }
  return sorted[from] === id;
}

/** 0 for none. */
function finishedCompaction(database: Database): number {
  for (const { key, value } of rowsOf(database, BUCKETS.meta)) {
    if (Buffer.from(key).toString("latin1") === META_KEYS.finishedCompactRev) return Number(parseRevisionKey(value)?.main ?? 0n);
  }
  return 0;
}
