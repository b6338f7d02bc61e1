// Names of WAL files: sequence number and the raft index their first entry will have, both as 16 hexadecimal digits (`server/storage/wal/util.go`).
import type { RaftIndex } from "../../bytes/u64.ts";

export interface SegmentName {
  readonly sequence: bigint;
  readonly firstIndex: RaftIndex;
}

export function walSegmentName({ sequence, firstIndex }: SegmentName): string {
  return `${hex(sequence)}-${hex(firstIndex)}.wal`;
}

/** Undefined for everything else in the directory: `0.tmp` is the next segment's preallocated file, `….broken` etcd's copy from before a repair. */
export function parseWalSegmentName(name: string): SegmentName | undefined {
  const [, sequence, firstIndex] = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/.exec(name) ?? [];
  if (sequence === undefined || firstIndex === undefined) return undefined;
  return { sequence: BigInt(`0x${sequence}`), firstIndex: BigInt(`0x${firstIndex}`) as RaftIndex };
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}
