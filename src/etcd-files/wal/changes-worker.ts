// Looks for what a log holds beyond a database, in a thread of its own (bytes/worker.ts): some seconds for a full log.
import type { WorkerContext } from "../../bytes/worker.ts";
import { cancellable } from "./cancellable-segment.ts";
import { type WalAfter, walAfter } from "./changes-after.ts";
import { fileSegments } from "./directory.ts";

export interface WalAfterInput {
  /** Of segments. */
  readonly directory: string;
  /** The last entry that is in the database. */
  readonly index: bigint;
}

/** Throws FILE_FAILED. */
export function run({ directory, index }: WalAfterInput, context: WorkerContext): WalAfter {
  const segments = fileSegments(directory).map((segment) => cancellable(segment, context));
  return walAfter(segments, index);
}
