// Reads the records of a log, one file ("segment") after the other, checking the chain of checksums that runs through all of them.
// What etcd calls torn and repairs, and what it calls corrupt and refuses, is told apart as it does (`server/storage/wal/decoder.go`; etcd-formats §9.1, §9.4).
// The checksum covers a record's data, not its type. Only one record is held at a time. Repairing a file is not done here.
import { crc32c } from "../../bytes/crc32c.ts";
import { FormatError } from "../../errors.ts";
import { decodeRecord, type RecordMessage } from "../../proto/walpb.ts";
import { FRAME_SIZE_BYTES, RECORD_CRC, RECORD_SIZE_BYTES_MAX, SECTOR_SIZE_BYTES } from "./constants.ts";

/** Where a segment's bytes come from. */
export interface SegmentSource {
  /** The file's name; appears in messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes `[offset, offset + sizeBytes)`; shorter only at the end of the file. Valid until the next call. */
  read(offset: number, sizeBytes: number): Uint8Array;
}

/** One record. `data` is valid until the next one is asked for. */
export interface WalRecord extends RecordMessage {
  /** Where its frame starts in its segment, and where the next one does. */
  readonly offset: number;
  readonly endOffset: number;
}

export interface SegmentPosition {
  /** Checksum of all data so far; 0 where reading starts, which takes the first segment's word for what came before. */
  readonly crc: number;
  /** Whether no segment follows. Only the last one can be torn. */
  readonly isLast: boolean;
}

export interface SegmentEnd {
  readonly crc: number;
  /** Where the last record ends: the rest of the file is preallocated, or the remains of a write that never completed. */
  readonly usedBytes: number;
}

/** Every file of a log begins with a record of type 4 (crc): its length is 4 to 8 bytes, padded to 8 (etcd-formats §9.1). `head` is its beginning. */
export function looksLikeWalSegment(head: Uint8Array): boolean {
  const [length = 0, ...rest] = head.subarray(0, FRAME_SIZE_BYTES);
  const padding = length === 8 ? 0 : 0x80 | (8 - length);
  if (head.length < 16 || length < 4 || length > 8 || rest.at(-1) !== padding || rest.slice(0, -1).some((byte) => byte !== 0)) return false;
  return head[8] === 0x08 && head[9] === RECORD_CRC && head[10] === 0x10;
}

/** A segment that is wholly in memory. */
export function bufferSegment(name: string, bytes: Uint8Array): SegmentSource {
  return { name, sizeBytes: bytes.length, read: (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes) };
}

/**
 * All records of the segments, which follow one another in sequence. Whatever was yielded before an error is good.
 * Throws FormatError: WAL_TORN, WAL_CORRUPT, or WAL_RECORD_TOO_LONG for a record beyond RECORD_SIZE_BYTES_MAX.
 */
export function* readWal(segments: readonly SegmentSource[]): Generator<WalRecord, void> {
  let crc = 0;
  for (const [position, segment] of segments.entries()) {
    ({ crc } = yield* readSegment(segment, { crc, isLast: position === segments.length - 1 }));
  }
}

/** As readWal, for one segment whose predecessors were read before. */
export function* readSegment(source: SegmentSource, start: SegmentPosition): Generator<WalRecord, SegmentEnd> {
  let { crc } = start;
  let offset = 0;
  for (;;) {
    const frame = readFrame(source, offset, start.isLast);
    if (frame === undefined) return { crc, usedBytes: offset };
    const message = unpack(source, offset, frame, start.isLast);
    if (message.type === RECORD_CRC) {
      if (crc !== 0 && message.crc !== crc)
        throw corrupt(source, `it does not continue the log before it, whose checksum is ${hex(crc)}: it goes on from ${hex(message.crc)}`, offset);
      crc = message.crc;
    } else {
      crc = crc32c(message.data, crc);
      if (message.crc !== crc) throw broken(source, `a record's checksum is ${hex(message.crc)}, its data's ${hex(crc)}`, offset, frame, start.isLast);
    }
    const endOffset = offset + FRAME_SIZE_BYTES + frame.content.length;
    yield { ...message, offset, endOffset };
    offset = endOffset;
  }
}

