// Buffers that are used again by one upload after the other. Most objects are small, and many may be put at once: they take none of the large ones.
import type { ByteReader } from "../bytes/stream.ts";

const SMALL_SIZE_BYTES = 64 * 1024;

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
  const small = new Uint8Array(SMALL_SIZE_BYTES);
  const sizeBytes = await reader.read(small);
  if (sizeBytes < small.length) return { bytes: small.subarray(0, sizeBytes), taken: undefined };
  const taken = buffers.take();
  try {
    taken.set(small);
    return { bytes: taken.subarray(0, sizeBytes + (await reader.read(taken.subarray(sizeBytes)))), taken };
  } catch (error) {
    buffers.giveBack(taken);
    throw error;
  }
}
