// Writes a whole database, compactly, in one pass over its rows (etcd-formats §2.10): no free pages, small buckets inline, no freelist.
// Memory does not grow with the number of rows. The buckets named are the buckets of the file; nothing is added to them.
import { BUCKET_HEADER_SIZE_BYTES, INLINE_BUCKET_PAGE_PART, LEAF_ELEMENT_BUCKET, NO_FREELIST } from "./constants.ts";
import { encodeMetaPage, type Meta } from "./meta.ts";
import type { Row } from "./page-builder.ts";
import { PageOutput, type PageSink } from "./page-output.ts";
import { TreeWriter } from "./tree-writer.ts";

export interface BucketRows {
  readonly name: Uint8Array;
  /** In order of keys. One object may be handed out again and again. */
  readonly rows: Iterable<Row>;
}

export interface WrittenDatabase {
  readonly highWaterMark: number;
  /** Exactly `highWaterMark` pages. */
  readonly sizeBytes: number;
}

/**
 * Writes `buckets`, given in order of names, to `sink`, which must be empty. Pages come in order; the two meta pages, which make the
 * file one, come last. `pageSizeBytes`: a power of two, 1 KiB to 16 MiB. Throws BBOLT_ROW_INVALID for names or keys that are out of order
 * or of an impossible size, and what `rows` and the sink throw.
 */
export function writeDatabase(sink: PageSink, buckets: Iterable<BucketRows>, options: { readonly pageSizeBytes: number }): WrittenDatabase {
  const { pageSizeBytes } = options;
  const output = new PageOutput(sink, pageSizeBytes, FIRST_PAGE_ID);
  const root = new TreeWriter(output, LEAF_ELEMENT_BUCKET);
  for (const { name, rows } of buckets) root.add({ key: name, value: writeRows(output, rows) });
  const rootPageId = root.finish();
  const highWaterMark = output.nextPageId;
  output.flush();
  writeMetas(sink, { pageSizeBytes, rootPageId, rootSequence: 0n, freelistPageId: NO_FREELIST, highWaterMark, txid: FIRST_TXID });
  return { highWaterMark, sizeBytes: highWaterMark * pageSizeBytes };
}

/** Writes a bucket of these rows; gives what `finishBucket` does. */
export function writeRows(output: PageOutput, rows: Iterable<Row>): Uint8Array {
  const tree = new TreeWriter(output);
  for (const row of rows) tree.add(row);
  return finishBucket(output, tree);
}

/** Finishes a bucket's tree, and gives the value of the bucket's element: a header, and the page itself when that is small enough to be inline. */
export function finishBucket(output: PageOutput, tree: TreeWriter): Uint8Array {
  const inline = tree.finishInline(Math.floor(output.pageSizeBytes / INLINE_BUCKET_PAGE_PART));
  const value = new Uint8Array(BUCKET_HEADER_SIZE_BYTES + (inline?.length ?? 0));
  if (inline === undefined) new DataView(value.buffer).setBigUint64(0, BigInt(tree.finish()), true);
  else value.set(inline, BUCKET_HEADER_SIZE_BYTES);
  return value;
}

/** Writes both meta pages, each to the slot its txid belongs to: `meta`, and the same state one transaction older. */
export function writeMetas(sink: PageSink, meta: Meta): void {
  for (const txid of [meta.txid - 1n, meta.txid]) {
    const slot = txid % 2n === 0n ? 0 : 1;
    sink.write(slot * meta.pageSizeBytes, encodeMetaPage({ ...meta, txid }, slot));
  }
}

/** Pages 0 and 1 are the metas'. */
const FIRST_PAGE_ID = 2;
/** bbolt `db.go` init gives the metas of a new file the txids 0 and 1. */
const FIRST_TXID = 1n;
