import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../../src/bytes/crc32c.ts";
import { FormatError } from "../../../src/errors.ts";
import { encodeFrame } from "../../../src/etcd-files/wal/encode.ts";
import { bufferSegment, readSegment, readWal, type SegmentSource } from "../../../src/etcd-files/wal/read.ts";
import { runs, SEED } from "../../support/counts.ts";
import { KILLED_LOG, liveSegment, segmentOf, TWO_SEGMENTS } from "./live-log.ts";

const killed = liveSegment("killed-3.5", KILLED_LOG);
const zeros = new Uint8Array(4096);

/** Type and data (as size and hash) of all records up to the end or the fault, and the fault. */
function reading(...files: Uint8Array[]): { records: string[]; ends: number[]; fault: FormatError | undefined } {
  const records: string[] = [];
  const ends: number[] = [];
  try {
    for (const { type, data, endOffset } of readWal(files.map((bytes, position) => bufferSegment(`segment ${position}`, bytes)))) {
      records.push(summary(type, data));
      ends.push(endOffset);
    }
    return { records, ends, fault: undefined };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { records, ends, fault: error };
  }
}

function summary(type: number, data: Uint8Array): string {
  return `${type} ${data.length} ${crc32c(data)}`;
}

test("WAL reader: reads all records of a log whose member was killed, preallocated zeros or not", () => {
  const plain = reading(killed);
  expect(plain.fault).toBeUndefined();
  expect(plain.records).toHaveLength(107);
  expect(plain.ends.at(-1)).toBe(killed.length);
  expect(reading(Buffer.concat([killed, zeros])).records).toEqual(plain.records);
  const end = readSegment(bufferSegment("w", Buffer.concat([killed, zeros])), { crc: 0, isLast: true });
  let step = end.next();
  while (step.done !== true) step = end.next();
  expect(step.value.usedBytes).toBe(killed.length);
});

test("WAL reader: follows the checksum from one file of a real log into the next", () => {
  const [first, second] = TWO_SEGMENTS.map((name) => liveSegment("two-segments-3.7", name)) as [Uint8Array, Uint8Array];
  const whole = reading(first, second);
  expect(whole.fault).toBeUndefined();
  expect(whole.records).toHaveLength(111);
  // Reading may begin at any file, and then takes its word for the checksum so far.
  expect(reading(second).records).toEqual(whole.records.slice(104));
  // With the first file cut after a record, the second does not continue it.
  const { fault } = reading(first.subarray(0, whole.ends[100]), second);
  expect(fault).toMatchObject({ code: "WAL_CORRUPT", offset: 0 });
  expect(fault?.message).toMatch(/^segment 1: it does not continue the log before it, whose checksum is [0-9a-f]{8}: it goes on from [0-9a-f]{8} at byte 0$/);
});

test("WAL reader: a log cut anywhere in its last file is torn there, and all records before are good", () => {
  const whole = reading(killed);
  fc.assert(
    fc.property(fc.nat(killed.length - 1), (sizeBytes) => {
      const { records, ends, fault } = reading(killed.subarray(0, sizeBytes));
      expect(records).toEqual(whole.records.slice(0, records.length));
      const goodBytes = ends.at(-1) ?? 0;
      if (goodBytes === sizeBytes) expect(fault).toBeUndefined();
      else expect(fault).toMatchObject({ code: "WAL_TORN", offset: goodBytes });
    }),
    { seed: SEED, numRuns: runs(200, 5000) },
  );
});

test("WAL reader: a file cut short that others follow is corrupt, not torn", () => {
  const second = segmentOf([], 1);
  expect(reading(killed.subarray(0, 100), second).fault).toMatchObject({ code: "WAL_CORRUPT" });
  expect(reading(killed.subarray(0, 100)).fault).toMatchObject({ code: "WAL_TORN" });
});

