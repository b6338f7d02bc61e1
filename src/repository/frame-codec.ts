// One zstd frame at a time, compressed and decompressed in libuv's thread pool by node:zlib.
import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import { constants, createZstdCompress, type ZstdOptions, zstdDecompress } from "node:zlib";
import { FormatError } from "../errors.ts";
import type { Frame } from "./seek-table.ts";

/** docs/repository-format.md, "Stored objects": raw bytes of every frame but the last. */
export const FRAME_RAW_SIZE_BYTES = 4 * 1024 * 1024;
/** zstd.h, ZSTD_COMPRESSBOUND for a frame of 4 MiB, plus header and checksum, rounded up. */
export const FRAME_STORED_SIZE_BYTES_MAX = FRAME_RAW_SIZE_BYTES + 32 * 1024;
/** Frames in the pool at once: one thread that hashes keeps no more than two others busy. */
export const FRAMES_IN_FLIGHT = 2;

/** Measured on snapshots: higher levels gain little and fall below the disk's speed. */
const LEVEL = 1;
/** zstd_compression_format.md: Content_Checksum, the low 4 bytes of XXH64, ends a frame. */
const CHECKSUM_SIZE_BYTES = 4;
/** No frame of 4 MiB needs a window of more than 2^22 bytes; a changed header may ask for 2^41. */
const WINDOW_LOG_MAX = 22;
/** Room beyond the last byte, without which node:zlib asks for one more buffer. */
const SLACK_BYTES = 64;

/** What node:zlib gives with `info`; its types do not tell. A decoder stops silently after one frame, whatever follows it. */
interface DecompressResult {
  readonly buffer: Uint8Array;
  /** `bytesWritten`: what the decoder has taken in. */
  readonly engine: { readonly bytesWritten: number };
}
const decompress: (stored: Uint8Array, options: ZstdOptions) => Promise<DecompressResult> = promisify(zstdDecompress) as never;

/** Compresses up to FRAME_RAW_SIZE_BYTES. `raw` may be reused once the promise is settled; `stored` has a buffer of its own. */
export async function compressFrame(raw: Uint8Array): Promise<{ readonly frame: Frame; readonly stored: Uint8Array }> {
  const stored = joined(await compress(raw));
  const checksum = new DataView(stored.buffer, stored.byteOffset).getUint32(stored.length - CHECKSUM_SIZE_BYTES, true);
  return { frame: { storedSizeBytes: stored.length, rawSizeBytes: raw.length, checksum }, stored };
}

function compress(raw: Uint8Array): Promise<Uint8Array[]> {
  const encoder = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
    pledgedSrcSize: raw.length,
    chunkSize: FRAME_STORED_SIZE_BYTES_MAX, // One step: smaller ones would have to be joined, and be dead memory until V8 looks for some.
  });
  const pieces: Uint8Array[] = [];
  encoder.on("data", (piece: Uint8Array) => pieces.push(piece)).end(raw);
  return finished(encoder).then(() => pieces);
}

/** Pieces of one step mostly lie behind each other in one buffer already. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = pieces;
  if (first === undefined) return new Uint8Array(0);
  let end = first.byteOffset + first.length;
  for (const { buffer, byteOffset, length } of others) {
    if (buffer !== first.buffer || byteOffset !== end) return Buffer.concat(pieces);
    end += length;
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset);
}

/** The raw bytes of a frame, compared with its entry in the seek table. `what` and `offset` (in the stored object) are for messages. */
export async function decompressFrame(stored: Uint8Array, frame: Frame, what: string, offset: number): Promise<Uint8Array> {
  const ending = stored.subarray(-CHECKSUM_SIZE_BYTES);
  if (ending.length !== CHECKSUM_SIZE_BYTES || new DataView(ending.buffer, ending.byteOffset).getUint32(0, true) !== frame.checksum) {
    throw new FormatError("OBJECT_CORRUPT", `${what} has not the checksum its seek table names`, offset);
  }
  let result: DecompressResult;
  try {
    result = await decompress(stored, {
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
      maxOutputLength: frame.rawSizeBytes,
      chunkSize: frame.rawSizeBytes + SLACK_BYTES,
      info: true,
    });
  } catch (cause) {
    throw new FormatError("OBJECT_CORRUPT", `${what} does not decompress (${(cause as Error).message})`, offset, { cause });
  }
  const { buffer, engine } = result;
  if (buffer.length !== frame.rawSizeBytes)
    throw new FormatError("OBJECT_CORRUPT", `${what} decompresses to ${buffer.length} bytes instead of ${frame.rawSizeBytes}`, offset);
  if (engine.bytesWritten !== stored.length) throw new FormatError("OBJECT_CORRUPT", `${what} ends before its place does`, offset + engine.bytesWritten);
  return buffer;
}
