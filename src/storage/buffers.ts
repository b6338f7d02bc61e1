// Buffers that are used again by one upload after the other. Most objects are small, and many may be put at once: they take none of the large ones.
import type { ByteReader } from "../bytes/stream.ts";

/** A document's own memory is the smaller of these that holds it: many may be put at once, or one after the other faster than V8 looks for garbage. */
const SMALL_SIZES_BYTES: readonly number[] = [4 * 1024, 64 * 1024];

export interface Buffers {
  take(): Uint8Array;
  giveBack(buffer: Uint8Array): void;
}

/** At most `keptMax` are kept while nobody uses them. */
export function buffersOf(sizeBytes: number, keptMax: number): Buffers {
  const free: Uint8Array[] = [];
  return {
    take: () => free.pop() ?? new Uint8Array(sizeBytes),
    giveBack: (buffer) => {
      if (free.length < keptMax) free.push(buffer);
    },
  };
}

/** What a stream begins with: as much as one of `buffers` holds, which is to be given back; of a short one all, in memory of its own. */
export async function readStart(reader: ByteReader, buffers: Buffers): Promise<{ readonly bytes: Uint8Array; readonly taken: Uint8Array | undefined }> {
  let start: Uint8Array = new Uint8Array(0);
  for (const size of SMALL_SIZES_BYTES) {
    const small = new Uint8Array(size);
    small.set(start);
    const filledBytes = start.length + (await reader.read(small.subarray(start.length)));
    if (filledBytes < size) return { bytes: small.subarray(0, filledBytes), taken: undefined };
    start = small;
  }
  const taken = buffers.take();
  try {
    taken.set(start);
    return { bytes: taken.subarray(0, start.length + (await reader.read(taken.subarray(start.length)))), taken };
  } catch (error) {
    buffers.giveBack(taken);
    throw error;
  }
}
