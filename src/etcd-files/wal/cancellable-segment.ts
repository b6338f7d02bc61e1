// Reading a log in a worker, so that it can be given up.
import type { WorkerContext } from "../../bytes/worker.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { SegmentSource } from "./read.ts";

/** The same segment, whose reading throws INTERRUPTED once whoever asked for it has given it up. */
export function cancellable<Segment extends SegmentSource>(segment: Segment, context: WorkerContext): Segment {
  return {
    ...segment,
    read: (offset: number, sizeBytes: number) => {
      if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "reading the log was given up");
      return segment.read(offset, sizeBytes);
    },
  };
}
