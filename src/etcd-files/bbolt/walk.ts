// A walk does no I/O: it is a synchronous generator that yields the byte ranges it needs and is given their bytes. The driver here
// reads them from a PageSource; one over a remote object works the same, awaiting each range.
import { FormatError } from "../../errors.ts";
import { PAGE_HEADER_SIZE_BYTES } from "./constants.ts";
import { checkPage, Page, pageOf } from "./page.ts";
import type { PageSource } from "./page-source.ts";

export interface PageRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Yields ranges, is given their bytes (fewer only at the end of the file; valid until the next range is asked for), and returns a `T`. */
export type Walk<T> = Generator<PageRange, T, Uint8Array>;

/** What a walk must know of its database. */
export interface Pages {
  readonly pageSizeBytes: number;
  readonly highWaterMark: number;
}

/** A page with its overflow is read in one piece. etcd's values are at most a few MiB and a leaf holds a few of them; a larger page is damage. */
export const PAGE_IMAGE_SIZE_BYTES_MAX: number = 256 * 1024 * 1024;
/** Each level multiplies the number of rows by at least two, so no tree is deeper. */
export const DEPTH_MAX = 64;

export function runWalk<T>(walk: Walk<T>, source: PageSource): T {
  let step = walk.next();
  while (!step.done) step = walk.next(source.read(step.value.offset, step.value.sizeBytes));
  return step.value;
}

/**
 * One branch or leaf page with its overflow, checked. Valid until the next range is asked for. `namedAt` is the byte of the file that names it.
 * Throws FormatError BBOLT_PAGE_INVALID.
 */
export function* walkPage(pages: Pages, id: number, namedAt: number): Walk<Page> {
  requirePageId(pages, id, namedAt);
  const offset = id * pages.pageSizeBytes;
  let page = pageOf(yield { offset, sizeBytes: pages.pageSizeBytes }, offset);
  if (page.overflow > 0) {
    const sizeBytes = imageSize(pages, page);
    page = pageOf(yield { offset, sizeBytes }, offset);
  }
  checkPage(page, id);
  return page;
}

/** The page that starts at `start` in `bytes`; undefined when `bytes` ends inside it. `fileOffset` is that of the page. Not yet checked. */
export function pageInWindow(bytes: Uint8Array, view: DataView, start: number, fileOffset: number, pageSizeBytes: number): Page | undefined {
  if (bytes.length - start < PAGE_HEADER_SIZE_BYTES) return undefined;
  const end = start + (view.getUint32(start + 12, true) + 1) * pageSizeBytes;
  return end > bytes.length ? undefined : new Page(bytes, view, start, end, fileOffset);
}

/** Size in bytes of a page with its overflow. Throws FormatError BBOLT_PAGE_INVALID when that cannot be. */
export function imageSize(pages: Pages, page: Page): number {
  const id = page.fileOffset / pages.pageSizeBytes;
  const sizeBytes = (page.overflow + 1) * pages.pageSizeBytes;
  if (id + page.overflow >= pages.highWaterMark || sizeBytes > PAGE_IMAGE_SIZE_BYTES_MAX) {
    throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} claims ${page.overflow} overflow pages`, page.fileOffset + 12);
  }
  return sizeBytes;
}

/** Throws FormatError BBOLT_PAGE_INVALID for a page that the database does not have. `namedAt` is the byte of the file that names it. */
export function requirePageId(pages: Pages, id: number, namedAt: number): void {
  if (id >= 2 && id < pages.highWaterMark) return;
  throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is referred to, but is outside the database's ${pages.highWaterMark} pages`, namedAt);
}
