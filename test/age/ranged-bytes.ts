// Bytes in memory, read as a store gives them: in small chunks that are gone afterwards.
import type { RangedBytes } from "../../src/age/file.ts";

const CHUNK_SIZE_BYTES = 50_000;

export function rangedBytes(bytes: Uint8Array): RangedBytes {
  return {
    sizeBytes: bytes.length,
    read: async function* ({ start, end }) {
      for (let at = start; at < Math.min(end, bytes.length); at += CHUNK_SIZE_BYTES) {
        const chunk = Uint8Array.from(bytes.subarray(at, Math.min(at + CHUNK_SIZE_BYTES, end)));
        yield chunk;
        chunk.fill(0);
      }
    },
  };
}
