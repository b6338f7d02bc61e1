// Where a walk gets its bytes. The walk itself does no I/O: a driver reads what it asks for (files in large windows, buffers in tests).

export interface PageSource {
  readonly sizeBytes: number;
  /** Bytes `[offset, offset + sizeBytes)`; shorter only at the end of the file. Valid until the next call: a source may reuse its window. */
  read(offset: number, sizeBytes: number): Uint8Array;
}

/** A file that is wholly in memory. */
export function bufferPageSource(bytes: Uint8Array): PageSource {
  return { sizeBytes: bytes.length, read: (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes) };
}
