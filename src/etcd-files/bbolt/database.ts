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
  const meta = typeof first === "string" ? second : typeof second === "string" ? first : newerMeta(first, second);
  if (typeof meta === "string") throw new FormatError("BBOLT_META_INVALID", `neither meta page is valid (${faultText(first)}; ${faultText(second)})`, 0);
  return { meta, metas };
}

/** What a fault means, in words. */
export function faultText(fault: Meta | MetaFault): string {
  switch (fault) {
    case "too short":
      return "the file is too short for one";
    case "magic":
      return "no bbolt magic";
    case "byte order":
      return "written by a big-endian machine, which is not supported";
    case "version":
      return "another format version";
    case "page size":
      return "an impossible page size";
    case "checksum":
      return "its checksum does not match";
    case "page ids":
      return "its page ids are impossible";
    default:
      return "valid";
  }
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
