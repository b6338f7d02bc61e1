// Buffers that are used again by one upload after the other. Memory that nobody has written to yet costs nothing, so that small objects may take large ones.

export interface Buffers {
  take(): Uint8Array;
  giveBack(buffer: Uint8Array): void;
}

/** At most `keptMax` are kept while nobody uses them. */
export function buffersOf(sizeBytes: number, keptMax: number): Buffers {
  const free: Uint8Array[] = [];
  return {
    take: () => free.pop() ?? new Uint8Array(sizeBytes),
    giveBack: (buffer) => {
      if (free.length < keptMax) free.push(buffer);
    },
  };
}
