// A look into a stored snapshot, as a plan needs it: of the object only the frames are read that hold the few pages which tell the facts.
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import type { PageSource } from "../etcd-files/bbolt/page-source.ts";
import { peekSnapshot, type SnapshotPeek } from "../etcd-files/check/peek.ts";
import { FRAME_RAW_SIZE_BYTES } from "../repository/frame-codec.ts";
import type { ObjectReader } from "../repository/object-decoder.ts";
import type { CallOptions } from "../runtime.ts";
import { localCopy } from "./local-copy.ts";

/** Of what is read this way; more (hundreds of thousands of leases, or pages that claim to be huge) is read from a local copy. */
const FETCHED_BYTES_MAX = 64 * 1024 * 1024;
/** Fetches of a frame kept whole, since neighbouring pages are usually wanted next: 16 MiB. */
const RECENT_BLOCKS = 4;

/**
 * As peekSnapshot, whose reading cannot wait: it is begun again each time that a page was missing, with that page at hand. `name` is for messages.
 * Throws what peekSnapshot and `object` throw, and SPOOL_NO_SPACE.
 */
export async function peekObject(name: string, object: ObjectReader, options: CallOptions): Promise<SnapshotPeek> {
  const pages = new FetchedPages(object.rawSizeBytes);
  for (let fetchedBytes = 0; ; ) {
    options.signal.throwIfAborted();
    try {
      return peekSnapshot(name, pages);
    } catch (error) {
      if (!(error instanceof MissingPage)) throw error;
      const start = error.start - (error.start % FRAME_RAW_SIZE_BYTES);
      const end = Math.min(Math.ceil(error.end / FRAME_RAW_SIZE_BYTES) * FRAME_RAW_SIZE_BYTES, object.rawSizeBytes);
      fetchedBytes += end - start;
      if (fetchedBytes > FETCHED_BYTES_MAX) return await peekCopy(name, object, options);
      pages.add(start, await object.readRaw({ start, end }, options));
    }
  }
}

async function peekCopy(name: string, object: ObjectReader, options: CallOptions): Promise<SnapshotPeek> {
  await using copy = await localCopy(object.stream(options), object.rawSizeBytes);
  const source = openFilePageSource(copy.path);
  try {
    return peekSnapshot(name, source);
  } finally {
    source.close();
  }
}

class MissingPage extends Error {
  readonly start: number;
  readonly end: number;

  constructor(start: number, end: number) {
    super(`bytes ${start} to ${end} are yet to be read`);
    this.start = start;
    this.end = end;
  }
}

/** Every range that was asked for once stays, so that beginning again gets further each time; of all else only what was fetched last. */
class FetchedPages implements PageSource {
  readonly sizeBytes: number;
  readonly #asked = new Map<number, Uint8Array>();
  readonly #recent: { readonly start: number; readonly bytes: Uint8Array }[] = [];

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  add(start: number, bytes: Uint8Array): void {
    this.#recent.unshift({ start, bytes });
    this.#recent.length = Math.min(this.#recent.length, RECENT_BLOCKS);
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    const end = Math.min(offset + sizeBytes, this.sizeBytes);
    if (end <= offset) return new Uint8Array(0);
    const asked = this.#asked.get(offset);
    if (asked !== undefined && asked.length >= end - offset) return asked.subarray(0, end - offset);
    const block = this.#recent.find(({ start, bytes }) => start <= offset && end <= start + bytes.length);
    if (block === undefined) throw new MissingPage(offset, end);
    const bytes = block.bytes.slice(offset - block.start, end - block.start);
    this.#asked.set(offset, bytes);
    return bytes;
  }
}
