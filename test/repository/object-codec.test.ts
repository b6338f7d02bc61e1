// Stored objects, both ways: every length near a frame's edge, the real zstd, every kind of damage.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { provisionZstd } from "../../scripts/provision/zstd.ts";
import { collect, readerOf, streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { compressFrame, FRAME_RAW_SIZE_BYTES } from "../../src/repository/frame-codec.ts";
import { checkStoredBytes, decodeObject, openObject } from "../../src/repository/object-decoder.ts";
import { encodeObject, type ObjectFacts } from "../../src/repository/object-encoder.ts";
import { encodeSeekTable, type Frame } from "../../src/repository/seek-table.ts";
import { truncatingStorage } from "../faults/kit/lying-storages.ts";
import { runCommand } from "../support/command.ts";
import { runs, SEED } from "../support/counts.ts";
import { MemoryStorage } from "../support/memory-storage.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const KEY = "default/backups/x/snapshot.db.zst";
const FRAME = FRAME_RAW_SIZE_BYTES;
const EDGES = [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 12_345];

describe("object codec: round trip", () => {
  test.each(EDGES)("of %d bytes, also by the real zstd", async (sizeBytes) => {
    const raw = content(sizeBytes);
    const { facts, storage, stored } = await encoded(raw);
    expect(facts).toEqual({
      codec: ["zstd-seekable"],
      storedSizeBytes: stored.length,
      storedSha256: sha256(stored),
      rawSizeBytes: sizeBytes,
      rawSha256: sha256(raw),
      encryption: null,
    });
    expect(sha256(await all(decodeObject(storage, KEY, facts, { signal })))).toBe(facts.rawSha256);
    await checkStoredBytes(storage, KEY, facts, { signal });
    const zstd = await runCommand(await provisionZstd(), ["-d", "-c", "-q"], { stdin: stored });
    expect(zstd.stderr).toBe("");
    expect(sha256(zstd.stdoutBytes)).toBe(facts.rawSha256);
  });

  test("does not depend on how the bytes arrive", async () => {
    const raw = content(2 * FRAME + 77);
    const whole = await encoded(raw);
    const pieces = await encoded(raw, 65_521);
    expect(sha256(pieces.stored)).toBe(sha256(whole.stored));
    expect(pieces.facts).toEqual(whole.facts);
  });

  test("keeps what does not compress, and tells zstd each frame's size", async () => {
    const raw = noise(FRAME + 1000);
    const { facts, storage, stored } = await encoded(raw);
    expect(sha256(await all(decodeObject(storage, KEY, facts, { signal })))).toBe(sha256(raw));
    // RFC 8878 §3.1.1.1.1: Frame_Content_Size_flag of 2 (a field of 4 bytes) and Content_Checksum_flag.
    expect(stored[4]! & 0b1100_0100).toBe(0b1000_0100);
    expect(Buffer.from(stored).readUInt32LE(stored[4]! & 0b0010_0000 ? 5 : 6)).toBe(FRAME);
  });

  test("any range can be read by itself", async () => {
    const raw = content(3 * FRAME + 12_345);
    const { facts, storage } = await encoded(raw);
    const reader = await openObject(storage, KEY, facts, { signal });
    const edges = [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, raw.length - 1, raw.length];
    for (const start of edges) {
      for (const end of edges.filter((end) => end >= start)) {
        expect(sha256(await reader.readRaw({ start, end }, { signal }))).toBe(sha256(raw.subarray(start, end)));
      }
    }
    await expect(reader.readRaw({ start: 0, end: raw.length + 1 }, { signal })).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("reads from an object of 22 GiB, whose seek table is longer than what is read of the end at once", async () => {
    const { frame, stored } = await compressFrame(new Uint8Array(FRAME));
    const last = await compressFrame(content(1_000));
    const frames = [...Array.from({ length: 5_600 }, () => frame), last.frame];
    const object = Buffer.concat([...Array.from({ length: 5_600 }, () => stored), last.stored, encodeSeekTable(frames)]);
    const rawSizeBytes = 5_600 * FRAME + 1_000;
    const facts = { codec: ["zstd-seekable"], storedSizeBytes: object.length, storedSha256: "", rawSizeBytes, rawSha256: "", encryption: null };
    const reader = await openObject(await holding(object), KEY, facts, { signal });
    const end = await reader.readRaw({ start: rawSizeBytes - 1_100, end: rawSizeBytes }, { signal });
    expect(end).toEqual(Buffer.concat([new Uint8Array(100), content(1_000)]));
  });

  test("takes the memory of each piece back when the next is asked for", async () => {
    const raw = noise(3 * FRAME);
    const { facts, storage } = await encoded(raw);
    const streams = [encodeObject(readerOf(streamOf(raw)), { signal }).stored, decodeObject(storage, KEY, facts, { signal })];
    for (const stream of streams) {
      const pieces: Uint8Array[] = [];
      for await (const piece of stream) {
        expect(piece.length).toBeGreaterThan(0);
        pieces.push(piece);
        expect(pieces.slice(0, -1).map(({ length }) => length)).toEqual(Array(pieces.length - 1).fill(0));
      }
      expect(pieces.length).toBeGreaterThanOrEqual(3);
    }
  });

  test("has no facts before it was read to its end", () => {
    expect(() => encodeObject(readerOf(streamOf()), { signal }).facts()).toThrow(expect.objectContaining({ code: "OBJECT_TRUNCATED" }));
  });

  test("passes on the error of its source, and stops when aborted", async () => {
    const broken = async function* () {
      yield content(FRAME + 1);
      throw new EtcdsafeError("ETCD_STREAM_CUT", "cut");
    };
    await expect(all(encodeObject(readerOf(broken()), { signal }).stored)).rejects.toMatchObject({ code: "ETCD_STREAM_CUT" });
    const controller = new AbortController();
    const endless = async function* () {
      for (;;) {
        yield content(FRAME);
        controller.abort(new Error("enough"));
      }
    };
    await expect(all(encodeObject(readerOf(endless()), { signal: controller.signal }).stored)).rejects.toThrow("enough");
    const { facts, storage } = await encoded(content(5 * FRAME));
    const reading = new AbortController();
    const read = async () => {
      for await (const _ of decodeObject(storage, KEY, facts, { signal: reading.signal })) reading.abort(new Error("enough"));
    };
    await expect(read()).rejects.toThrow("enough");
  });
});

describe("object codec: damage", () => {
  const raw = content(2 * FRAME + 1_000);
  const intact = encoded(raw);

  test("any changed byte is found, in a complete reading, in the stored bytes, and where a range is read", { timeout: runs(60_000, 1_800_000) }, async () => {
    const { stored, facts } = await intact;
    const tableStart = stored.length - (8 + 3 * 12 + 9);
    const frames = await frameStarts(stored, tableStart);
    // The headers, every byte of the seek table, the checksums and ends, and places in between.
    const interesting = fc.oneof(
      fc.constantFrom(...frames.flatMap((start) => Array.from({ length: 20 }, (_, index) => start + index))),
      fc.constantFrom(...frames.slice(1).flatMap((start) => [start - 1, start - 2, start - 4, start - 5])),
      fc.integer({ min: tableStart, max: stored.length - 1 }),
      fc.nat(stored.length - 1),
    );
    await fc.assert(
      fc.asyncProperty(interesting, fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const storage = await holding(stored.with(at, stored[at]! ^ mask));
        await expect(all(decodeObject(storage, KEY, facts, { signal }))).rejects.toMatchObject({ code: expect.stringMatching(/^OBJECT_(CORRUPT|TRUNCATED)$/) });
        await expect(checkStoredBytes(storage, KEY, facts, { signal })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
        // A range says nothing of other frames; its own bytes are right or refused.
        const range = { start: FRAME - 100, end: FRAME + 100 };
        const part = await openObject(storage, KEY, facts, { signal })
          .then((reader) => reader.readRaw(range, { signal }))
          .catch(codeOf);
        if (typeof part === "string") expect(part).toMatch(/^OBJECT_(CORRUPT|TRUNCATED)$/);
        else expect(sha256(part)).toBe(sha256(raw.subarray(range.start, range.end)));
      }),
      { seed: SEED, numRuns: runs(40, 3_000) },
    );
  });

  test("every byte of the seek table counts", async () => {
    const { stored, facts } = await intact;
    for (let at = stored.length - (8 + 3 * 12 + 9); at < stored.length; at++) {
      const storage = await holding(stored.with(at, stored[at]! ^ (1 << (at % 8))));
      await expect(all(decodeObject(storage, KEY, facts, { signal })), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^OBJECT_(CORRUPT|TRUNCATED)$/),
      });
    }
  });

  test("an object cut anywhere is truncated, also between two frames, where zstd says nothing", async () => {
    const { stored, facts } = await intact;
    const frames = await frameStarts(stored, stored.length - (8 + 3 * 12 + 9));
    for (const size of [0, 1, 8, frames[1]!, frames[2]!, frames[2]! + 1, stored.length - 46, stored.length - 45, stored.length - 9, stored.length - 1]) {
      const storage = await holding(stored.subarray(0, size));
      for (const reading of [all(decodeObject(storage, KEY, facts, { signal })), checkStoredBytes(storage, KEY, facts, { signal })]) {
        await expect(reading, `cut to ${size}`).rejects.toMatchObject({ code: "OBJECT_TRUNCATED", message: expect.stringContaining(KEY) });
      }
    }
    const silent = await runCommand(await provisionZstd(), ["-d", "-c", "-q"], { stdin: stored.subarray(0, frames[1]) });
    expect(silent).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test("a manifest that expects less or more than is there is not believed either", async () => {
    const { stored, facts } = await intact;
    const expectations: [Partial<ObjectFacts>, string][] = [
      [{ rawSizeBytes: facts.rawSizeBytes - 1 }, "OBJECT_CORRUPT"],
      [{ rawSizeBytes: facts.rawSizeBytes + 1 }, "OBJECT_CORRUPT"],
      [{ rawSizeBytes: 0 }, "OBJECT_CORRUPT"],
      [{ rawSizeBytes: 3 * FRAME }, "OBJECT_CORRUPT"],
      [{ storedSizeBytes: facts.storedSizeBytes - 1 }, "OBJECT_CORRUPT"],
      [{ storedSizeBytes: facts.storedSizeBytes + 1 }, "OBJECT_TRUNCATED"],
      [{ storedSha256: "0".repeat(64) }, "OBJECT_CORRUPT"],
      [{ rawSha256: "0".repeat(64) }, "OBJECT_CORRUPT"],
      [{ codec: ["zstd-seekable", "age"] }, "DECRYPTION_KEY_MISSING"],
      [{ codec: ["zstd-seekable", "age", "age"] }, "REPOSITORY_UNSUPPORTED"],
      [{ codec: ["lz4"] }, "REPOSITORY_UNSUPPORTED"],
    ];
    const storage = await holding(stored);
    for (const [change, code] of expectations)
      await expect(all(decodeObject(storage, KEY, { ...facts, ...change }, { signal })), JSON.stringify(change)).rejects.toMatchObject({ code });
  });

  test("an object whose parts do not fit is refused when it is opened, or where the part is read alone", async () => {
    const [first, second] = [await compressFrame(content(FRAME)), await compressFrame(noise(1_000))];
    const other = await compressFrame(content(1_000));
    const open = async (frames: Frame[], stored: Uint8Array[], rawSizeBytes = FRAME + 1_000) => {
      const object = Buffer.concat([...stored, encodeSeekTable(frames)]);
      const facts = { codec: ["zstd-seekable"], storedSizeBytes: object.length, storedSha256: "", rawSizeBytes, rawSha256: "", encryption: null };
      return openObject(await holding(object), KEY, facts, { signal });
    };
    const range = { start: FRAME, end: FRAME + 1_000 };
    const fits = await open([first.frame, second.frame], [first.stored, second.stored]);
    expect(await fits.readRaw(range, { signal })).toEqual(Buffer.from(noise(1_000)));
    const atOpening: Parameters<typeof open>[] = [
      [
        [first.frame, { ...second.frame, storedSizeBytes: second.stored.length - 1 }],
        [first.stored, second.stored],
      ],
      [
        [first.frame, { ...second.frame, storedSizeBytes: second.stored.length + 1 }],
        [first.stored, second.stored],
      ],
      [[first.frame], [first.stored]],
      [[first.frame, second.frame], [first.stored, second.stored], FRAME + 1_001],
      [[first.frame, second.frame], [first.stored, second.stored], FRAME],
      [
        [second.frame, first.frame],
        [second.stored, first.stored],
      ],
      [
        [
          { ...first.frame, storedSizeBytes: 0 },
          { ...second.frame, storedSizeBytes: first.stored.length + second.stored.length },
        ],
        [first.stored, second.stored],
      ],
    ];
    for (const parts of atOpening) await expect(open(...parts)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    const atReading: Parameters<typeof open>[] = [
      // Another good frame in its place.
      [
        [first.frame, { ...other.frame, checksum: second.frame.checksum }],
        [first.stored, other.stored],
      ],
      // Fewer and more bytes than the table says.
      [[first.frame, { ...second.frame, rawSizeBytes: 1_001 }], [first.stored, second.stored], FRAME + 1_001],
      [[first.frame, { ...second.frame, rawSizeBytes: 999 }], [first.stored, second.stored], FRAME + 999],
      // Two frames where the table says one.
      [
        [first.frame, { ...other.frame, storedSizeBytes: 2 * other.stored.length, rawSizeBytes: 1_000 }],
        [first.stored, other.stored, other.stored],
      ],
    ];
    for (const parts of atReading) {
      const reader = await open(...parts);
      await expect(reader.readRaw({ start: FRAME, end: reader.rawSizeBytes }, { signal })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    }
  });

  test("a missing object is said to be missing", async () => {
    const { facts } = await intact;
    await expect(all(decodeObject(new MemoryStorage(), KEY, facts, { signal }))).rejects.toMatchObject({ code: "STORAGE_NOT_FOUND" });
  });

  test("anything else in its place is refused without much memory", { timeout: runs(60_000, 1_800_000) }, async () => {
    const { facts } = await intact;
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, withFooter) => {
        const footer = Buffer.from([...bytes.subarray(0, 4), 0x80, 0xb1, 0xea, 0x92, 0x8f]);
        const storage = await holding(withFooter ? Buffer.concat([bytes, footer]) : bytes);
        const { sizeBytes } = (await storage.stat(KEY, { signal }))!;
        const reading = all(decodeObject(storage, KEY, { ...facts, storedSizeBytes: sizeBytes }, { signal }));
        await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/^OBJECT_(CORRUPT|TRUNCATED)$/) });
      }),
      { seed: SEED, numRuns: runs(200, 20_000) },
    );
  });

  test("a store that ends a read early without an error is found out", async () => {
    const { stored, facts } = await intact;
    const [, second] = await frameStarts(stored, stored.length - (8 + 3 * 12 + 9));
    for (const sizeBytes of [0, 10, second!, second! + 1]) {
      const storage = truncatingStorage(await holding(stored), sizeBytes, { operations: ["read"], from: 2 });
      await expect(all(decodeObject(storage, KEY, facts, { signal }))).rejects.toMatchObject({ code: "OBJECT_TRUNCATED" });
    }
    const storage = truncatingStorage(await holding(stored), 10, { operations: ["read"] });
    await expect(all(decodeObject(storage, KEY, facts, { signal }))).rejects.toMatchObject({ code: "OBJECT_TRUNCATED" });
    await expect(checkStoredBytes(storage, KEY, facts, { signal })).rejects.toMatchObject({ code: "OBJECT_TRUNCATED" });
  });
});

