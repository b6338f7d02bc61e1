// Whether a log went on after its end. etcd takes a length of zero for the end, drops whatever follows, and overwrites it with zeros when it
// starts (`server/storage/wal/wal.go` ReadAll): of a write that never completed no member has told anybody. But a place that was lost to the disk later
// looks the same, and what follows that was acknowledged. Nobody can tell the two apart. Nor can etcd tell such a write from a file that was cut off
// while it was copied; here the preallocated rest tells, which only the copy lacks (etcd-formats §9.4).
import { WAL_PREALLOCATED_SIZE_BYTES } from "./constants.ts";
import type { WalFacts } from "./facts.ts";
import { frameEnd, type SegmentSource } from "./read.ts";

const STEP_BYTES: number = 1024 * 1024;
const ZEROS = Buffer.alloc(STEP_BYTES);

/**
 * Why the log may have gone on after its end: anything but zeros behind its last record, or behind a torn one, or a file that was cut off inside a record.
 * Undefined where it did not, and where it is corrupt, which says more. Of the files only the last is looked at: one before it that ends too early breaks the
 * chain of checksums. Reads the preallocated rest.
 */
export function lostBehindEnd(segments: readonly SegmentSource[], { fault, segments: read }: Pick<WalFacts, "fault" | "segments">): string | undefined {
  const [last, facts] = [segments.at(-1), read.at(-1)];
  if (last === undefined || facts === undefined || fault?.kind === "corrupt") return undefined;
  const end = frameEnd(last, facts.usedBytes);
  // A write that never completed ends so beyond the preallocated size, and in a file that etcd has cut when it repaired it: that one looks like a copy.
  if (end > last.sizeBytes && last.sizeBytes < WAL_PREALLOCATED_SIZE_BYTES) {
    return `the file ends inside a record, at ${last.sizeBytes} of the ${WAL_PREALLOCATED_SIZE_BYTES} bytes that etcd allocates, as a copy that was cut off`;
  }
  const offset = firstNonZero(last, end);
  // Where the end has moved, etcd is running and has written on.
  return offset === undefined || frameEnd(last, facts.usedBytes) !== end ? undefined : `data follows the end of its records, at byte ${offset}`;
}

/** What is to be known of such a log, behind its name. */
export const WITHOUT_ROOM: string =
  "may have been cut off while it was copied: its last file ends with a record, where etcd keeps room for more. Then what only the rest held is missing: " +
  "compare its size with the original's. etcd itself leaves it so where it has repaired it (a .wal.broken lies beside it), or was killed between two files";

/** What is to be known of a log of which lostBehindEnd says `behindEnd`, behind its name. */
export function mayHaveGoneOn(lastSegment: string, behindEnd: string): string {
  return `may have gone on after its end (${lastSegment}: ${behindEnd}): etcd starts from it without a word, and how much is lost nobody can tell`;
}

/**
 * Whether the last file ends where its last record does, so that nothing tells whether more came after it. etcd leaves one so only where it has repaired it,
 * or was killed when it was about to begin the next one.
 */
export function endsWithoutRoom({ fault, segments }: Ends): boolean {
  const last = segments.at(-1);
  return (fault ?? null) === null && (last?.usedBytes ?? 0) > 0 && last?.usedBytes === last?.sizeBytes;
}

interface Ends {
  readonly fault?: unknown;
  readonly segments: readonly { readonly usedBytes: number | null; readonly sizeBytes: number | null }[];
}

function firstNonZero(source: SegmentSource, start: number): number | undefined {
  for (let offset = start; offset < source.sizeBytes; ) {
    const bytes = source.read(offset, STEP_BYTES);
    if (bytes.length === 0) return undefined;
    // Of a whole megabyte at once, since a log has up to 64 of them.
    if (ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) !== 0) return offset + bytes.findIndex((byte) => byte !== 0);
    offset += bytes.length;
  }
  return undefined;
}
