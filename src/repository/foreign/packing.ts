// How another tool packed a snapshot: by its first bytes, and where those tell nothing, by its name. Pure.

/** `none` is the snapshot itself. */
export type Packing = "none" | "gzip" | "zlib" | "lzw" | "zstd" | "zip";

const MAGICS: readonly { readonly packing: Packing; readonly magic: readonly number[] }[] = [
  { packing: "gzip", magic: [0x1f, 0x8b] },
  { packing: "zip", magic: [0x50, 0x4b, 0x03, 0x04] },
  { packing: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
];

/** By content: names lie more often. `none` for everything else, a snapshot or not. */
export function packingOf(head: Uint8Array): Packing {
  return MAGICS.find(({ magic }) => magic.every((byte, index) => head[index] === byte))?.packing ?? "none";
}
