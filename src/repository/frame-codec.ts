// One zstd frame at a time, compressed and decompressed in libuv's thread pool by node:zlib.
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { FormatError } from "../errors.ts";
import type { Frame } from "./seek-table.ts";

/** docs/repository-format.md, "Stored objects": raw bytes of every frame but the last. */
export const FRAME_RAW_SIZE_BYTES = 4 * 1024 * 1024;
/** zstd.h, ZSTD_COMPRESSBOUND for a frame of 4 MiB, plus header and checksum, rounded up. */
export const FRAME_STORED_SIZE_BYTES_MAX = FRAME_RAW_SIZE_BYTES + 32 * 1024;
/** Frames in the pool at once: enough to keep two cores busy while the main thread hashes, few enough to stay small. */
export const FRAMES_IN_FLIGHT = 3;

/** Measured on snapshots: higher levels gain little and fall below the disk's speed. */
const LEVEL = 1;
/** zstd_compression_format.md: Content_Checksum, the low 4 bytes of XXH64, ends a frame. */
const CHECKSUM_SIZE_BYTES = 4;
/** Output is allocated in steps of this size; snapshots compress below it, so that one step is the rule. */
const COMPRESS_STEP_BYTES = 2 * 1024 * 1024;
/** Room beyond the last byte, without which node:zlib asks for one more buffer. */
const SLACK_BYTES = 64;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Compresses up to FRAME_RAW_SIZE_BYTES. `raw` may be reused once the promise is settled. */
export async function compressFrame(raw: Uint8Array): Promise<{ readonly frame: Frame; readonly stored: Uint8Array }> {
  const stored = await compress(raw, {
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
    pledgedSrcSize: raw.length,
    chunkSize: COMPRESS_STEP_BYTES,
  });
  const checksum = stored.readUInt32LE(stored.length - CHECKSUM_SIZE_BYTES);
  return { frame: { storedSizeBytes: stored.length, rawSizeBytes: raw.length, checksum }, stored };
}

/** The raw bytes of a frame, compared with its entry in the seek table. `what` and `offset` (in the stored object) are for messages. */
export async function decompressFrame(stored: Uint8Array, frame: Frame, what: string, offset: number): Promise<Uint8Array> {
  const ending = stored.subarray(-CHECKSUM_SIZE_BYTES);
  if (ending.length !== CHECKSUM_SIZE_BYTES || new DataView(ending.buffer, ending.byteOffset).getUint32(0, true) !== frame.checksum) {
    throw new FormatError("OBJECT_CORRUPT", `${what} has not the checksum its seek table names`, offset);
  }
  let raw: Uint8Array;
  try {
    raw = await decompress(stored, { maxOutputLength: frame.rawSizeBytes, chunkSize: frame.rawSizeBytes + SLACK_BYTES });
  } catch (cause) {
    throw new FormatError("OBJECT_CORRUPT", `${what} does not decompress (${(cause as Error).message})`, offset, { cause });
  }
  if (raw.length !== frame.rawSizeBytes)
    throw new FormatError("OBJECT_CORRUPT", `${what} decompresses to ${raw.length} bytes instead of ${frame.rawSizeBytes}`, offset);
  return raw;
}
