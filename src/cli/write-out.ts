// Bytes of a snapshot to standard output, at the pace of whoever reads them.
import { EtcdsafeError } from "../errors.ts";

export interface WriteOutOptions {
  readonly signal: AbortSignal;
  /** How long a reader may take nothing. */
  readonly stallLimitMs: number;
}

/** Takes one batch after the other; resolves when the reader's side has taken all of it. Rejects with FILE_FAILED, ETCD_STREAM_STALLED or the signal's reason. */
export function writeOutTo(stream: NodeJS.WritableStream, { signal, stallLimitMs }: WriteOutOptions): (chunks: readonly Uint8Array[]) => Promise<void> {
  return (chunks) =>
    new Promise((resolve, reject) => {
      let left = chunks.length;
      const stalled = () => end(new EtcdsafeError("ETCD_STREAM_STALLED", `nobody took anything from standard output for ${stallLimitMs} ms`));
      const timer = setTimeout(stalled, stallLimitMs);
      const aborted = () => end(signal.reason);
      const end = (failure?: unknown) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      if (signal.aborted || chunks.length === 0) return end(signal.aborted ? signal.reason : undefined);
      signal.addEventListener("abort", aborted);
      for (const chunk of chunks) {
        stream.write(chunk, (error) => {
          timer.refresh();
          if (error) end(new EtcdsafeError("FILE_FAILED", `standard output cannot be written: ${error.message}`, { hint: hintFor(error), cause: error }));
          else if (--left === 0) end();
        });
      }
    });
}

function hintFor({ code }: NodeJS.ErrnoException): string {
  if (code === "EPIPE") return "Its reader has to take all of the snapshot.";
  if (code === "ENOSPC" || code === "EDQUOT") return "Free space where it is redirected to; what is there now is no snapshot.";
  return "Look at what it is redirected to; what is there now is no snapshot.";
}
