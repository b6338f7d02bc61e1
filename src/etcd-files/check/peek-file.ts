// A look into a database or snapshot file on this host.
import { openFilePageSource } from "../bbolt/file-page-source.ts";
import { peekSnapshot, type SnapshotPeek } from "./peek.ts";

/** Throws what peekSnapshot throws, and FILE_FAILED. */
export function peekSnapshotFile(path: string): SnapshotPeek {
  const source = openFilePageSource(path);
  try {
    return peekSnapshot(path, source);
  } finally {
    source.close();
  }
}
