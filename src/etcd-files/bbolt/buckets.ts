// The buckets of a database and the rows of the small ones. Large buckets are scanned leaf by leaf in the order of the file (scan.ts).
import { FormatError } from "../../errors.ts";
import { BUCKET_HEADER_SIZE_BYTES, LEAF_ELEMENT_BUCKET, PAGE_HEADER_SIZE_BYTES } from "./constants.ts";
import type { Database } from "./database.ts";
import { checkPage, type Page, pageOf } from "./page.ts";
import type { Row } from "./page-builder.ts";
import { PageSet } from "./page-set.ts";
import { DEPTH_MAX, type Pages, runWalk, walkPage } from "./walk.ts";

/** No key is less. */
const FIRST_KEY = new Uint8Array();

/** A bucket as its element in the root tree describes it (etcd-formats §2.6). */
export interface BucketRef {
  readonly name: Uint8Array;
  /** 0 when the bucket is inline. */
  readonly rootPageId: number;
  readonly sequence: bigint;
  /** Where the header that says all this is. */
  readonly fileOffset: number;
  /** The one leaf of an inline bucket. */
  readonly inline?: { readonly bytes: Uint8Array; readonly fileOffset: number };
}

/** All buckets, in order of names. Throws FormatError BBOLT_PAGE_INVALID. */
export function readBuckets(database: Database): BucketRef[] {
  const buckets: BucketRef[] = [];
  for (const page of leavesOf(database, database.meta.rootPageId, 0)) {
    for (let index = 0; index < page.count; index++) buckets.push(bucketAt(page, index));
  }
  return buckets;
}

/** The bucket that element `index` of a leaf of the root tree names. Throws FormatError BBOLT_PAGE_INVALID when it is no bucket. */
export function bucketAt(page: Page, index: number): BucketRef {
  const name = page.key(index).slice();
  const value = page.value(index);
  const fileOffset = page.offsetOf(page.valueStart(index));
  if (!isBucket(page, index)) {
    throw new FormatError("BBOLT_PAGE_INVALID", `element ${index} of the root tree is no bucket`, page.offsetOf(page.elementStart(index)));
  }
  const view = new DataView(value.buffer, value.byteOffset, BUCKET_HEADER_SIZE_BYTES);
  const root = view.getBigUint64(0, true);
  const sequence = view.getBigUint64(8, true);
  if (root !== 0n) return { name, rootPageId: Number(root), sequence, fileOffset };
  const bytes = value.slice(BUCKET_HEADER_SIZE_BYTES);
  return { name, rootPageId: 0, sequence, fileOffset, inline: { bytes, fileOffset: fileOffset + BUCKET_HEADER_SIZE_BYTES } };
}

/** Whether element `index` of a leaf of the root tree names a bucket, as all of them must. */
export function isBucket(page: Page, index: number): boolean {
  return (page.elementFlags(index) & LEAF_ELEMENT_BUCKET) !== 0 && page.valueSize(index) >= BUCKET_HEADER_SIZE_BYTES;
}

/** The rows of a bucket, each a copy, in order of keys; none when there is no such bucket. For small buckets. Throws FormatError BBOLT_PAGE_INVALID. */
export function* rowsOf(database: Database, bucketName: string): Generator<Row> {
  const name = Buffer.from(bucketName);
  const bucket = readBuckets(database).find((each) => name.equals(each.name));
  if (bucket === undefined) return;
  for (const page of bucketLeaves(database, bucket)) {
    for (let index = 0; index < page.count; index++) yield { key: page.key(index).slice(), value: page.value(index).slice() };
  }
}

/**
 * The leaves of a bucket in order of keys, beginning with the one where `from` would be, each checked and valid until the next one is asked for.
 * Throws FormatError BBOLT_PAGE_INVALID.
 */
export function bucketLeaves(database: Database, { rootPageId, fileOffset, inline }: BucketRef, from: Uint8Array = FIRST_KEY): Iterable<Page> {
  return inline === undefined ? leavesOf(database, rootPageId, fileOffset, from) : [inlinePage(inline)];
}

/** The leaf of an inline bucket, checked. Throws FormatError BBOLT_PAGE_INVALID. */
export function inlinePage(inline: NonNullable<BucketRef["inline"]>): Page {
  if (inline.bytes.length < PAGE_HEADER_SIZE_BYTES) {
    throw new FormatError("BBOLT_PAGE_INVALID", `an inline bucket of ${inline.bytes.length} bytes, too few for a page`, inline.fileOffset);
  }
  const page = pageOf(inline.bytes, inline.fileOffset);
  checkPage(page, 0);
  if (!page.isLeaf) throw new FormatError("BBOLT_PAGE_INVALID", "the page of an inline bucket is no leaf", inline.fileOffset + 8);
  return page;
}

/** Each valid until the next one is asked for. `namedAt` is where the file names the root. */
function* leavesOf(database: Database, rootPageId: number, namedAt: number, from: Uint8Array = FIRST_KEY): Generator<Page> {
  const pages: Pages = { pageSizeBytes: database.pageSizeBytes, highWaterMark: database.meta.highWaterMark };
  const seen = new PageSet(pages.highWaterMark);
  const waiting = [{ id: rootPageId, depth: 1, namedAt }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { id, depth } = next;
    const page = runWalk(walkPage(pages, id, next.namedAt), database.source);
    // Both bounds end a walk over a damaged file, whose branches may lead back to themselves.
    if (!seen.add(id) || depth > DEPTH_MAX) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is referenced twice`, page.fileOffset);
    if (page.isLeaf) yield page;
    else {
      const first = firstChild(page, from);
      for (let index = page.count - 1; index >= first; index--)
        waiting.push({ id: page.childId(index), depth: depth + 1, namedAt: page.offsetOf(page.elementStart(index)) });
    }
  }
}

/** Of a branch, the child where `key` would be: the last one that begins with it or before it (bbolt cursor.go, searchPage). */
function firstChild(page: Page, key: Uint8Array): number {
  let index = page.count - 1;
  while (index > 0 && Buffer.compare(page.key(index), key) > 0) index--;
  return index;
}
