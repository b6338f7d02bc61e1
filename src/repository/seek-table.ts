// The seek table at the end of a stored object: zstd's seekable format 0.1.0, contrib/seekable_format/zstd_seekable_compression_format.md.
// Pure: bytes ↔ frame sizes. Whether the sizes are true shows when the frames are read.
import { FormatError } from "../errors.ts";

/** "Skippable_Magic_Number" of the frame that holds the table. */
const SKIPPABLE_MAGIC = 0x184d2a5e;
/** "Seekable_Magic_Number": the last four bytes of the object. */
const SEEKABLE_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER_SIZE_BYTES = 8;
/** "Seek_Table_Footer": u32 number of frames, u8 descriptor, u32 magic. */
export const FOOTER_SIZE_BYTES = 9;
/** u32 compressed size, u32 decompressed size, u32 checksum. */
const ENTRY_SIZE_BYTES = 12;
/** "Seek_Table_Descriptor": bit 7 says that entries hold checksums; bits 6 to 2 are reserved and 0. */
const DESCRIPTOR = 0x80;
/** Bits 1 and 0 mean nothing and may be set. */
const DESCRIPTOR_MASK = 0xfc;
/** 16 TiB of raw bytes in frames of 4 MiB; a table of 48 MiB. */
const FRAMES_MAX = 4 * 1024 * 1024;

/** One frame: `checksum` is the low half of XXH64 of its raw bytes, which zstd also stores as the frame's last four bytes. */
export interface Frame {
  readonly storedSizeBytes: number;
  readonly rawSizeBytes: number;
  readonly checksum: number;
}

/** The skippable frame that ends an object. */
export function encodeSeekTable(frames: readonly Frame[]): Uint8Array {
  const bytes = Buffer.alloc(seekTableSizeBytes(frames.length));
  bytes.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  bytes.writeUInt32LE(bytes.length - SKIPPABLE_HEADER_SIZE_BYTES, 4);
  let at = SKIPPABLE_HEADER_SIZE_BYTES;
  for (const { storedSizeBytes, rawSizeBytes, checksum } of frames) {
    bytes.writeUInt32LE(storedSizeBytes, at);
    bytes.writeUInt32LE(rawSizeBytes, at + 4);
    bytes.writeUInt32LE(checksum, at + 8);
    at += ENTRY_SIZE_BYTES;
  }
  bytes.writeUInt32LE(frames.length, at);
  bytes.writeUInt8(DESCRIPTOR, at + 4);
  bytes.writeUInt32LE(SEEKABLE_MAGIC, at + 5);
  return bytes;
}

/** Size of the whole table as its footer, the object's last 9 bytes, tells it. `what` and `offset`, its place in the object, are for messages. */
export function readSeekTableSize(footer: Uint8Array, what: string, offset: number): number {
  const view = viewOf(footer);
  if (footer.length !== FOOTER_SIZE_BYTES || view.getUint32(5, true) !== SEEKABLE_MAGIC) {
    throw new FormatError("OBJECT_TRUNCATED", `${what}: no seek table where it should end`, offset);
  }
  if ((view.getUint8(4) & DESCRIPTOR_MASK) !== DESCRIPTOR) throw new FormatError("OBJECT_CORRUPT", `${what}: seek table of an unknown kind`, offset + 4);
  const frames = view.getUint32(0, true);
  if (frames > FRAMES_MAX) throw new FormatError("OBJECT_CORRUPT", `${what}: seek table of ${frames} frames`, offset);
  return seekTableSizeBytes(frames);
}

/** Reads a table of the size `readSeekTableSize` told. `what` and `offset`, its place in the object, are for messages. */
export function readSeekTable(table: Uint8Array, what: string, offset: number): Frame[] {
  const view = viewOf(table);
  if (view.getUint32(0, true) !== SKIPPABLE_MAGIC || view.getUint32(4, true) !== table.length - SKIPPABLE_HEADER_SIZE_BYTES) {
    throw new FormatError("OBJECT_CORRUPT", `${what}: seek table without its frame`, offset);
  }
  const frames: Frame[] = [];
  for (let at = SKIPPABLE_HEADER_SIZE_BYTES; at < table.length - FOOTER_SIZE_BYTES; at += ENTRY_SIZE_BYTES) {
    frames.push({ storedSizeBytes: view.getUint32(at, true), rawSizeBytes: view.getUint32(at + 4, true), checksum: view.getUint32(at + 8, true) });
  }
  return frames;
}

function seekTableSizeBytes(frames: number): number {
  return SKIPPABLE_HEADER_SIZE_BYTES + frames * ENTRY_SIZE_BYTES + FOOTER_SIZE_BYTES;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
