import fc from "fast-check";
import { expect, test } from "vitest";
import { type ComposedPart, plannedParts, type Stored } from "../../src/storage/s3-composed.ts";
import { PART_SIZE_BYTES_MIN } from "../../src/storage/s3-multipart.ts";
import { runs, SEED } from "../support/counts.ts";

const MIB = 1024 * 1024;
const stored = (start: number, end: number): Stored => ({ key: "k", version: "v", start, end });

test("s3 composed puts: bytes before a stored range are joined with as much of it as a part must have, and no more", () => {
  const head = new Uint8Array(200);
  expect(plannedParts([head, stored(0, 100 * MIB)])).toEqual([
    { kind: "joined", pieces: [head, stored(0, PART_SIZE_BYTES_MIN - 200)] },
    { kind: "copied", ...stored(PART_SIZE_BYTES_MIN - 200, 100 * MIB) },
  ]);
  expect(plannedParts([head, stored(7, 9)])).toEqual([{ kind: "joined", pieces: [head, stored(7, 9)] }]);
  expect(plannedParts([stored(0, 3)])).toEqual([{ kind: "copied", ...stored(0, 3) }]);
  expect(plannedParts([])).toEqual([]);
});

test("s3 composed puts: any pieces become parts that S3 takes, of the same bytes in the same order", () => {
  const size = fc.oneof(fc.nat(100), fc.integer({ min: PART_SIZE_BYTES_MIN - 2, max: PART_SIZE_BYTES_MIN + 2 }), fc.nat(3 * 1024 * MIB));
  const piece = fc.oneof(
    fc.nat(1_000).map((sizeBytes) => new Uint8Array(sizeBytes)),
    fc.tuple(fc.nat(1_000), size).map(([start, sizeBytes]) => stored(start, start + sizeBytes)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const parts = plannedParts(pieces);
      for (const part of parts.slice(0, -1)) expect(sizeOf(part)).toBeGreaterThanOrEqual(PART_SIZE_BYTES_MIN);
      for (const part of parts) expect(sizeOf(part)).toBeLessThanOrEqual(5 * 1024 * MIB);
      expect(joined(parts.flatMap((part) => (part.kind === "joined" ? part.pieces : [part])))).toEqual(joined(pieces));
    }),
    { seed: SEED, numRuns: runs(200, 5_000) },
  );
});

/** The same for the same bytes, however they are cut: neighbouring ranges as one. */
function joined(pieces: readonly (Uint8Array | Stored)[]): unknown[] {
  const found: { bytes?: Uint8Array; start?: number; end?: number }[] = [];
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      if (piece.length > 0) found.push({ bytes: piece });
      continue;
    }
    const last = found.at(-1);
    if (piece.end === piece.start) continue;
    if (last?.end === piece.start) last.end = piece.end;
    else found.push({ start: piece.start, end: piece.end });
  }
  return found;
}

function sizeOf(part: ComposedPart): number {
  if (part.kind === "copied") return part.end - part.start;
  return part.pieces.reduce((sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : piece.end - piece.start), 0);
}
