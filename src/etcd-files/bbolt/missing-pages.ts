// A database that lies in two files: most of its pages still in the one that they are about to be copied from, the others where all will be.
import type { PageSource } from "./page-source.ts";

/** Pages that a file does not hold yet, though it has room for them. */
export interface MissingPages {
  /** They are at the same place there. */
  readonly source: PageSource;
  /** Bytes into both files. */
  readonly from: number;
  readonly to: number;
}

/** `file` as it will be. What is read is valid until the next read, be it of `source`. */
export function withMissingPages(file: PageSource, { source, from, to }: MissingPages): PageSource {
  return {
    sizeBytes: file.sizeBytes,
    read(offset, sizeBytes) {
      const end = offset + sizeBytes;
      if (offset >= from && end <= to) return source.read(offset, sizeBytes);
      if (end <= from || offset >= to) return file.read(offset, sizeBytes);
      const parts: Uint8Array[] = [];
      for (const border of [from, to, end]) {
        const start = offset + parts.reduce((sum, { length }) => sum + length, 0);
        const stop = Math.min(border, end);
        // Copied: the next call may reuse what this one gives.
        if (start < stop) parts.push((start >= from && stop <= to ? source : file).read(start, stop - start).slice());
      }
      return Buffer.concat(parts);
    },
  };
}
