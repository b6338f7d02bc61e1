// Checks a file in a thread of its own (bytes/worker.ts).
import type { WorkerContext } from "../../bytes/worker.ts";
import { EtcdsafeError } from "../../errors.ts";
import { openFilePageSource } from "../bbolt/file-page-source.ts";
import { type MissingPages, withMissingPages } from "../bbolt/missing-pages.ts";
import { bufferPageSource, type PageSource } from "../bbolt/page-source.ts";
import { type CheckSnapshotOptions, checkSnapshot } from "./check-snapshot.ts";
import type { SnapshotReport } from "./facts.ts";

export interface CheckWorkerInput extends Omit<CheckSnapshotOptions, "progress"> {
  readonly path: string;
  /** Which of its pages are still read from the file that they are being copied from, bytes into both, and what the pages before them will hold. None. */
  readonly missing?: { readonly path: string; readonly from: number; readonly to: number; readonly head: Uint8Array };
}

export function run({ path, missing, ...options }: CheckWorkerInput, context: WorkerContext): SnapshotReport {
  const file = openFilePageSource(path);
  const source = missing && openFilePageSource(missing.path);
  try {
    const pages = missing && source ? whole(file, { ...missing, source }) : file;
    return checkSnapshot(cancellable(pages, context), { ...options, progress: (doneBytes) => context.progress(doneBytes) });
  } finally {
    file.close();
    source?.close();
  }
}

function whole(file: PageSource, { head, ...missing }: MissingPages & { readonly head: Uint8Array }): PageSource {
  return withMissingPages(withMissingPages(file, missing), { source: bufferPageSource(head), from: 0, to: head.length });
}

function cancellable(source: PageSource, context: WorkerContext): PageSource {
  return {
    sizeBytes: source.sizeBytes,
    read(offset, sizeBytes) {
      if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "the check was given up");
      return source.read(offset, sizeBytes);
    },
  };
}
