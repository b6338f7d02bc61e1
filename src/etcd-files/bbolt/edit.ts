// Edits a copy of a database in place: buckets replaced as a whole, rows appended to `key` (etcd-formats §2.11).
// 1. Everything new goes behind the high-water mark; no page that is in use is changed.
// 2. A replaced bucket is written as a new tree; appended rows become new leaves under a rewritten right edge of the old tree.
// 3. The tree of buckets is written anew; the values of buckets that stay are copied byte for byte, inline ones too.
// 4. Both metas name the new tree, so that nothing falls back to the state before, and no freelist, since a stored one would be stale.
// The pages that were replaced stay in the file as free ones, which a server takes again.
import { EtcdsafeError } from "../../errors.ts";
import { type BucketRef, inlinePage, readBuckets } from "./buckets.ts";
import { BUCKET_HEADER_SIZE_BYTES, LEAF_ELEMENT_BUCKET, NO_FREELIST } from "./constants.ts";
import { type Database, openDatabase } from "./database.ts";
import type { Row } from "./page-builder.ts";
import type { PageFile } from "./page-file.ts";
import { PageOutput } from "./page-output.ts";
import { readRightEdge } from "./right-edge.ts";
import { TreeWriter } from "./tree-writer.ts";
import { requirePageId } from "./walk.ts";
import { finishBucket, type WrittenDatabase, writeMetas, writeRows } from "./writer.ts";

export interface DatabaseEdits {
  /** All rows that the buckets of these names are to hold, in order of keys. Missing buckets are created; one without rows stays, empty. */
  readonly replace?: ReadonlyMap<string, Iterable<Row>>;
  /** Rows to go behind the last one of `key`, in order of keys. One object may be handed out again and again. */
  readonly appendKeyRows?: Iterable<Row>;
}

/**
 * Edits `file`, which nobody else reads or writes until this returns, and cuts it to its new size: a hash at its end goes. Not synced.
 * Reads and writes the right edge of `key`, the tree of buckets, and what is new; the rest of the file is not looked at.
 * Throws BBOLT_ROW_INVALID when rows are out of order or do not come after the last row of `key`, and BBOLT_META_INVALID,
 * BBOLT_PAGE_INVALID or SNAPSHOT_TRUNCATED for a damaged file. After an error the database is as before; only bytes behind its end differ.
 */
export function editDatabase(file: PageFile, edits: DatabaseEdits): WrittenDatabase {
  const { replace = new Map<string, Iterable<Row>>(), appendKeyRows = [] } = edits;
  if (replace.has(KEY_BUCKET) && edits.appendKeyRows !== undefined)
    throw new EtcdsafeError("INTERNAL", "rows were to be appended to a bucket that is replaced");
  const database = openDatabase(file);
  const { meta, pageSizeBytes } = database;
  const output = new PageOutput(file, pageSizeBytes, meta.highWaterMark);

  const buckets = new Map(readBuckets(database).map((bucket) => [latin1(bucket.name), bucket]));
  const values = new Map([...buckets].map(([name, bucket]) => [name, elementValue(database, bucket)]));
  for (const [name, rows] of replace) values.set(latin1(Buffer.from(name)), writeRows(output, rows));
  const keyValue = appendRows(database, output, buckets.get(KEY_BUCKET), appendKeyRows);
  if (keyValue !== undefined) values.set(KEY_BUCKET, keyValue);

  const root = new TreeWriter(output, LEAF_ELEMENT_BUCKET);
  for (const [name, value] of [...values].sort(([a], [b]) => (a < b ? -1 : 1))) root.add({ key: Buffer.from(name, "latin1"), value });
  const rootPageId = root.finish();
  const highWaterMark = output.nextPageId;
  output.flush();
  file.truncate(highWaterMark * pageSizeBytes);
  writeMetas(file, { ...meta, rootPageId, freelistPageId: NO_FREELIST, highWaterMark, txid: meta.txid + 2n });
  return { highWaterMark, sizeBytes: highWaterMark * pageSizeBytes };
}

const KEY_BUCKET = "key";

/** The value of `key`'s element with `rows` behind those it has; undefined when there are none, so that nothing is rewritten. */
function appendRows(database: Database, output: PageOutput, bucket: BucketRef | undefined, rows: Iterable<Row>): Uint8Array | undefined {
  let tree: TreeWriter | undefined;
  for (const row of rows) {
    tree ??= continueBucket(database, output, bucket);
    tree.add(row);
  }
  return tree === undefined ? undefined : finishBucket(output, tree);
}

function continueBucket(database: Database, output: PageOutput, bucket: BucketRef | undefined): TreeWriter {
  const tree = new TreeWriter(output);
  if (bucket?.inline !== undefined) {
    const page = inlinePage(bucket.inline);
    for (let index = 0; index < page.count; index++) tree.add({ key: page.key(index), value: page.value(index) });
  } else if (bucket !== undefined) {
    const edge = readRightEdge(database, bucket);
    if (edge !== undefined) tree.continueFrom(edge);
  }
  return tree;
}

/** The value of the element of a bucket that stays, as it was. */
function elementValue(database: Database, { rootPageId, sequence, fileOffset, inline }: BucketRef): Uint8Array {
  // A root behind the end of the database would seem to be one of the new pages.
  if (inline === undefined) requirePageId({ pageSizeBytes: database.pageSizeBytes, highWaterMark: database.meta.highWaterMark }, rootPageId, fileOffset);
  const value = new Uint8Array(BUCKET_HEADER_SIZE_BYTES + (inline?.bytes.length ?? 0));
  const view = new DataView(value.buffer);
  view.setBigUint64(0, BigInt(rootPageId), true);
  view.setBigUint64(8, sequence, true);
  if (inline !== undefined) value.set(inline.bytes, BUCKET_HEADER_SIZE_BYTES);
  return value;
}

function latin1(name: Uint8Array): string {
  return Buffer.from(name).toString("latin1");
}
