// Zip archives as k3s makes them with Go's archive/zip: deflated, sizes and CRC in a data descriptor behind the data (APPNOTE.TXT §4.3).
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Not compressed. */
  readonly stored?: boolean;
  /** What the directory says of it, where that is to be a lie. */
  readonly claimedSizeBytes?: number;
}

const HAS_DESCRIPTOR = 0x08;

export function zipOf(...entries: readonly ZipEntry[]): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const { name, bytes, stored = false, claimedSizeBytes = bytes.length } of entries) {
    const offset = sizeOf(parts);
    const data = stored ? Buffer.from(bytes) : deflateRawSync(bytes);
    const method = stored ? 0 : 8;
    const sum = crc32(bytes);
    parts.push(u32(0x04034b50), u16(20, HAS_DESCRIPTOR, method, 0, 0), u32(0, 0, 0), u16(Buffer.byteLength(name), 0), Buffer.from(name), data);
    parts.push(u32(0x08074b50, sum, data.length, claimedSizeBytes));
    directory.push(u32(0x02014b50), u16(20, 20, HAS_DESCRIPTOR, method, 0, 0), u32(sum, data.length, claimedSizeBytes));
    directory.push(u16(Buffer.byteLength(name), 0, 0, 0, 0), u32(0, offset), Buffer.from(name));
  }
  const end = [u32(0x06054b50), u16(0, 0, entries.length, entries.length), u32(sizeOf(directory), sizeOf(parts)), u16(0)];
  return Buffer.concat([...parts, ...directory, ...end]);
}

function sizeOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function u16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16LE(value, 2 * index);
  return bytes;
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes;
}
