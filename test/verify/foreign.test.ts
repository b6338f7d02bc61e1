// Verifying other tools' backups: whatever is wrong with one is a result, and only what keeps it from being read is an error.
import { tmpdir } from "node:os";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { EtcdsafeError } from "../../src/errors.ts";
import { type ForeignLocation, findForeign } from "../../src/repository/foreign/location.ts";
import { wrapped } from "../../src/storage/wrapped.ts";
import { verifyAllForeign, verifyForeign } from "../../src/verify/foreign.ts";
import type { VerifyOptions } from "../../src/verify/options.ts";
import { runs, SEED } from "../support/counts.ts";
import { expectThrown } from "../support/failures.ts";
import { encodeLzw } from "../support/lzw.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { zipOf } from "../support/zip.ts";

const { signal } = new AbortController(); // Each test has its time-out.
const SNAPSHOT = buildSnapshot({ compactRevision: 302 });
const PACKED = {
  "v2/Full-00000000-00000302-1795240001": SNAPSHOT,
  "v2/Full-00000000-00000302-1795240002.gz": gzipSync(SNAPSHOT),
  "v2/Full-00000000-00000302-1795240003.Z": encodeLzw(SNAPSHOT),
  "v2/Full-00000000-00000302-1795240004.zlib": deflateSync(SNAPSHOT),
  "v2/Full-00000000-00000302-1795240005": zipOf({ name: "a", bytes: SNAPSHOT }),
  "v2/Full-00000000-00000302-1795240006": zstdCompressSync(SNAPSHOT),
};

function options(level: VerifyOptions["level"] = "structure"): VerifyOptions {
  return { signal, runtime: testRuntime(), level, spoolDirectory: tmpdir(), stepPrefix: "" };
}

async function locationOf(objects: Readonly<Record<string, Uint8Array | string>>): Promise<ForeignLocation> {
  const storage = new MemoryStorage();
  for (const [key, bytes] of Object.entries(objects)) await storage.put(key, streamOf(Buffer.from(bytes)), { signal });
  return (await findForeign(storage, { signal }))!;
}

test.each(["hash", "structure"] as const)("level %s: every packing passes, newest first, with what is newer", async (level) => {
  const results = await verifyAllForeign(await locationOf({ ...PACKED, "v2/Incr-00000303-00000310-1795240007": "" }), options(level));
  expect(results.map(({ backup }) => `v2/${backup}`)).toEqual(Object.keys(PACKED).reverse());
  for (const result of results) {
    expect(result).toMatchObject({ outcome: "passed", findings: [], newerDeltas: { count: 1, lastRevision: "310" }, readSizeBytes: SNAPSHOT.length });
    if (level === "structure") expect(result).toMatchObject({ hashKv: { revision: "302", compactRevision: "302" } });
  }
});

test("whatever is changed or cut is a failure with its reason, or is no change of what it unpacks to", async () => {
  const change = fc.record({ key: fc.constantFrom(...Object.keys(PACKED)), at: fc.double({ min: 0, max: 0.999, noNaN: true }), mask: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(change, async ({ key, at, mask }) => {
      const packed = PACKED[key as keyof typeof PACKED];
      const index = Math.floor(at * packed.length);
      const location = await locationOf({ [key]: mask === 0 ? packed.subarray(0, index) : packed.with(index, packed[index]! ^ mask) });
      const result = await verifyForeign(location, location.backups[0]!, options("hash"));
      if (result.outcome === "failed")
        expect(result).toMatchObject({ failure: { code: expect.stringMatching(/^(OBJECT|SNAPSHOT)_/) }, findings: [{ severity: "error" }] });
      else expect(mask === 0 || key.endsWith("1") ? "changed" : "same").toBe("same");
    }),
    { numRuns: runs(400, 10_000), seed: SEED },
  );
});

test("level structure: a copied database passes with a warning, and one with a torn page fails", async () => {
  const image = buildSnapshot({ trailer: false });
  const torn = Buffer.from(image).fill(0xff, 4096 * 2, 4096 * 2 + 16);
  const location = await locationOf({ "copy-1795240001.db": image, "torn-1795240002.db.gz": gzipSync(torn) });
  expect(await verifyAllForeign(location, options())).toMatchObject([
    { backup: "torn-1795240002.db.gz", outcome: "failed", failure: { code: "SNAPSHOT_DAMAGED" } },
    { backup: "copy-1795240001.db", outcome: "passed", findings: [{ severity: "warning", text: expect.stringMatching(/^no SHA-256 at the end/) }] },
  ]);
});

test("what has no manifest cannot be compared with one; what cannot be read is neither good nor bad", async () => {
  const location = await locationOf(PACKED);
  await expectThrown("USAGE", () => verifyForeign(location, location.backups[0]!, options("stored-bytes")), /has no manifest/);
  await expectThrown("USAGE", () => verifyAllForeign(location, options("stored-bytes")), /has no manifest/);
  const storage = wrapped(location.storage, {
    read: (key, rest) => {
      if (key.endsWith(".gz")) throw new EtcdsafeError("STORAGE_UNREACHABLE", "the wire is cut");
      return location.storage.read(key, rest);
    },
  });
  const results = await verifyAllForeign({ ...location, storage }, options("hash"));
  expect(results.map(({ outcome }) => outcome)).toEqual(["passed", "passed", "passed", "passed", "not-verified", "passed"]);
  expect(results[4]).toMatchObject({ location: "memory:", failure: { code: "STORAGE_UNREACHABLE", message: "the wire is cut" } });
});
