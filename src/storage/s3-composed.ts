// New objects out of stored ones, by the store's own copies. Its parts must have 5 MiB or more, all but the last: what is shorter is joined with what
// follows it, as far as it must be, through this process.

import { type ByteStream, collect } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { ComposedPuts, Piece } from "./capabilities.ts";
import { putInfo } from "./s3-commit.ts";
import { MultipartUpload, PART_SIZE_BYTES_MIN } from "./s3-multipart.ts";
import { headObject, type S3Place } from "./s3-objects.ts";
import { newCommit } from "./s3-put.ts";
import { readObject } from "./s3-read.ts";
import type { ObjectInfo, PutOptions } from "./storage.ts";

/** S3 takes up to 5 GiB; shorter copies end sooner, and one that breaks is done again. */
const COPIED_SIZE_BYTES_MAX = 1024 * 1024 * 1024;

export interface Stored {
  readonly key: string;
  readonly version: string;
  readonly start: number;
  readonly end: number;
}

/** A part of an upload: bytes, or runs of bytes and stored ranges to be joined by this process; or a range that the store copies. */
export type ComposedPart = { readonly kind: "joined"; readonly pieces: readonly (Uint8Array | Stored)[] } | ({ readonly kind: "copied" } & Stored);

/** Where nothing can be copied, `putAll` takes the whole as a stream. */
export function s3Composed(place: S3Place, putAll: (key: string, body: ByteStream, options: PutOptions) => Promise<ObjectInfo>): ComposedPuts {
  return {
    put: async (key, pieces, options) => {
      const found = await lookedUp(place, pieces, options);
      const parts = plannedParts(found);
      if (!parts.some(({ kind }) => kind === "copied")) return await putAll(key, streamed(place, found, options), options);
      const commit = newCommit(place, key, options);
      const upload = await MultipartUpload.begin(place, commit, options);
      try {
        for (const [index, part] of parts.entries()) {
          if (part.kind === "copied") await upload.copy(index + 1, part, options);
          else await upload.add(index + 1, await joined(place, part.pieces, options), options);
        }
        return await putInfo(place, commit, await upload.complete(options), options);
      } catch (error) {
        await upload.abort();
        throw error;
      }
    },
  };
}

/** Parts in order: as little as possible is joined here. */
export function plannedParts(pieces: readonly (Uint8Array | Stored)[]): ComposedPart[] {
  const parts: ComposedPart[] = [];
  let pending: (Uint8Array | Stored)[] = [];
  let pendingBytes = 0;
  const flush = () => {
    if (pendingBytes > 0) parts.push({ kind: "joined", pieces: pending });
    pending = [];
    pendingBytes = 0;
  };
  const join = (piece: Uint8Array | Stored) => {
    pending.push(piece);
    pendingBytes += sizeOf(piece);
    if (pendingBytes >= PART_SIZE_BYTES_MIN) flush();
  };
  for (const [index, piece] of pieces.entries()) {
    const isLast = index === pieces.length - 1;
    if (piece instanceof Uint8Array) {
      if (piece.length > 0) join(piece);
      continue;
    }
    const filledTo = pendingBytes === 0 ? piece.start : Math.min(piece.end, piece.start + PART_SIZE_BYTES_MIN - pendingBytes);
    if (filledTo > piece.start) join({ ...piece, end: filledTo });
    for (let start = filledTo; start < piece.end; ) {
      const leftBytes = piece.end - start;
      if (leftBytes < PART_SIZE_BYTES_MIN && !isLast) {
        join({ ...piece, start });
        break;
      }
      // What would be left over must not be shorter than a part.
      const end = leftBytes <= COPIED_SIZE_BYTES_MAX + PART_SIZE_BYTES_MIN ? piece.end : start + COPIED_SIZE_BYTES_MAX;
      parts.push({ kind: "copied", ...piece, start, end });
      start = end;
    }
  }
  flush();
  return parts;
}

/** Stored ranges with the version that they are read from; rejects where one is not there. */
async function lookedUp(place: S3Place, pieces: readonly Piece[], options: CallOptions): Promise<(Uint8Array | Stored)[]> {
  const known = new Map<string, ObjectInfo>();
  const found: (Uint8Array | Stored)[] = [];
  for (const piece of pieces) {
    if ("bytes" in piece) {
      found.push(piece.bytes);
      continue;
    }
    const { key, start, end } = piece;
    const info = known.get(key) ?? (await headObject(place, key, options))?.info;
    if (info === undefined) throw new EtcdsafeError("STORAGE_NOT_FOUND", `there is no ${key} in ${place.location}`);
    known.set(key, info);
    found.push({ key, version: info.version, start, end: Math.max(start, Math.min(end, info.sizeBytes)) });
  }
  return found;
}

async function joined(place: S3Place, pieces: readonly (Uint8Array | Stored)[], options: CallOptions): Promise<Uint8Array> {
  const sizeBytes = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  const bytes = await collect(
    streamed(place, pieces, options),
    sizeBytes,
    () => new EtcdsafeError("OBJECT_CORRUPT", `${place.location} sent more than was asked for`),
  );
  if (bytes.length === sizeBytes) return bytes;
  throw new EtcdsafeError("OBJECT_TRUNCATED", `${place.location} sent ${sizeBytes - bytes.length} bytes less than was asked for`);
}

async function* streamed(place: S3Place, pieces: readonly (Uint8Array | Stored)[], { signal }: CallOptions): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece;
    else yield* readObject(place, { key: piece.key, versionId: undefined }, { signal, range: { start: piece.start, end: piece.end } });
  }
}

function sizeOf(piece: Uint8Array | Stored): number {
  return piece instanceof Uint8Array ? piece.length : piece.end - piece.start;
}
