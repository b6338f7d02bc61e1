// Standard output and error as things that fail: a reader that goes away (`etcdsafe list | head -1`) is no error, a full disk is.
import { EtcdsafeError } from "../errors.ts";

export interface StandardStreams {
  /** Waits until all of standard output is written, or for `limitMs`: somebody may read it page by page. Throws FILE_FAILED when it could not be. */
  flushed(limitMs?: number): Promise<void>;
}

export function guardStandardStreams(): StandardStreams {
  let failure: Error | undefined;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") failure = error;
  });
  process.stderr.on("error", () => undefined); // There is nowhere left to say so.
  return {
    flushed: async (limitMs) => {
      await new Promise((resolve) => {
        if (limitMs !== undefined) setTimeout(resolve, limitMs).unref();
        process.stdout.write("", resolve);
      });
      if (failure !== undefined) throw new EtcdsafeError("FILE_FAILED", `standard output cannot be written: ${failure.message}`, { cause: failure });
    },
  };
}
