// Checks a file in a thread of its own (bytes/worker.ts).
import type { WorkerContext } from "../../bytes/worker.ts";
import { EtcdsafeError } from "../../errors.ts";
import { openFilePageSource } from "../bbolt/file-page-source.ts";
import type { PageSource } from "../bbolt/page-source.ts";
import { type CheckSnapshotOptions, checkSnapshot } from "./check-snapshot.ts";
import type { SnapshotReport } from "./facts.ts";

export interface CheckWorkerInput extends Omit<CheckSnapshotOptions, "progress"> {
  readonly path: string;
}

export function run({ path, ...options }: CheckWorkerInput, context: WorkerContext): SnapshotReport {
  const file = openFilePageSource(path);
  try {
    return checkSnapshot(cancellable(file, context), { ...options, progress: (doneBytes) => context.progress(doneBytes) });
  } finally {
    file.close();
  }
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