test("WAL reader: a record with a sector that never reached the disk is torn, with any other change corrupt", () => {
  const { ends } = reading(killed);
  // The put of 6000 bytes is the entry before the last state record; whole sectors of it lie inside the record.
  const last = ends.findLastIndex((end, position) => end - (ends[position - 1] ?? 0) > 6000);
  const sector = (Math.floor((ends[last - 1] ?? 0) / 512) + 2) * 512;
  const torn = Uint8Array.from(killed).fill(0, sector, sector + 512);
  expect(reading(torn).fault).toMatchObject({ code: "WAL_TORN", offset: ends[last - 1] });
  expect(reading(torn, segmentOf([], 1)).fault).toMatchObject({ code: "WAL_CORRUPT" });
  const changed = Uint8Array.from(killed).fill(0, sector, sector + 511);
  expect(reading(changed).fault).toMatchObject({ code: "WAL_CORRUPT", offset: ends[last - 1] });
  expect(reading(changed).records).toHaveLength(last);
});

test("WAL reader: whatever byte is changed, no wrong data is yielded", () => {
  const whole = reading(killed);
  // The format's checksum does not cover a record's type.
  const dataOf = (records: readonly string[]) => records.map((record) => record.replace(/^\d+ /, ""));
  fc.assert(
    fc.property(fc.nat(killed.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const { records, fault } = reading(killed.with(at, (killed[at] ?? 0) ^ change));
      expect(dataOf(records)).toEqual(dataOf(whole.records).slice(0, records.length));
      // A length of zero means the end to every reader of the format, and bits that none of them looks at may change.
      if (fault === undefined) expect(records.length === whole.records.length || isLengthByte(whole.ends, at)).toBe(true);
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});

function isLengthByte(ends: readonly number[], at: number): boolean {
  return [0, ...ends].some((start) => at >= start && at < start + 8);
}

test("WAL reader: arbitrary bytes end in a FormatError or the end of the log", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const { fault } = reading(bytes);
      if (fault !== undefined) expect(["WAL_TORN", "WAL_CORRUPT"]).toContain(fault.code);
    }),
    { seed: SEED, numRuns: runs(500, 50_000) },
  );
});

test("WAL reader: a record that claims more than the limit is refused before memory is asked for", () => {
  const length = Uint8Array.of(1, 0, 0, 4, 0, 0, 0, 0);
  let largest = 0;
  const source: SegmentSource = {
    name: "w",
    sizeBytes: 2 ** 40,
    read: (offset, sizeBytes) => {
      largest = Math.max(largest, sizeBytes);
      return offset === 0 ? length.subarray(0, sizeBytes) : new Uint8Array(sizeBytes);
    },
  };
  expect(() => [...readWal([source])]).toThrow(expect.objectContaining({ code: "WAL_RECORD_TOO_LONG", offset: 0 }));
  expect(largest).toBe(8);
});

test("WAL reader: a file that became shorter while it was read is torn", () => {
  const source = { ...bufferSegment("w", killed.subarray(0, 60)), sizeBytes: killed.length };
  expect(() => [...readWal([source])]).toThrow(expect.objectContaining({ code: "WAL_TORN" }));
});

test("WAL reader: a record that is no protobuf is corrupt, with the reason", () => {
  const bytes = Buffer.concat([segmentOf([]), encodeFrame(Uint8Array.of(0x0f, 1, 1))]);
  expect(reading(bytes).fault).toMatchObject({ code: "WAL_CORRUPT", offset: 16, cause: { code: "PROTO_INVALID" } });
});

test("WAL reader: records of any content are read back as written", () => {
  const record = fc.record({ type: fc.constantFrom(1, 2, 3, 5, 77), data: fc.uint8Array({ maxLength: 2000 }) });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 10 }), fc.nat(0xffff_ffff), (records, crcBefore) => {
      const bytes = segmentOf(records, crcBefore);
      expect(reading(bytes).records.slice(1)).toEqual(records.map(({ type, data }) => summary(type, data)));
    }),
    { seed: SEED, numRuns: runs(50, 2000) },
  );
});
