// Opens a database: finds its page size and the commit that counts (etcd-formats §2.2, §2.3; bbolt `db.go` getPageSize, meta).
import { FormatError } from "../../errors.ts";
import { PAGE_SIZE_BYTES_DEFAULT } from "./constants.ts";
import { candidatePageSizes, type Meta, type MetaFault, newerMeta, readMeta } from "./meta.ts";
import type { PageSource } from "./page-source.ts";

export interface Database {
  readonly source: PageSource;
  /** The newer of the valid metas. */
  readonly meta: Meta;
  /** Pages 0 and 1, or what is wrong with them. */
  readonly metas: readonly [Meta | MetaFault, Meta | MetaFault];
  readonly pageSizeBytes: number;
  /** Where the database ends: its high-water mark in bytes. The file may be longer (a snapshot's hash, space bbolt took ahead). */
  readonly sizeBytes: number;
}

/**
 * Throws FormatError BBOLT_META_INVALID when neither meta page can be used, and SNAPSHOT_TRUNCATED when the file ends before its
 * high-water mark.
 */
export function openDatabase(source: PageSource): Database {
  const { meta, metas } = findMeta(source);
  const sizeBytes = meta.highWaterMark * meta.pageSizeBytes;
  if (source.sizeBytes < sizeBytes) {
    throw new FormatError("SNAPSHOT_TRUNCATED", `the file ends after ${source.sizeBytes} of the database's ${sizeBytes} bytes`, source.sizeBytes);
  }
  return { source, meta, metas, pageSizeBytes: meta.pageSizeBytes, sizeBytes };
}

/** The meta that counts, whether or not the file holds all that it names. Throws FormatError BBOLT_META_INVALID when there is none. */
export function findMeta(source: PageSource): Pick<Database, "meta" | "metas"> {
  const metas = readMetas(source);
  const [first, second] = metas;
  if (typeof first !== "string") return { meta: typeof second === "string" ? first : newerMeta(first, second), metas };
  if (typeof second !== "string") return { meta: second, metas };
  throw new FormatError("BBOLT_META_INVALID", `neither meta page is valid: ${bothFaultsText(first, second)}`, 0);
}

/** Whether there is a meta page, valid or not: then the file is, or was, a database. */
export function hasMetaPage(source: PageSource): boolean {
  return readMetas(source).some((meta) => meta !== "magic" && meta !== "too short");
}

/** What an invalid meta page has, as part of a sentence. */
export const META_FAULTS: Readonly<Record<MetaFault, string>> = {
  "too short": "no room before the end of the file",
  magic: "no bbolt magic",
  "byte order": "the byte order of a big-endian machine, which is not supported",
  version: "another format version",
  "page size": "an impossible page size",
  checksum: "a checksum that does not match",
  "page ids": "impossible page ids",
};

function bothFaultsText(first: MetaFault, second: MetaFault): string {
  if (first === "too short" && second === "too short") return "the file is too short to have one";
  if (first === second) return `both have ${META_FAULTS[first]}`;
  return `the first has ${META_FAULTS[first]}, the second ${META_FAULTS[second]}`;
}

function readMetas(source: PageSource): [Meta | MetaFault, Meta | MetaFault] {
  const first = readMeta(source.read(0, PAGE_SIZE_BYTES_DEFAULT), 0);
  if (typeof first !== "string") return [first, metaAt(source, first.pageSizeBytes)];
  let fault: MetaFault = "too short";
  for (const pageSizeBytes of candidatePageSizes()) {
    const second = metaAt(source, pageSizeBytes);
    if (typeof second !== "string") return [first, second];
    // What is wrong with a meta says more than that there is none at this place.
    if (fault === "too short" || (second !== "magic" && second !== "too short")) fault = second;
  }
  return [first, fault];
}

/** The meta of page 1, when pages have this size. */
function metaAt(source: PageSource, pageSizeBytes: number): Meta | MetaFault {
  const meta = readMeta(source.read(pageSizeBytes, PAGE_SIZE_BYTES_DEFAULT), 0);
  return typeof meta !== "string" && meta.pageSizeBytes !== pageSizeBytes ? "page size" : meta;
}