async function encoded(raw: Uint8Array, chunkSizeBytes = raw.length || 1) {
  const chunks = async function* () {
    for (let at = 0; at < raw.length; at += chunkSizeBytes) yield raw.slice(at, at + chunkSizeBytes);
  };
  return encodedFrom(chunks());
}

async function encodedFrom(raw: AsyncIterable<Uint8Array>) {
  const storage = new MemoryStorage();
  const { stored, facts } = encodeObject(readerOf(raw), { signal });
  await storage.put(KEY, stored, { signal });
  return { storage, facts: facts(), stored: storage.bytesOf(KEY)! };
}

async function holding(stored: Uint8Array): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await storage.put(KEY, streamOf(stored), { signal });
  return storage;
}

async function frameStarts(stored: Uint8Array, tableStart: number): Promise<number[]> {
  const table = Buffer.from(stored.buffer, stored.byteOffset + tableStart, stored.length - tableStart);
  const starts = [0];
  for (let frame = 0; frame < table.readUInt32LE(table.length - 9); frame++) starts.push(starts.at(-1)! + table.readUInt32LE(8 + frame * 12));
  return starts;
}

function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return collect(stream, 1 << 30, () => new Error("too long"));
}

function codeOf(error: unknown): string {
  return error instanceof EtcdsafeError ? error.code : String(error);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that compress about as well as a keyspace does, and differ from place to place. */
function content(sizeBytes: number): Uint8Array {
  const bytes = noise(sizeBytes);
  for (let at = 0; at < sizeBytes; at++) if (at % 64 > 20) bytes[at] = 97 + ((at >> 6) % 26);
  return bytes;
}

function noise(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = 0x12345678;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
