// CRC-32C (Castagnoli), as the WAL, the .snap file and HashKV use it; hardware-accelerated by @node-rs/crc32.
import { crc32c as nativeCrc32c } from "@node-rs/crc32";

/** The checksum of `bytes`, continuing from `seed` (the checksum of what came before; 0 at the start). An unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed);
}
