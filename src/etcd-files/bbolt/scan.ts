// Reads every leaf of a bucket's tree in the order of the file, whatever the order of the keys: a database that has been compacted and
// overwritten has its leaves scattered, and reading them in key order would be one small read each.
// 1. The branch levels above the lowest are read; what is left is the list of the lowest branches.
// 2. Those are expanded, a few hundred thousand leaves at a time, into a list of leaves with the keys that bound each.
// 3. The list is sorted by page, neighbours are read in one piece, and each leaf is checked against its bounds and handed to a visitor.
// Checked on the way: etcd-formats §2.8, 1, 2 and 5. All leaves lie on one level; bbolt never writes anything else.
import { FormatError } from "../../errors.ts";
import { type BucketRef, inlinePage } from "./buckets.ts";
import type { Findings } from "./finding.ts";
import { inRange, isFirst, LeafOrder, type ScanRange } from "./leaf-order.ts";
import { checkPage, type Page, pageOf } from "./page.ts";
import { PageList } from "./page-list.ts";
import { checkKeyOrder, checkNoBuckets } from "./page-order.ts";
import type { PageSet } from "./page-set.ts";
import { imageSize, type Pages, pageInWindow, type Walk, walkPage } from "./walk.ts";

/** What is done with the leaves of a scan. */
export interface LeafVisitor {
  /**
   * A checked leaf, in the order of the file. `slot` grows with its keys within the batch, `packed` is what checkPage answered.
   * `page` is valid during the call. `first` is false when the leaf is only looked at again.
   */
  leaf(page: Page, slot: number, packed: boolean, first: boolean): void;
  /** All leaves of a batch have been handed over; the next batch has greater keys. Slots lie below `slots`. */
  batchEnd?(slots: number): void;
}

export interface ScanContext {
  readonly pages: Pages;
  readonly findings: Findings;
  /** Pages that are in use. A page that is used twice is an error, so no scan can run in circles. */
  readonly used: PageSet;
  onLeafBytes(sizeBytes: number): void;
  /** How many leaves are listed at once. BATCH_SLOTS. */
  readonly batchSlots?: number;
}

/** Leaves of one batch: about 12 MB of lists, just below what doubles them. With the children of one more branch it stays below SLOT_LIMIT. */
const BATCH_SLOTS = 2 ** 18 - 2 ** 12;
const NO_KEY = new Uint8Array(0);
/** Of a level without damage the first tells as much. */
const KIND_SAMPLES = 3;

export class TreeScan {
  readonly #context: ScanContext;
  readonly #holdsBuckets: boolean;
  /** The lowest branches; of a tree that is one leaf, that leaf. */
  #top: PageList;
  #topIsLeaf = false;
  /** Lowest branches that a scan has read before. */
  #expanded = new Uint8Array(0);
  readonly #leaves = new PageList();
  readonly #order = new LeafOrder();
  #lastOverflow = 0;
  readonly #inline: BucketRef["inline"];

  /** `holdsBuckets` for the tree of buckets itself, whose elements are buckets; those of every other tree must not be. */
  constructor(context: ScanContext, bucket: Pick<BucketRef, "rootPageId" | "inline">, holdsBuckets = false) {
    this.#context = context;
    this.#holdsBuckets = holdsBuckets;
    this.#inline = bucket.inline;
    this.#top = new PageList();
    this.#top.push(bucket.rootPageId, NO_KEY, 0, 0);
    this.#top.push(0, NO_KEY, 0, 0);
  }

