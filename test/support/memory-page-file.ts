// A PageFile in memory that counts what is read and written.
import type { PageFile } from "../../src/etcd-files/bbolt/page-file.ts";

export interface MemoryPageFile extends PageFile {
  /** A view of the file as it is now. */
  bytes(): Uint8Array;
  readonly traffic: { readBytes: number; writtenBytes: number };
}

export function memoryPageFile(initial: Uint8Array = new Uint8Array(0)): MemoryPageFile {
  let bytes = Uint8Array.from(initial);
  let sizeBytes = initial.length;
  const traffic = { readBytes: 0, writtenBytes: 0 };
  const resize = (wanted: number): void => {
    if (wanted > bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, bytes.length * 2));
      grown.set(bytes.subarray(0, sizeBytes));
      bytes = grown;
    }
    if (wanted < sizeBytes) bytes.fill(0, wanted, sizeBytes);
    sizeBytes = wanted;
  };
  return {
    traffic,
    get sizeBytes() {
      return sizeBytes;
    },
    read(offset, size) {
      const read = bytes.slice(offset, Math.min(offset + size, sizeBytes));
      traffic.readBytes += read.length;
      return read;
    },
    write(offset, written) {
      if (offset + written.length > sizeBytes) resize(offset + written.length);
      bytes.set(written, offset);
      traffic.writtenBytes += written.length;
    },
    truncate: resize,
    sync() {},
    bytes: () => bytes.subarray(0, sizeBytes),
  };
}
