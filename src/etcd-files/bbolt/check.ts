// The structural check of a database: everything etcd-formats §2.8 lists, as findings. bbolt's own is `tx_check.go`; this one also demands
// that a page says which page it is, that the file is long enough, and that trees are of even depth.
import { FormatError } from "../../errors.ts";
import { type BucketRef, bucketAt, isBucket } from "./buckets.ts";
import { ELEMENTS_MAX, META_FREELIST_OFFSET, NO_FREELIST, PAGE_FREELIST, PAGE_HEADER_SIZE_BYTES, PAGE_META } from "./constants.ts";
import { type Database, META_FAULTS, openDatabase } from "./database.ts";
import { type Finding, Findings } from "./finding.ts";
import { pageOf } from "./page.ts";
import { PageSet } from "./page-set.ts";
import type { PageSource } from "./page-source.ts";
import { type ScanContext, TreeScan } from "./scan.ts";
import { imageSize, type Pages, runWalk, type Walk } from "./walk.ts";

/** A database of more pages than this (1 TiB of 4 KiB pages) is no etcd's: it marks a file whose metas were made up. */
const PAGES_MAX = 2 ** 28;

/** Everything that is wrong with the structure of a database. Never throws for what the file holds; reading it may fail. */
export function checkStructure(source: PageSource): Finding[] {
  const findings = new Findings();
  const check = openForCheck(source, findings);
  if (check !== undefined) runWalk(checkAll(check), source);
  return findings.list();
}

function* checkAll(check: DatabaseCheck): Walk<void> {
  for (const bucket of yield* check.buckets()) {
    const scan = yield* check.bucketScan(bucket);
    if (scan !== undefined) yield* scan.scan({ leaf() {} });
  }
  yield* check.finish();
}

