import { expect, test } from "vitest";
import { endsWithoutRoom, lostBehindEnd } from "../../../src/etcd-files/wal/behind-end.ts";
import { walFacts } from "../../../src/etcd-files/wal/facts.ts";
import { bufferSegment, readWal, type SegmentSource } from "../../../src/etcd-files/wal/read.ts";
import { parseWalSegmentName } from "../../../src/etcd-files/wal/segment-name.ts";
import { KILLED_LOG, liveSegment, TWO_SEGMENTS } from "./live-log.ts";

const LOG = liveSegment("killed-3.5", KILLED_LOG);
const RECORDS = [...readWal([bufferSegment(KILLED_LOG, LOG)])].map(({ offset, endOffset }) => ({ offset, endOffset }));
/** As etcd has it, beyond the size of one step. */
const PREALLOCATED = Buffer.concat([LOG, Buffer.alloc(2_500_000)]);

function behindEnd(...files: readonly (readonly [name: string, bytes: Uint8Array])[]): string | undefined {
  return behindEndOf(files.map(([name, bytes]) => bufferSegment(name, bytes)));
}

function behindEndOf(sources: readonly SegmentSource[]): string | undefined {
  const segments = sources.map((source) => ({ ...source, ...parseWalSegmentName(source.name)! }));
  return lostBehindEnd(segments, walFacts(segments));
}

test("behind a log's end: nothing, in a file that ends there, in a preallocated one, in one with others before it, and in an empty one", () => {
  const two = TWO_SEGMENTS.map((name) => [name, liveSegment("two-segments-3.7", name)] as const);
  expect(behindEnd([KILLED_LOG, LOG])).toBeUndefined();
  expect(behindEnd([KILLED_LOG, PREALLOCATED])).toBeUndefined();
  expect(behindEnd(...two)).toBeUndefined();
  expect(behindEnd([KILLED_LOG, new Uint8Array(0)])).toBeUndefined();
});

test.each([1, 60])("behind a log's end: the rest of a record in a file of less than 64,000,000 bytes that ends %d bytes before the record does", (missing) => {
  const cut = LOG.subarray(0, LOG.length - missing);
  expect(behindEnd([KILLED_LOG, cut])).toBe(
    `the file ends inside a record, at ${cut.length} of the 64000000 bytes that etcd allocates, as a copy that was cut off`,
  );
  expect(behindEnd([KILLED_LOG, LOG.subarray(0, RECORDS.at(-1)!.offset + 7)])).toMatch(/^the file ends inside a record/);
});

test("behind a log's end: nothing, where a write went beyond the 64,000,000 bytes and never completed", () => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(2n ** 30n);
  const torn = Buffer.concat([LOG, length]);
  const file = (sizeBytes: number): SegmentSource => ({
    name: KILLED_LOG,
    sizeBytes,
    read: (offset, wanted) =>
      Buffer.concat([torn.subarray(offset, offset + wanted), Buffer.alloc(wanted)]).subarray(0, Math.min(wanted, Math.max(0, sizeBytes - offset))),
  });
  expect(behindEndOf([file(64_000_000)])).toBeUndefined();
  expect(behindEndOf([file(63_999_999)])).toMatch(/^the file ends inside a record/);
});

test("a log's last file without room behind its last record: told from one with room, and from one with a fault", () => {
  const withoutRoom = (bytes: Uint8Array) => endsWithoutRoom(walFacts([{ ...bufferSegment(KILLED_LOG, bytes), ...parseWalSegmentName(KILLED_LOG)! }]));
  expect(withoutRoom(LOG)).toBe(true);
  expect(withoutRoom(LOG.subarray(0, RECORDS[60]!.endOffset))).toBe(true);
  expect(withoutRoom(PREALLOCATED)).toBe(false);
  expect(withoutRoom(LOG.subarray(0, LOG.length - 60))).toBe(false);
  expect(endsWithoutRoom({ fault: undefined, segments: [] })).toBe(false);
});

test.each([8, 512])("behind a log's end: the records behind %d zeros, as they are and after others were lost", (sizeBytes) => {
  const { offset } = RECORDS[60]!;
  const zeroed = Buffer.from(PREALLOCATED).fill(0, offset, offset + sizeBytes);
  expect(behindEnd([KILLED_LOG, zeroed])).toBe(
    `data follows the end of its records, at byte ${offset + zeroed.subarray(offset).findIndex((byte) => byte !== 0)}`,
  );
});

test("behind a log's end: a single byte at the end of the file", () => {
  const bytes = Buffer.from(PREALLOCATED);
  bytes[bytes.length - 1] = 1;
  expect(behindEnd([KILLED_LOG, bytes])).toBe(`data follows the end of its records, at byte ${bytes.length - 1}`);
});

test("behind a log's end: what follows a torn record, and not its own rest", () => {
  const torn = Buffer.concat([LOG, LOG.subarray(0, 4096), Buffer.alloc(2_500_000)]);
  torn.writeBigUInt64LE(2000n, LOG.length);
  torn.fill(0, LOG.length + 16, LOG.length + 2008);
  expect(behindEnd([KILLED_LOG, torn])).toMatch(/^data follows the end of its records, at byte/);
  expect(behindEnd([KILLED_LOG, torn.fill(0, LOG.length + 2008)])).toBeUndefined();
});

test("behind a log's end: nothing is said of a corrupt log, which is more, nor of what a running etcd writes meanwhile", () => {
  const { offset } = RECORDS[60]!;
  const corrupt = Buffer.from(PREALLOCATED);
  corrupt[offset + 20]! ^= 1;
  expect(behindEnd([KILLED_LOG, corrupt])).toBeUndefined();
  let isWritten = false;
  const live = {
    ...bufferSegment(KILLED_LOG, PREALLOCATED),
    read: (at: number, sizeBytes: number) => {
      const bytes = Buffer.from(PREALLOCATED);
      if (isWritten) bytes.fill(1, LOG.length, LOG.length + 100);
      if (at === LOG.length && sizeBytes === 8 && !isWritten) reads += 1;
      if (reads === 2) isWritten = true;
      return bytes.subarray(at, at + sizeBytes);
    },
  };
  let reads = 0;
  expect(behindEndOf([live])).toBeUndefined();
  expect(isWritten).toBe(true);
});