/** Where the frame at `offset` ends by its length, good or torn; beyond the file's end, too. */
export function frameEnd(source: SegmentSource, offset: number): number {
  const lengthField = source.read(offset, FRAME_SIZE_BYTES);
  if (lengthField.length === 0) return offset;
  if (lengthField.length < FRAME_SIZE_BYTES) return offset + FRAME_SIZE_BYTES;
  return offset + FRAME_SIZE_BYTES + sizesIn(lengthField).contentSizeBytes;
}

interface Frame {
  /** Record and padding. */
  readonly content: Uint8Array;
  readonly recordSizeBytes: number;
}

/** The frame at `offset`; undefined at the end of the file or of its used part. */
function readFrame(source: SegmentSource, offset: number, isLast: boolean): Frame | undefined {
  const lengthField = source.read(offset, FRAME_SIZE_BYTES);
  if (lengthField.length === 0) return undefined;
  if (lengthField.length < FRAME_SIZE_BYTES) throw cutShort(source, offset, isLast);
  const { isZero, recordSizeBytes, contentSizeBytes } = sizesIn(lengthField);
  if (isZero) return undefined;
  if (contentSizeBytes > source.sizeBytes - offset - FRAME_SIZE_BYTES) throw cutShort(source, offset, isLast);
  if (recordSizeBytes > RECORD_SIZE_BYTES_MAX) {
    throw new FormatError(
      "WAL_RECORD_TOO_LONG",
      `${source.name}: a length of ${recordSizeBytes} bytes, beyond the limit of ${RECORD_SIZE_BYTES_MAX}, for the record`,
      offset,
    );
  }
  const content = source.read(offset + FRAME_SIZE_BYTES, contentSizeBytes);
  if (content.length < contentSizeBytes) throw cutShort(source, offset, isLast);
  return { content, recordSizeBytes };
}

function sizesIn(lengthField: Uint8Array): { isZero: boolean; recordSizeBytes: number; contentSizeBytes: number } {
  const view = new DataView(lengthField.buffer, lengthField.byteOffset, FRAME_SIZE_BYTES);
  const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)];
  const recordSizeBytes = (high & 0xff_ffff) * 2 ** 32 + low;
  const paddingBytes = high >= 0x8000_0000 ? (high >>> 24) & 7 : 0;
  return { isZero: low === 0 && high === 0, recordSizeBytes, contentSizeBytes: recordSizeBytes + paddingBytes };
}

function unpack(source: SegmentSource, offset: number, frame: Frame, isLast: boolean): RecordMessage {
  try {
    return decodeRecord(frame.content.subarray(0, frame.recordSizeBytes), offset + FRAME_SIZE_BYTES);
  } catch (cause) {
    throw broken(source, "a record cannot be decoded", offset, frame, isLast, cause);
  }
}

/** A torn write leaves whole sectors as they were preallocated. `decoder.go` isTornEntry counts the padding as part of the record; so does this. */
function hasZeroSector(content: Uint8Array, offset: number): boolean {
  for (let start = 0; start < content.length; ) {
    const end = start + SECTOR_SIZE_BYTES - ((offset + start) % SECTOR_SIZE_BYTES);
    if (content.subarray(start, end).every((byte) => byte === 0)) return true;
    start = end;
  }
  return false;
}

function broken(source: SegmentSource, what: string, offset: number, frame: Frame, isLast: boolean, cause?: unknown): FormatError {
  const torn = isLast && hasZeroSector(frame.content, offset + FRAME_SIZE_BYTES);
  return new FormatError(torn ? "WAL_TORN" : "WAL_CORRUPT", `${source.name}: ${torn ? "the last write did not reach the disk whole: " : ""}${what}`, offset, {
    cause,
  });
}

function cutShort(source: SegmentSource, offset: number, isLast: boolean): FormatError {
  return new FormatError(isLast ? "WAL_TORN" : "WAL_CORRUPT", `${source.name}: the file ends inside a record`, offset);
}

function corrupt(source: SegmentSource, what: string, offset: number): FormatError {
  return new FormatError("WAL_CORRUPT", `${source.name}: ${what}`, offset);
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
