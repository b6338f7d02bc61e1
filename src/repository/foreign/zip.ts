// A zip archive of one file, as k3s and RKE2 make with --etcd-snapshot-compress. yauzl reads its directory by ranges; the file's bytes are streamed from
// the store and unpacked here.
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader } from "yauzl";
import { collect } from "../../bytes/stream.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { CallOptions } from "../../runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { inflate } from "./transform.ts";

/** APPNOTE.TXT §4.4.5. */
const STORED = 0;
const DEFLATED = 8;
/** Of the directory at once: 64 KiB of comment and its record, and a name of 64 KiB. */
const READ_SIZE_BYTES_MAX = 1024 * 1024;

/** Throws OBJECT_CORRUPT for what is no whole archive of exactly one file, OBJECT_TRUNCATED as inflate does, and what reading throws. */
export async function* readZip(
  storage: Storage,
  { key, sizeBytes }: { readonly key: string; readonly sizeBytes: number },
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  const { start, entry } = await onlyEntry(storage, key, sizeBytes, options);
  const packed = storage.read(key, { ...options, range: { start, end: start + entry.compressedSize } });
  let unpackedBytes = 0;
  for await (const chunk of entry.compressionMethod === STORED ? packed : inflate(key, "deflate", packed)) {
    unpackedBytes += chunk.length;
    if (unpackedBytes > entry.uncompressedSize) break;
    yield chunk;
  }
  if (unpackedBytes === entry.uncompressedSize) return;
  throw corrupt(
    key,
    `its file has ${unpackedBytes > entry.uncompressedSize ? "more" : "less"} than the ${entry.uncompressedSize} bytes that its directory names`,
  );
}

async function onlyEntry(storage: Storage, key: string, sizeBytes: number, options: CallOptions): Promise<{ readonly start: number; readonly entry: Entry }> {
  try {
    return await firstEntry(new RangeReader(storage, key, sizeBytes, options), key, sizeBytes);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof EtcdsafeError) throw error;
    throw corrupt(key, (error as Error).message, error);
  }
}

async function firstEntry(reader: RangeReader, key: string, sizeBytes: number): Promise<{ readonly start: number; readonly entry: Entry }> {
  // Names are not used, and so not decoded either: an odd one is no fault.
  const zip = await fromRandomAccessReaderPromise(reader, sizeBytes, { autoClose: false, decodeStrings: false });
  const entries: Entry[] = [];
  for await (const entry of zip.eachEntry()) if (entries.push(entry) > 1) break;
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) throw corrupt(key, `it holds ${entry === undefined ? "no file" : "more than one file"}`);
  if (entry.isEncrypted()) throw corrupt(key, "its file is encrypted");
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) throw corrupt(key, `unknown method ${entry.compressionMethod}`);
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  return { start: fileDataStart, entry };
}

function corrupt(key: string, why: string, cause?: unknown): EtcdsafeError {
  return new EtcdsafeError("OBJECT_CORRUPT", `${key} is no zip archive of one snapshot: ${why}`, { cause });
}

class RangeReader extends RandomAccessReader {
  readonly #storage: Storage;
  readonly #key: string;
  readonly #sizeBytes: number;
  readonly #options: CallOptions;

  constructor(storage: Storage, key: string, sizeBytes: number, options: CallOptions) {
    super();
    this.#storage = storage;
    this.#key = key;
    this.#sizeBytes = sizeBytes;
    this.#options = options;
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    this.#read(length, position).then(
      (bytes) => {
        buffer.set(bytes, offset);
        callback(null);
      },
      (error: Error) => callback(error),
    );
  }

  override _readStreamForRange(): never {
    throw new EtcdsafeError("INTERNAL", "a zip archive's file is not read through yauzl");
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  async #read(length: number, position: number): Promise<Uint8Array> {
    const tooLong = () => new Error(`its directory has a record of ${length} bytes`);
    if (length > READ_SIZE_BYTES_MAX) throw tooLong();
    if (length === 0) return new Uint8Array(0);
    if (!(position >= 0 && position + length <= this.#sizeBytes)) throw new Error(`bytes ${position} to ${position + length} are not in it`);
    const bytes = await collect(this.#storage.read(this.#key, { ...this.#options, range: { start: position, end: position + length } }), length, tooLong);
    if (bytes.length < length) throw new Error(`it ends after ${position + bytes.length} bytes`);
    return bytes;
  }
}
