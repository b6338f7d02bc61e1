// Reads one stored object of a backup back, as deep as the level says, and compares it with what the manifest says of it.
import { openSpool } from "../bytes/spool.ts";
import { streamOf } from "../bytes/stream.ts";
import { TrailingHash } from "../bytes/trailing-hash.ts";
import { FormatError } from "../errors.ts";
import { FRAME_RAW_SIZE_BYTES } from "../repository/frame-codec.ts";
import type { Manifest, StoredObject } from "../repository/manifest.ts";
import { backupObjectKey } from "../repository/names.ts";
import { checkStoredBytes, type ObjectReader, openObject } from "../repository/object-decoder.ts";
import type { Storage } from "../storage/storage.ts";
import type { Examination } from "./examination.ts";
import { hashesToCompute, manifestDifferences } from "./manifest-facts.ts";
import { observeReading, type Reading } from "./observed-reading.ts";
import { NO_SPOOL_ROOM, type VerifyOptions } from "./options.ts";
import { examineSnapshot } from "./snapshot-check.ts";

/** The name that findings about a backup's manifest go by. */
export const MANIFEST_OBJECT = "manifest.json";

export interface ObjectOfBackup {
  readonly manifest: Manifest;
  readonly object: StoredObject;
}

/** Damage goes into `examination`. Throws what keeps the object from being read: an unreachable store, a codec that is too new. */
export async function examineObject(storage: Storage, { manifest, object }: ObjectOfBackup, examination: Examination, options: VerifyOptions): Promise<void> {
  const key = backupObjectKey(manifest.cluster, manifest.id, object.name);
  const reading = observeReading(storage, object.storedSizeBytes, examination, options);
  try {
    if (options.level === "stored-bytes") await checkStoredBytes(reading.storage, key, object, options);
    else {
      const reader = await openObject(reading.storage, key, object, options);
      const opened = { manifest, object, reader, reading };
      if (object.role === "bundle") await examineBundle(opened, examination, options);
      else if (options.level === "hash") await examineHash(opened, examination, options);
      else await examineStructure(opened, examination, options);
    }
  } catch (error) {
    examination.failWith(error, object.name);
  } finally {
    reading.end();
  }
}

interface OpenedObject extends ObjectOfBackup {
  readonly reader: ObjectReader;
  readonly reading: Reading;
}

async function examineHash(opened: OpenedObject, examination: Examination, options: VerifyOptions): Promise<void> {
  const { manifest, object } = opened;
  const hash = new TrailingHash();
  if (!(await readThrough(opened, async (chunk) => hash.update(chunk), examination, options))) return;
  const { dataSha256, trailer, rawSha256 } = hash.finish();
  if (!manifest.snapshot.trailer) {
    compareDataSha256(manifest, rawSha256, examination);
    return;
  }
  if (trailer !== dataSha256) {
    examination.fail("SNAPSHOT_HASH_MISMATCH", object.name, `${object.name}: the SHA-256 at its end is ${trailer}, but its bytes give ${dataSha256}`);
  }
  compareDataSha256(manifest, dataSha256, examination);
}

async function examineStructure(opened: OpenedObject, examination: Examination, options: VerifyOptions): Promise<void> {
  const { manifest, object } = opened;
  const spool = await openSpool(options.spoolDirectory, object.rawSizeBytes, { isExact: true, hint: NO_SPOOL_ROOM });
  try {
    if (!(await readThrough(opened, (chunk) => spool.append([chunk]), examination, options))) return;
    const check = await examineSnapshot({ path: spool.path, name: object.name }, hashesToCompute(manifest), examination, options);
    if (check === undefined) return;
    if (manifest.snapshot.trailer && check.sha256 === "absent") {
      examination.fail("SNAPSHOT_HASH_MISSING", object.name, `${object.name}: it has no SHA-256 at its end, though its manifest says so`);
    }
    compareDataSha256(manifest, check.computedSha256, examination);
    if (check.report.facts === undefined) return;
    for (const text of manifestDifferences(manifest, check.report.facts)) examination.fail("MANIFEST_INVALID", MANIFEST_OBJECT, text);
  } finally {
    await spool.close();
  }
}

/** At the level structure, what is in its tar too: as a restore demands it before it unpacks anything. */
async function examineBundle(opened: OpenedObject, examination: Examination, options: VerifyOptions): Promise<void> {
  const { manifest, object } = opened;
  const chunks: Uint8Array[] = [];
  const { TAR_SIZE_BYTES_MAX } = await import("../bundle/limits.ts");
  const isKept = options.level === "structure" && object.rawSizeBytes <= TAR_SIZE_BYTES_MAX;
  const sink = async (chunk: Uint8Array) => {
    if (isKept) chunks.push(Buffer.from(chunk));
  };
  if (!(await readThrough(opened, sink, examination, options)) || options.level !== "structure") return;
  if (!isKept) {
    examination.fail("BUNDLE_INVALID", object.name, `${object.name} is longer than the ${TAR_SIZE_BYTES_MAX} bytes that a bundle may have`);
    return;
  }
  const [{ readBundle }, { bundleDifferences }] = await Promise.all([import("../bundle/read.ts"), import("../bundle/holds.ts")]);
  const bundle = await readBundle(object.name, streamOf(...chunks));
  for (const text of bundleDifferences(manifest, bundle)) examination.fail("MANIFEST_INVALID", MANIFEST_OBJECT, text);
}

/**
 * Passes all raw bytes on. Whether all came: also where one of the SHA-256 differs, which is only known at the end, so that what follows can
 * tell more.
 */
async function readThrough(
  { reader, reading, object: { name } }: OpenedObject,
  sink: (chunk: Uint8Array) => Promise<void>,
  examination: Examination,
  options: VerifyOptions,
): Promise<boolean> {
  let sizeBytes = 0;
  try {
    for await (const chunk of reader.stream(options)) {
      await sink(chunk);
      sizeBytes += chunk.length;
    }
  } catch (error) {
    examination.failWith(error, name);
    if (error instanceof FormatError) await examineOtherFrames(reader, error, name, examination, options);
  }
  reading.end();
  return sizeBytes === reader.rawSizeBytes;
}

/** The stream ended at the first bad frame. Which others are bad is found by reading each of them alone. */
async function examineOtherFrames(reader: ObjectReader, first: FormatError, name: string, examination: Examination, options: VerifyOptions): Promise<void> {
  for (let start = 0; start < reader.rawSizeBytes; start += FRAME_RAW_SIZE_BYTES) {
    try {
      await reader.readRaw({ start, end: Math.min(start + FRAME_RAW_SIZE_BYTES, reader.rawSizeBytes) }, options);
    } catch (error) {
      if (!(error instanceof FormatError) || error.offset !== first.offset) examination.failWith(error, name);
    }
  }
}

function compareDataSha256({ snapshot }: Manifest, dataSha256: string, examination: Examination): void {
  if (snapshot.dataSha256 === dataSha256) return;
  examination.fail("MANIFEST_INVALID", MANIFEST_OBJECT, `the manifest's snapshot.dataSha256 is ${snapshot.dataSha256}, the snapshot's ${dataSha256}`);
}