  /** Step 1. Once, before the first scan. */
  *outline(): Walk<void> {
    if (this.#inline !== undefined) return;
    let kind = yield* this.#kindOf(this.#top);
    this.#topIsLeaf = kind !== "branch";
    while (kind === "branch") {
      kind = yield* this.#kindBelow(this.#top);
      if (kind !== "branch") break;
      const below = new PageList();
      for (let slot = 0; slot < this.#top.length; slot++) if (this.#top.pageId(slot) !== 0) yield* this.#expand(this.#top, slot, below, true);
      this.#top = below;
    }
    this.#expanded = new Uint8Array(this.#top.length);
  }

  /** Steps 2 and 3. */
  *scan(visitor: LeafVisitor, range: ScanRange = {}): Walk<void> {
    const top = this.#top;
    if (this.#inline !== undefined) {
      this.#scanInline(this.#inline, visitor, range);
      return;
    }
    if (this.#topIsLeaf) {
      yield* this.#scanLeaves(top, visitor, range);
      return;
    }
    this.#leaves.clear();
    for (let slot = 0; slot < top.length; slot++) {
      if (top.pageId(slot) === 0 || !inRange(top, slot, range)) continue;
      yield* this.#expand(top, slot, this.#leaves, this.#expanded[slot] === 0);
      this.#expanded[slot] = 1;
      if (this.#leaves.length >= (this.#context.batchSlots ?? BATCH_SLOTS)) {
        yield* this.#scanLeaves(this.#leaves, visitor, range);
        this.#leaves.clear();
      }
    }
    if (this.#leaves.length > 0) yield* this.#scanLeaves(this.#leaves, visitor, range);
  }

  /** The greatest key of the tree; undefined when it is empty or its right edge cannot be read, which a scan reports. */
  *lastKey(): Walk<Uint8Array | undefined> {
    try {
      if (this.#inline !== undefined) return lastKeyOf(inlinePage(this.#inline));
      const { pages } = this.#context;
      // A list ends with the bound of its last page.
      const last = this.#top.length - 2;
      if (last < 0) return undefined;
      let page = yield* walkPage(pages, this.#top.pageId(last), 0);
      if (page.isBranch) page = yield* walkPage(pages, page.childId(page.count - 1), page.offsetOf(page.elementStart(page.count - 1)));
      return page.isLeaf ? lastKeyOf(page) : undefined;
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  /** An inline bucket is one leaf without a page of its own. */
  #scanInline(inline: NonNullable<BucketRef["inline"]>, visitor: LeafVisitor, range: ScanRange): void {
    const { findings } = this.#context;
    const first = isFirst(this.#top, 0, range);
    try {
      const page = inlinePage(inline);
      if (first) {
        checkKeyOrder(page, this.#top, 0, findings);
        checkNoBuckets(page, findings);
      }
      visitor.leaf(page, 0, false, first);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (first) findings.error(error.offset, error.what);
    }
    visitor.batchEnd?.(1);
  }

  /** Whether the pages of a level are branches, by what most of the first few are that can be read: of those, one may be there by mistake. */
  *#kindOf(level: PageList): Walk<"branch" | "leaf" | "unknown"> {
    let [branches, leaves] = [0, 0];
    for (let slot = 0; slot < level.length && branches + leaves < KIND_SAMPLES; slot++) {
      const id = level.pageId(slot);
      if (id === 0) continue;
      const page = yield* this.#tryPage(id);
      if (page?.isBranch) branches += 1;
      else if (page?.isLeaf) leaves += 1;
    }
    return branches > leaves ? "branch" : leaves > 0 ? "leaf" : "unknown";
  }

  *#kindBelow(level: PageList): Walk<"branch" | "leaf" | "unknown"> {
    for (let slot = 0; slot < level.length; slot++) {
      const id = level.pageId(slot);
      const page = id === 0 ? undefined : yield* this.#tryPage(id);
      if (page === undefined || !page.isBranch) continue;
      const children = new PageList();
      for (let index = 0; index < page.count; index++) children.push(page.childId(index), NO_KEY, 0, 0);
      const kind = yield* this.#kindOf(children);
      if (kind !== "unknown") return kind;
    }
    return "unknown";
  }

  *#tryPage(id: number): Walk<Page | undefined> {
    try {
      return yield* walkPage(this.#context.pages, id, 0);
    } catch (error) {
      if (error instanceof FormatError) return undefined; // Reported where the page is read for its content.
      throw error;
    }
  }

  /** Appends the children of the branch at `slot`, and its own bound. */
  *#expand(level: PageList, slot: number, below: PageList, first: boolean): Walk<void> {
    const { pages, findings, used } = this.#context;
    const id = level.pageId(slot);
    let page: Page;
    try {
      page = yield* walkPage(pages, id, 0); // Its id was tested where it was found.
      if (!page.isBranch) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is a leaf where the tree has branches`, page.fileOffset + 8);
      if (first && !used.add(id, page.overflow + 1)) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is referenced twice`, page.fileOffset);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (first) findings.error(error.offset, error.what);
      return;
    }
    if (first) checkKeyOrder(page, level, slot, findings);
    const { bytes } = page;
    for (let index = 0; index < page.count; index++) {
      const child = page.childId(index);
      const keyStart = page.keyStart(index);
      if (child >= 2 && child < pages.highWaterMark) below.push(child, bytes, keyStart, keyStart + page.keySize(index));
      else if (first) findings.error(page.offsetOf(page.elementStart(index)), `page ${id} refers to page ${child}, which the database does not have`);
    }
    below.pushBoundOf(level, slot + 1);
  }

  *#scanLeaves(list: PageList, visitor: LeafVisitor, range: ScanRange): Walk<void> {
    const { pages } = this.#context;
    const order = this.#order;
    order.fill(list, range);
    let index = 0;
    while (index < order.length) {
      const windowStart = order.pageIdAt(index) * pages.pageSizeBytes;
      const sizeBytes = order.windowSize(index, this.#lastOverflow, pages);
      let bytes = yield { offset: windowStart, sizeBytes };
      let view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const firstInWindow = index;
      for (; index < order.length; index++) {
        const id = order.pageIdAt(index);
        const offset = id * pages.pageSizeBytes;
        let page = pageInWindow(bytes, view, offset - windowStart, offset, pages.pageSizeBytes);
        if (page === undefined && index > firstInWindow) break; // It starts the next window.
        const slot = order.slotAt(index);
        const first = isFirst(list, slot, range);
        try {
          if (page === undefined) {
            // The first page of a window that does not fit: it is larger than a window, or the file ends.
            const image = imageSize(pages, pageOf(bytes, offset));
            bytes = yield { offset, sizeBytes: image };
            view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
            page = pageInWindow(bytes, view, 0, offset, pages.pageSizeBytes);
            if (page === undefined) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is cut off by the end of the file`, offset);
          }
          this.#visit(page, id, list, slot, visitor, first);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          if (first) this.#context.findings.error(error.offset, error.what);
          if (page === undefined) {
            index += 1;
            break;
          }
        }
      }
    }
    visitor.batchEnd?.(list.length);
  }

  /** Throws FormatError for a leaf that cannot be read; other faults are findings. */
  #visit(page: Page, id: number, list: PageList, slot: number, visitor: LeafVisitor, first: boolean): void {
    const { findings, used, pages } = this.#context;
    const packed = checkPage(page, id);
    if (!page.isLeaf) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is a branch where the tree has leaves`, page.fileOffset + 8);
    this.#lastOverflow = page.overflow;
    if (first) {
      if (!used.add(id, page.overflow + 1)) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} or its overflow is referenced twice`, page.fileOffset);
      if (page.count === 0 && !this.#topIsLeaf) throw new FormatError("BBOLT_PAGE_INVALID", `leaf page ${id} is empty`, page.fileOffset + 10);
      checkKeyOrder(page, list, slot, findings);
      if (!this.#holdsBuckets) checkNoBuckets(page, findings);
      this.#context.onLeafBytes((page.overflow + 1) * pages.pageSizeBytes);
    }
    visitor.leaf(page, slot, packed, first);
  }
}

function lastKeyOf(page: Page): Uint8Array | undefined {
  return page.count === 0 ? undefined : page.key(page.count - 1).slice();
}
