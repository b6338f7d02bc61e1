// Where the frames of a stored object are: finds its seek table and believes it only where it agrees with the manifest and with itself.
import type { RangedBytes } from "../age/file.ts";
import { collect } from "../bytes/stream.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { FRAME_RAW_SIZE_BYTES, FRAME_STORED_SIZE_BYTES_MAX } from "./frame-codec.ts";
import type { ObjectFacts } from "./object-encoder.ts";
import { FOOTER_SIZE_BYTES, type Frame, readSeekTable, readSeekTableSize } from "./seek-table.ts";

/** Read at once from the object's end: the whole seek table of anything up to 20 GiB. */
const TAIL_SIZE_BYTES = 64 * 1024;

/** The frames of an object's packed bytes, whose size has been checked; `key` is for messages. Throws OBJECT_TRUNCATED or OBJECT_CORRUPT. */
export async function readFrames(packed: RangedBytes, key: string, rawSizeBytes: number, options: CallOptions): Promise<Frame[]> {
  const size = packed.sizeBytes;
  if (size < FOOTER_SIZE_BYTES) throw new FormatError("OBJECT_CORRUPT", `${key}: no room for a seek table`, 0);
  let tail = await readExactly(packed, key, Math.max(0, size - TAIL_SIZE_BYTES), size, options);
  const tableSize = readSeekTableSize(tail.subarray(tail.length - FOOTER_SIZE_BYTES), key, size - FOOTER_SIZE_BYTES);
  if (tableSize > size) throw new FormatError("OBJECT_CORRUPT", `${key}: seek table of ${tableSize} bytes`, size - FOOTER_SIZE_BYTES);
  if (tableSize > tail.length) tail = await readExactly(packed, key, size - tableSize, size, options);
  const tableStart = size - tableSize;
  const frames = readSeekTable(tail.subarray(tail.length - tableSize), key, tableStart);
  const fault = faultOf(frames, tableStart, rawSizeBytes);
  if (fault !== undefined) throw new FormatError("OBJECT_CORRUPT", `${key}: ${fault}`, tableStart);
  return frames;
}

/** Compares the size of a stored object with its manifest's. Throws STORAGE_NOT_FOUND, OBJECT_TRUNCATED or OBJECT_CORRUPT. */
export async function checkStoredSize(storage: Storage, key: string, facts: ObjectFacts, { signal }: CallOptions): Promise<void> {
  const info = await storage.stat(key, { signal });
  if (info === undefined) throw new EtcdsafeError("STORAGE_NOT_FOUND", `${key} is missing in ${storage.location}, though its manifest names it`);
  requireSize(key, info.sizeBytes, facts.storedSizeBytes);
}

export function requireSize(key: string, sizeBytes: number, wanted: number): void {
  if (sizeBytes < wanted) throw new EtcdsafeError("OBJECT_TRUNCATED", `${key} holds ${sizeBytes} of its ${wanted} bytes`);
  if (sizeBytes > wanted) throw new EtcdsafeError("OBJECT_CORRUPT", `${key} holds ${sizeBytes} bytes where ${wanted} belong`);
}

function faultOf(frames: readonly Frame[], tableStart: number, rawSizeBytes: number): string | undefined {
  let stored = 0;
  let raw = 0;
  for (const [index, frame] of frames.entries()) {
    const wanted = Math.min(FRAME_RAW_SIZE_BYTES, rawSizeBytes - raw);
    if (frame.rawSizeBytes !== wanted || wanted === 0) return `its seek table gives frame ${index} ${frame.rawSizeBytes} raw bytes where ${wanted} belong`;
    if (frame.storedSizeBytes === 0 || frame.storedSizeBytes > FRAME_STORED_SIZE_BYTES_MAX)
      return `its seek table gives frame ${index} ${frame.storedSizeBytes} stored bytes`;
    stored += frame.storedSizeBytes;
    raw += frame.rawSizeBytes;
  }
  if (raw !== rawSizeBytes) return `its seek table names ${raw} raw bytes, the manifest ${rawSizeBytes}`;
  if (stored !== tableStart) return `its seek table names ${stored} stored bytes, but ${tableStart} are there`;
  return undefined;
}

async function readExactly(packed: RangedBytes, key: string, start: number, end: number, options: CallOptions): Promise<Uint8Array> {
  const tooLong = () => new EtcdsafeError("OBJECT_CORRUPT", `${key}: the store sent more than the ${end - start} bytes asked for`);
  const bytes = await collect(packed.read({ start, end }, options), end - start, tooLong);
  if (bytes.length !== end - start) throw new FormatError("OBJECT_TRUNCATED", `${key} ends early`, start + bytes.length);
  return bytes;
}
