// Counts what is read from a store, for the record of a verification and for its progress.
import { counted } from "../bytes/stream.ts";
import type { Storage } from "../storage/storage.ts";
import { wrapped } from "../storage/wrapped.ts";
import type { Examination } from "./examination.ts";
import type { VerifyOptions } from "./options.ts";

export interface Reading {
  /** The storage whose reads are counted. */
  readonly storage: Storage;
  /** Reports the end of the step, once. */
  end(): void;
}

/** `totalBytes` is what there is to read. What is looked at twice (the seek table, damage) counts once. */
export function observeReading(inner: Storage, totalBytes: number, examination: Examination, { runtime, stepPrefix }: VerifyOptions): Reading {
  const step = `${stepPrefix}read`;
  let doneBytes = 0;
  let ended = false;
  runtime.progress({ step, doneBytes, totalBytes });
  const onBytes = (sizeBytes: number) => {
    const beforeBytes = doneBytes;
    doneBytes = Math.min(beforeBytes + sizeBytes, totalBytes);
    examination.readSizeBytes += doneBytes - beforeBytes;
    if (!ended) runtime.progress({ step, doneBytes, totalBytes });
  };
  return {
    storage: wrapped(inner, { read: (key, options) => counted(inner.read(key, options), onBytes) }),
    end: () => {
      if (!ended) runtime.progress({ step, doneBytes, totalBytes, done: true });
      ended = true;
    },
  };
}
