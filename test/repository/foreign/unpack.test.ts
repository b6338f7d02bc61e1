// Every way another tool packs a snapshot: what goes in comes out, and what is cut short or changed is said, never thrown as something else.
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { streamOf } from "../../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../../src/errors.ts";
import type { Packing } from "../../../src/repository/foreign/packing.ts";
import { UNPACKED_SIZE_BYTES_MAX, unpack, unpackHead } from "../../../src/repository/foreign/unpack.ts";
import { wrapped } from "../../../src/storage/wrapped.ts";
import { runs, SEED } from "../../support/counts.ts";
import { expectThrown } from "../../support/failures.ts";
import { encodeLzw } from "../../support/lzw.ts";
import { MemoryStorage } from "../../support/memory-storage.ts";
import { buildSnapshot } from "../../support/snapshots.ts";
import { zipOf } from "../../support/zip.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const SNAPSHOT = buildSnapshot();

const PACKED: Readonly<Record<Exclude<Packing, "none">, Uint8Array>> = {
  gzip: gzipSync(SNAPSHOT),
  zlib: deflateSync(SNAPSHOT),
  zstd: zstdCompressSync(SNAPSHOT),
  lzw: encodeLzw(SNAPSHOT),
  zip: zipOf({ name: "on-demand-node-1795248092", bytes: SNAPSHOT }),
};

async function unpacked(packing: Packing, bytes: Uint8Array, key = "v2/x"): Promise<Buffer> {
  const storage = new MemoryStorage();
  await storage.put(key, streamOf(bytes), { signal });
  const chunks: Buffer[] = [];
  for await (const chunk of unpack(storage, { key, storedSizeBytes: bytes.length, packing }, { signal })) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe.each(Object.entries(PACKED) as [Packing, Uint8Array][])("%s", (packing, packed) => {
  test("the snapshot comes out, and its head alone", async () => {
    expect((await unpacked(packing, packed)).equals(SNAPSHOT)).toBe(true);
    const storage = new MemoryStorage();
    await storage.put("x", streamOf(packed), { signal });
    const head = await unpackHead(storage, { key: "x", storedSizeBytes: packed.length, packing }, 100, { signal });
    expect(Buffer.from(head).equals(SNAPSHOT.subarray(0, 100))).toBe(true);
  });

  test("cut short anywhere, it is an error that names the object", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: packed.length - 1 }), async (length) => {
        const error = await unpacked(packing, packed.subarray(0, length)).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(EtcdsafeError);
        expect(error).toMatchObject({ code: expect.stringMatching(/^OBJECT_(TRUNCATED|CORRUPT)$/), message: expect.stringContaining("v2/x") });
      }),
      { numRuns: runs(50, 1000), seed: SEED },
    );
  });

  test("changed anywhere, it is unpacked to something or is an error of the table", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        await unpacked(packing, packed.with(at, packed[at]! ^ mask)).catch((error: unknown) => expect(error).toBeInstanceOf(EtcdsafeError));
      }),
      { numRuns: runs(150, 5000), seed: SEED },
    );
  });

  test("garbage is an error of the table", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (garbage) => {
        const bytes = Buffer.concat([packed.subarray(0, 4), garbage]);
        await unpacked(packing, bytes).catch((error: unknown) => expect(error).toBeInstanceOf(EtcdsafeError));
      }),
      { numRuns: runs(50, 1000), seed: SEED },
    );
  });
});

test("zip: not compressed, as well", async () => {
  expect((await unpacked("zip", zipOf({ name: "a", bytes: SNAPSHOT, stored: true }))).equals(SNAPSHOT)).toBe(true);
});

test("zip: names that no file system takes are no fault", async () => {
  expect((await unpacked("zip", zipOf({ name: "../../etc\\passwd\0", bytes: SNAPSHOT }))).equals(SNAPSHOT)).toBe(true);
});

