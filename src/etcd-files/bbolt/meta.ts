// Meta pages: which commit of the file counts. Repairing a broken one is not done here.
// Validation order as in bbolt `internal/common/meta.go`: magic, version, checksum.
import {
  FORMAT_VERSION,
  META_CHECKSUM_OFFSET,
  META_MAGIC,
  META_SIZE_BYTES,
  PAGE_HEADER_SIZE_BYTES,
  PAGE_META,
  PAGE_SIZE_BYTES_DEFAULT,
  PAGE_SIZE_BYTES_MAX,
  PAGE_SIZE_BYTES_MIN,
} from "./constants.ts";

export interface Meta {
  readonly pageSizeBytes: number;
  /** Root page of the tree of buckets. */
  readonly rootPageId: number;
  readonly rootSequence: bigint;
  /** NO_FREELIST when none is stored. */
  readonly freelistPageId: bigint;
  /** The first page id never allocated: the file's true size is this many pages. */
  readonly highWaterMark: number;
  readonly txid: bigint;
}

/** Why a meta page cannot be used. */
export type MetaFault = "too short" | "magic" | "byte order" | "version" | "page size" | "checksum" | "page ids";

/** FNV-1a, 64 bits (Go `hash/fnv` New64a), which bbolt uses for the meta checksum. */
function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/** Reads the meta page that starts at `pageStart`, or says why it is no good. */
export function readMeta(bytes: Uint8Array, pageStart: number): Meta | MetaFault {
  const start = pageStart + PAGE_HEADER_SIZE_BYTES;
  if (bytes.length < start + META_SIZE_BYTES) return "too short";
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, META_SIZE_BYTES);
  if (view.getUint32(0, true) !== META_MAGIC) return view.getUint32(0, false) === META_MAGIC ? "byte order" : "magic";
  if (view.getUint32(4, true) !== FORMAT_VERSION) return "version";
  if (view.getBigUint64(META_CHECKSUM_OFFSET, true) !== fnv1a64(bytes.subarray(start, start + META_CHECKSUM_OFFSET))) return "checksum";
  const pageSizeBytes = view.getUint32(8, true);
  if (!isPageSize(pageSizeBytes)) return "page size";
  const rootPageId = view.getBigUint64(16, true);
  const highWaterMark = view.getBigUint64(40, true);
  // A file of 2^53 bytes does not exist; beyond that the page ids are damage that the checksum cannot show.
  if (highWaterMark * BigInt(pageSizeBytes) > BigInt(Number.MAX_SAFE_INTEGER) || rootPageId < 2n || rootPageId >= highWaterMark) return "page ids";
  return {
    pageSizeBytes,
    rootPageId: Number(rootPageId),
    rootSequence: view.getBigUint64(24, true),
    freelistPageId: view.getBigUint64(32, true),
    highWaterMark: Number(highWaterMark),
    txid: view.getBigUint64(48, true),
  };
}

/** A whole page that holds `meta`. Its header id is 0 or 1: the slot it is written to. */
export function encodeMetaPage(meta: Meta, slot: 0 | 1): Uint8Array {
  const page = new Uint8Array(meta.pageSizeBytes);
  const view = new DataView(page.buffer);
  view.setBigUint64(0, BigInt(slot), true);
  view.setUint16(8, PAGE_META, true);
  const start = PAGE_HEADER_SIZE_BYTES;
  view.setUint32(start, META_MAGIC, true);
  view.setUint32(start + 4, FORMAT_VERSION, true);
  view.setUint32(start + 8, meta.pageSizeBytes, true);
  view.setBigUint64(start + 16, BigInt(meta.rootPageId), true);
  view.setBigUint64(start + 24, meta.rootSequence, true);
  view.setBigUint64(start + 32, meta.freelistPageId, true);
  view.setBigUint64(start + 40, BigInt(meta.highWaterMark), true);
  view.setBigUint64(start + 48, meta.txid, true);
  view.setBigUint64(start + META_CHECKSUM_OFFSET, fnv1a64(page.subarray(start, start + META_CHECKSUM_OFFSET)), true);
  return page;
}

/** The one of two valid metas that a reader must trust: writers alternate slots, so the lower txid is the commit before. */
export function newerMeta(a: Meta, b: Meta): Meta {
  return a.txid >= b.txid ? a : b;
}

/** The page sizes to try when page 0's meta cannot be read, in bbolt's order (`db.go` getPageSizeFromSecondMeta). */
export function candidatePageSizes(): number[] {
  const sizes: number[] = [PAGE_SIZE_BYTES_DEFAULT];
  for (let size = PAGE_SIZE_BYTES_MIN; size <= PAGE_SIZE_BYTES_MAX; size *= 2) if (size !== PAGE_SIZE_BYTES_DEFAULT) sizes.push(size);
  return sizes;
}

function isPageSize(sizeBytes: number): boolean {
  return sizeBytes >= PAGE_SIZE_BYTES_MIN && sizeBytes <= PAGE_SIZE_BYTES_MAX && (sizeBytes & (sizeBytes - 1)) === 0;
}