/** Opens the database; undefined, with findings, when nothing of it can be read. */
export function openForCheck(source: PageSource, findings: Findings, onLeafBytes: (sizeBytes: number) => void = () => {}): DatabaseCheck | undefined {
  try {
    const database = openDatabase(source);
    if (database.meta.highWaterMark > PAGES_MAX) throw new FormatError("BBOLT_META_INVALID", `a database of ${database.meta.highWaterMark} pages`, 0);
    return new DatabaseCheck(database, findings, onLeafBytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    findings.error(error.offset, error.what);
    return undefined;
  }
}

/** The parts of a check, for whoever wants the rows on the way: first `buckets`, then `bucketScan` and at least one scan for each, then `finish`. */
export class DatabaseCheck {
  readonly database: Database;
  readonly findings: Findings;
  readonly #pages: Pages;
  readonly #used: PageSet;
  readonly #context: ScanContext;
  #bucketsDamaged = false;

  constructor(database: Database, findings: Findings, onLeafBytes: (sizeBytes: number) => void) {
    this.database = database;
    this.findings = findings;
    this.#pages = { pageSizeBytes: database.pageSizeBytes, highWaterMark: database.meta.highWaterMark };
    this.#used = new PageSet(database.meta.highWaterMark);
    this.#used.add(0, 2);
    this.#context = { pages: this.#pages, findings, used: this.#used, onLeafBytes };
  }

  /** The metas, and the tree of buckets; the buckets come in order of their names. */
  *buckets(): Walk<BucketRef[]> {
    yield* this.#checkMetas();
    const found: { readonly slot: number; readonly bucket: BucketRef }[] = [];
    const errorsBefore = this.findings.errors;
    const scan = new TreeScan(this.#context, this.database.meta, true);
    yield* scan.outline();
    yield* scan.scan({
      leaf: (page, slot) => {
        const others: number[] = [];
        for (let index = 0; index < page.count; index++) {
          if (isBucket(page, index)) found.push({ slot, bucket: bucketAt(page, index) });
          else others.push(index);
        }
        const [first] = others;
        if (first === undefined) return;
        const what = `page ${page.id} lists the buckets, but names none in ${others.length} of its ${page.count} elements`;
        this.findings.error(page.offsetOf(page.elementStart(first)), what);
      },
    });
    this.#bucketsDamaged = this.findings.errors > errorsBefore;
    // Leaves come in the order of the file; the sort is stable, so elements of one leaf stay in order.
    return found.sort((a, b) => a.slot - b.slot).map(({ bucket }) => bucket);
  }

  /** Whether the tree of buckets was not wholly read: that a bucket is not in it says nothing then. After `buckets`. */
  get bucketsDamaged(): boolean {
    return this.#bucketsDamaged;
  }

  /** Undefined, with a finding, for a bucket that cannot be scanned. */
  *bucketScan(bucket: BucketRef): Walk<TreeScan | undefined> {
    const { rootPageId, inline, fileOffset } = bucket;
    if (inline === undefined && (rootPageId < 2 || rootPageId >= this.#pages.highWaterMark)) {
      this.findings.error(fileOffset, `the root of bucket ${Buffer.from(bucket.name).toString()} is page ${rootPageId}, which the database does not have`);
      return undefined;
    }
    const scan = new TreeScan(this.#context, bucket);
    yield* scan.outline();
    return scan;
  }

  /** The freelist, where one is stored, and whether every page is either used or free. */
  *finish(): Walk<void> {
    const { meta, pageSizeBytes } = this.database;
    if (meta.freelistPageId === NO_FREELIST) return;
    const free = new PageSet(meta.highWaterMark);
    try {
      yield* this.#readFreelist(Number(meta.freelistPageId), free);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.findings.error(error.offset, error.what);
    }
    // In a damaged tree every page behind the damage would be one more finding.
    if (this.findings.errors > 0) return;
    for (let id = 2; id < meta.highWaterMark; id++) {
      if (this.#used.has(id) && free.has(id)) this.findings.error(id * pageSizeBytes, `page ${id} is in use and in the freelist`);
      else if (!this.#used.has(id) && !free.has(id)) this.findings.error(id * pageSizeBytes, `page ${id} is neither in use nor free`);
    }
  }

  *#checkMetas(): Walk<void> {
    const { metas, pageSizeBytes } = this.database;
    for (const slot of [0, 1] as const) {
      const offset = slot * pageSizeBytes;
      const meta = metas[slot];
      if (typeof meta === "string") {
        this.findings.warning(offset, `meta page ${slot} has ${META_FAULTS[meta]}; the other one is used`);
        continue;
      }
      const page = pageOf(yield { offset, sizeBytes: pageSizeBytes }, offset);
      if (page.id !== slot || page.flags !== PAGE_META) {
        this.findings.warning(offset, `meta page ${slot} says that it is page ${page.id} with flags 0x${page.flags.toString(16)}`);
      }
    }
  }

  /** Format: etcd-formats §2.7. */
  *#readFreelist(id: number, free: PageSet): Walk<void> {
    const { pageSizeBytes, meta, metas } = this.database;
    if (id < 2 || id >= this.#pages.highWaterMark) {
      const what = `the freelist would be page ${id}, which the database does not have`;
      throw new FormatError("BBOLT_PAGE_INVALID", what, metas.indexOf(meta) * pageSizeBytes + META_FREELIST_OFFSET);
    }
    const offset = id * pageSizeBytes;
    let page = pageOf(yield { offset, sizeBytes: pageSizeBytes }, offset);
    page = pageOf(yield { offset, sizeBytes: imageSize(this.#pages, page) }, offset);
    if (page.id !== id || page.flags !== PAGE_FREELIST) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id} is not the freelist`, offset);
    if (!this.#used.add(id, page.overflow + 1)) throw new FormatError("BBOLT_PAGE_INVALID", `page ${id}, the freelist, is in use for something else`, offset);
    const { view } = page;
    const listed = page.count === ELEMENTS_MAX && page.end >= PAGE_HEADER_SIZE_BYTES + 8;
    const first = PAGE_HEADER_SIZE_BYTES + (listed ? 8 : 0);
    const count = listed ? view.getUint32(PAGE_HEADER_SIZE_BYTES, true) + view.getUint32(PAGE_HEADER_SIZE_BYTES + 4, true) * 2 ** 32 : page.count;
    if (first + count * 8 > page.end) throw new FormatError("BBOLT_PAGE_INVALID", `the freelist claims ${count} pages, more than fit in it`, offset + 10);
    for (let position = first; position < first + count * 8; position += 8) {
      const freeId = view.getUint32(position, true) + view.getUint32(position + 4, true) * 2 ** 32;
      if (freeId < 2 || freeId >= this.#pages.highWaterMark)
        this.findings.error(offset + position, `the freelist holds page ${freeId}, which the database does not have`);
      else if (!free.add(freeId)) this.findings.error(offset + position, `page ${freeId} is in the freelist twice`);
    }
  }
}