test("zip: an archive of anything but one file, and one that lies about its size, is refused", async () => {
  const one = { name: "a", bytes: SNAPSHOT };
  await expectThrown(
    "OBJECT_CORRUPT",
    () => unpacked("zip", zipOf(one, { ...one, name: "b" })),
    /v2\/x is no zip archive of one snapshot: .*more than one file/,
  );
  await expectThrown("OBJECT_CORRUPT", () => unpacked("zip", zipOf()), /holds no file/);
  await expectThrown("OBJECT_CORRUPT", () => unpacked("zip", zipOf({ ...one, claimedSizeBytes: 1000 })), /more than the 1000 bytes/);
  await expectThrown("OBJECT_CORRUPT", () => unpacked("zip", zipOf({ ...one, claimedSizeBytes: 10 ** 9 })), /less than the 1000000000 bytes/);
});

test("zip: a directory that is said to be where nothing is, is not looked for there", async () => {
  const bytes = Buffer.from(PACKED.zip);
  bytes.writeUInt32LE(0xffff_fff0, bytes.length - 6);
  const inner = new MemoryStorage();
  await inner.put("x", streamOf(bytes), { signal });
  // As stores do: HTTP 416.
  const strict = wrapped(inner, {
    read: (key, options) => {
      if ((options.range?.start ?? 0) >= bytes.length) throw new EtcdsafeError("STORAGE_UNREACHABLE", "range not satisfiable");
      return inner.read(key, options);
    },
  });
  const drain = async () => {
    for await (const _ of unpack(strict, { key: "x", storedSizeBytes: bytes.length, packing: "zip" }, { signal }));
  };
  await expectThrown("OBJECT_CORRUPT", drain, /^x is no zip archive of one snapshot: bytes 4294967280 to \d+ are not in it$/);
});

test("zstd: a window of 128 MiB is given room, and a header that demands more is refused at once", async () => {
  const frame = (windowLog: number) => {
    // RFC 8878 §3.1.1: magic, no checksum and no size, the window; one block, the last, raw.
    const block = Buffer.alloc(3);
    block.writeUIntLE((SNAPSHOT.length << 3) | 1, 0, 3);
    return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3]), block, SNAPSHOT]);
  };
  expect((await unpacked("zstd", frame(27))).equals(SNAPSHOT)).toBe(true);
  for (const windowLog of [28, 31]) await expectThrown("OBJECT_CORRUPT", () => unpacked("zstd", frame(windowLog)), /v2\/x cannot be unpacked: .*memory/);
});

test("what unpacks to more than any snapshot has is given up", async () => {
  const chunk = new Uint8Array(256 * 1024 * 1024);
  let yieldedBytes = 0;
  const endless = wrapped(new MemoryStorage(), {
    read: async function* () {
      for (;;) {
        yieldedBytes += chunk.length;
        yield chunk;
      }
    },
  });
  const drain = async () => {
    for await (const _ of unpack(endless, { key: "bomb", storedSizeBytes: 1000, packing: "none" }, { signal }));
  };
  await expectThrown("OBJECT_CORRUPT", drain, /^bomb unpacks to more than \d+ bytes/);
  expect(yieldedBytes).toBe(UNPACKED_SIZE_BYTES_MAX + chunk.length);
});

test.each(["gzip", "zip", "lzw", "zstd"] as const)("%s: an error of the store passes as it is, and so does the end of the wait", async (packing) => {
  const inner = new MemoryStorage();
  const packed = PACKED[packing];
  await inner.put("x", streamOf(packed), { signal });
  const object = { key: "x", storedSizeBytes: packed.length, packing };
  const failing = wrapped(inner, {
    read: async function* (key, options) {
      yield* inner.read(key, { ...options, range: { start: options.range?.start ?? 0, end: (options.range?.start ?? 0) + 10 } });
      throw new EtcdsafeError("STORAGE_UNREACHABLE", "the wire is cut");
    },
  });
  const drain = async (storage: typeof inner | typeof failing, own: AbortSignal) => {
    for await (const _ of unpack(storage, object, { signal: own }));
  };
  await expectThrown("STORAGE_UNREACHABLE", () => drain(failing, signal), /the wire is cut/);
  const aborted = AbortSignal.abort(new EtcdsafeError("INTERRUPTED", "stopped"));
  await expectThrown("INTERRUPTED", () => drain(inner, aborted), /stopped/);
});
