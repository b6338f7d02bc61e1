// Reads a member's log in a thread of its own (bytes/worker.ts): some seconds for a full one.
import type { WorkerContext } from "../../bytes/worker.ts";
import { EtcdsafeError } from "../../errors.ts";
import { fileSegments } from "./directory.ts";
import { type WalFacts, walFacts } from "./facts.ts";
import type { SegmentSource } from "./read.ts";

export interface WalFactsInput {
  /** Of segments. */
  readonly directory: string;
}

/** Throws FILE_FAILED. */
export function run({ directory }: WalFactsInput, context: WorkerContext): WalFacts {
  return walFacts(fileSegments(directory).map((segment) => cancellable(segment, context)));
}

/** The same segment, whose reading ends when whoever asked for it has given it up. */
export function cancellable<Segment extends SegmentSource>(segment: Segment, context: WorkerContext): Segment {
  return {
    ...segment,
    read: (offset: number, sizeBytes: number) => {
      if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "reading the log was given up");
      return segment.read(offset, sizeBytes);
    },
  };
}
