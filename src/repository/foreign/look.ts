// The first look into what may be another tool's backup: its first bytes, and of one that is not packed the few pages that tell its revision.

import { collect } from "../../bytes/stream.ts";
import { hasTrailer } from "../../bytes/trailing-hash.ts";
import { ERRORS, EtcdsafeError, hasCode } from "../../errors.ts";
import { META_MAGIC, PAGE_HEADER_SIZE_BYTES } from "../../etcd-files/bbolt/constants.ts";
import type { SnapshotPeek } from "../../etcd-files/check/peek.ts";
import { peekFetched } from "../../etcd-files/check/peek-fetched.ts";
import { HEAD_SIZE_BYTES, notADatabase, snapshotKind } from "../../etcd-files/check/snapshot-kind.ts";
import type { CallOptions } from "../../runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { isSnapshotName } from "./names.ts";
import { type Packing, packingOf } from "./packing.ts";
import { type PackedObject, unpackHead } from "./unpack.ts";

/** What a listing tells of an object that may be a backup. */
export interface Candidate {
  /** The last part of its key. */
  readonly name: string;
  readonly key: string;
  readonly storedSizeBytes: number;
  /** By its name, or where that says nothing when the store got it. */
  readonly createdAt: Date;
  /** Where the name says how it is packed; else its first bytes do. */
  readonly packing: Packing | undefined;
  /** In the name of an etcdbrctl full: it holds that at least. */
  readonly namedRevision: bigint | undefined;
  /** Named as the last one of a cluster that was shut down. */
  readonly isFinal: boolean;
}

export interface ForeignBackup extends Candidate {
  readonly packing: Packing;
  /** Why it cannot be restored; undefined where nothing speaks against it yet. */
  readonly damage: string | undefined;
  /** What it holds, where it is not packed. */
  readonly revision: bigint | undefined;
  /** Where it is not packed, whether etcd's hash is at its end: without one nothing vouches for its bytes. */
  readonly hasHash: boolean | undefined;
}

const LOOKS_IN_FLIGHT = 8;
/** Of an object that is not packed: enough for most of the small buckets at once. */
const BLOCK_SIZE_BYTES = 64 * 1024;

/** Those that are backups, good or not, in their order; nothing is said of what neither looks like one nor is called so. Throws what keeps the store from being read. */
export async function lookAtAll(storage: Storage, candidates: readonly Candidate[], options: CallOptions): Promise<ForeignBackup[]> {
  const found: (ForeignBackup | undefined)[] = [];
  for (let at = 0; at < candidates.length; at += LOOKS_IN_FLIGHT)
    found.push(...(await Promise.all(candidates.slice(at, at + LOOKS_IN_FLIGHT).map((candidate) => lookAt(storage, candidate, options)))));
  return found.filter((backup) => backup !== undefined);
}

async function lookAt(storage: Storage, candidate: Candidate, options: CallOptions): Promise<ForeignBackup | undefined> {
  const { name, key, namedRevision } = candidate;
  let looksLikeOne = namedRevision !== undefined || isSnapshotName(name);
  let packing: Packing = candidate.packing ?? "none";
  try {
    const stored = await readHead(storage, key, options);
    if (packing === "none") packing = packingOf(stored);
    const object = { ...candidate, packing };
    const head = packing === "none" || stored.length === 0 ? stored : await unpackHead(storage, object, HEAD_SIZE_BYTES, options);
    if (isDatabase(head)) looksLikeOne = true;
    else {
      const kind = snapshotKind(head, head.length);
      if (kind.verdict !== "zeros") throw notADatabase(name, kind); // With a first page of zeros, the second meta page may be good.
    }
    const peek = packing === "none" ? await peekStored(storage, object, options) : undefined;
    return { ...object, damage: undefined, revision: peek?.revision, hasHash: packing === "none" ? hasTrailer(object.storedSizeBytes) : undefined };
  } catch (error) {
    if (isGone(error)) return undefined;
    if (!isDamage(error)) throw error;
    return looksLikeOne ? { ...candidate, packing, damage: error.message, revision: undefined, hasHash: undefined } : undefined;
  }
}

/** The facts of a snapshot that is stored as it is, by ranges; undefined where that would take too many. Throws as peekSnapshot. */
export function peekStored(
  storage: Storage,
  { name, key, storedSizeBytes }: Candidate & PackedObject,
  options: CallOptions,
): Promise<SnapshotPeek | undefined> {
  const fetch = (range: { readonly start: number; readonly end: number }) => readRange(storage, key, range, options);
  return peekFetched(name, { sizeBytes: storedSizeBytes, blockSizeBytes: BLOCK_SIZE_BYTES, fetch }, options);
}

/** Whether an error says that the object itself is bad, and not the way to it: exit code 6 stands for corrupt (src/errors.ts). */
export function isDamage(error: unknown): error is EtcdsafeError {
  return error instanceof EtcdsafeError && ERRORS[error.code].exit === 6;
}

/** Removed since it was listed. */
function isGone(error: unknown): boolean {
  return hasCode(error, "STORAGE_NOT_FOUND");
}

function isDatabase(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return head.length >= PAGE_HEADER_SIZE_BYTES + 4 && view.getUint32(PAGE_HEADER_SIZE_BYTES, true) === META_MAGIC;
}

function readHead(storage: Storage, key: string, options: CallOptions): Promise<Uint8Array> {
  return readRange(storage, key, { start: 0, end: HEAD_SIZE_BYTES }, options);
}

async function readRange(storage: Storage, key: string, range: { readonly start: number; readonly end: number }, options: CallOptions): Promise<Uint8Array> {
  const tooLong = () => new EtcdsafeError("STORAGE_UNREACHABLE", `${key}: the store gave more than the bytes ${range.start} to ${range.end}`);
  return collect(storage.read(key, { ...options, range }), range.end - range.start, tooLong);
}
