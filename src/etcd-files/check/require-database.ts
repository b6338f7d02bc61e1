// Refuses, in words that help, a file that is no whole etcd database: before a check or a restore looks further.
import { TRAILER_SIZE_BYTES } from "../../bytes/trailing-hash.ts";
import { FormatError } from "../../errors.ts";
import { findMeta, hasMetaPage } from "../bbolt/database.ts";
import type { PageSource } from "../bbolt/page-source.ts";
import { damagedMetas, HEAD_SIZE_BYTES, notADatabase, snapshotKind, truncatedSnapshot } from "./snapshot-kind.ts";

/**
 * Gives the size in bytes that the database's own meta page names. `path` is for messages. Throws UnusableFileError: SNAPSHOT_EMPTY,
 * SNAPSHOT_PACKED, SNAPSHOT_NOT_A_DATABASE, SNAPSHOT_TRUNCATED, or SNAPSHOT_DAMAGED where both meta pages are.
 */
export function requireDatabase(path: string, source: PageSource): number {
  const { sizeBytes } = source;
  const kind = snapshotKind(source.read(0, HEAD_SIZE_BYTES), sizeBytes);
  // A first page of zeros is a database's if the second meta page says so: it may be all that was lost.
  if (kind.verdict !== "maybe" && kind.verdict !== "zeros") throw notADatabase(path, kind);
  try {
    const { meta } = findMeta(source);
    const databaseSizeBytes = meta.highWaterMark * meta.pageSizeBytes;
    if (sizeBytes < databaseSizeBytes) throw truncatedSnapshot(path, sizeBytes, databaseSizeBytes);
    const rest = sizeBytes - databaseSizeBytes;
    // No file of etcd's has a few bytes more than its pages: it is the hash that is cut short.
    if (rest > 0 && rest < TRAILER_SIZE_BYTES) throw truncatedSnapshot(path, sizeBytes, databaseSizeBytes + TRAILER_SIZE_BYTES);
    return databaseSizeBytes;
  } catch (error) {
    if (error instanceof FormatError) throw hasMetaPage(source) ? damagedMetas(path, error) : notADatabase(path, kind, error);
    throw error;
  }
}
