// The body of an answer, gathered in memory that is used again. A connection gives 64 KiB at most at a time (of TLS 16), each in memory of its own: by
// the gigabyte that would be most of the garbage of a download, and a turn for each through all that lies between it and its taker most of its time.
import type { IncomingMessage } from "node:http";
import { finished } from "node:stream";

/** Gathered before the connection has to wait for the taker. */
const WAITING_SIZE_BYTES_MAX = 128 * 1024;
/** Most answers are short. */
const FIRST_BUFFER_SIZE_BYTES = 8 * 1024;

/**
 * To be read once. Throws what breaks the connection, after what came before; or that there was no byte for `idleLimitMs`, while one was waited for:
 * not while the taker was busy.
 */
export async function* bodyPieces(incoming: IncomingMessage, idleLimitMs: number): AsyncGenerator<Uint8Array> {
  let filling: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_SIZE_BYTES);
  let other: Buffer = Buffer.alloc(0);
  let filledBytes = 0;
  let end: { readonly error: Error | null | undefined } | undefined;
  let wake: () => unknown = () => undefined;
  const stopLooking = finished(incoming, { writable: false }, (error) => {
    end = { error };
    wake();
  });
  const take = (chunk: Buffer) => {
    if (filledBytes + chunk.length > filling.length) filling = grown(filling, filledBytes, chunk.length);
    filling.set(chunk, filledBytes);
    filledBytes += chunk.length;
    giveBack(chunk);
    if (filledBytes >= WAITING_SIZE_BYTES_MAX) incoming.pause();
    wake();
  };
  incoming.on("data", take);
  try {
    for (;;) {
      if (filledBytes === 0 && end === undefined) {
        const timer = setTimeout(() => incoming.destroy(new Error(`no byte for ${idleLimitMs / 1000} s`)), idleLimitMs);
        await new Promise<void>((resolve) => {
          wake = () => setImmediate(resolve); // All that has come already comes first.
        });
        wake = () => undefined;
        clearTimeout(timer);
      }
      if (filledBytes > 0) {
        const piece = filling.subarray(0, filledBytes);
        [filling, other, filledBytes] = [other, filling, 0];
        incoming.resume();
        yield piece;
      } else if (end !== undefined) {
        giveBack(other); // The last piece.
        if (end.error) throw end.error;
        return;
      }
    }
  } finally {
    stopLooking();
    incoming.off("data", take);
    giveBack(filling);
    incoming.on("error", () => undefined); // Whatever it still says, nobody asks any more.
  }
}

/**
 * Frees what a connection has read, or Node's parser copied out of that, once nobody looks into it any more, unless it is in a buffer that others share:
 * V8 lets 64 MB of dead ones gather, or twice that while much comes in.
 */
export function giveBack(chunk: Buffer): void {
  if (chunk.length > 0 && chunk.length === chunk.buffer.byteLength) (chunk.buffer as ArrayBuffer).transfer(0);
}

function grown(buffer: Buffer, filledBytes: number, neededBytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(filledBytes + neededBytes, Math.min(4 * buffer.length, WAITING_SIZE_BYTES_MAX + 64 * 1024)));
  buffer.copy(larger, 0, 0, filledBytes);
  giveBack(buffer);
  return larger;
}
