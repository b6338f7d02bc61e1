// A look into a snapshot whose bytes have to be waited for: of all of it only the blocks are fetched that hold the few pages which tell the facts.
import type { CallOptions } from "../../runtime.ts";
import type { PageSource } from "../bbolt/page-source.ts";
import { peekSnapshot, type SnapshotPeek } from "./peek.ts";

/** Where the bytes are. */
export interface Fetched {
  readonly sizeBytes: number;
  /** What is fetched at once begins and ends at multiples of this, or at the end. */
  readonly blockSizeBytes: number;
  fetch(range: { readonly start: number; readonly end: number }, options: CallOptions): Promise<Uint8Array>;
}

/** Of what is fetched this way; more are hundreds of thousands of leases, or pages that claim to be huge. */
const FETCHED_BYTES_MAX = 64 * 1024 * 1024;
/** Blocks kept whole, since neighbouring pages are usually wanted next. */
const RECENT_BLOCKS = 4;

/**
 * As peekSnapshot, whose reading cannot wait: it is begun again each time that a page was missing, with that page at hand. Undefined where that would take
 * too much: then a copy has to be looked into. `name` is for messages. Throws what peekSnapshot and `fetch` throw.
 */
export async function peekFetched(name: string, { sizeBytes, blockSizeBytes, fetch }: Fetched, options: CallOptions): Promise<SnapshotPeek | undefined> {
  const pages = new FetchedPages(sizeBytes);
  for (let fetchedBytes = 0; ; ) {
    options.signal.throwIfAborted();
    try {
      return peekSnapshot(name, pages);
    } catch (error) {
      if (!(error instanceof MissingPage)) throw error;
      const start = error.start - (error.start % blockSizeBytes);
      const end = Math.min(Math.ceil(error.end / blockSizeBytes) * blockSizeBytes, sizeBytes);
      fetchedBytes += end - start;
      if (fetchedBytes > FETCHED_BYTES_MAX) return undefined;
      pages.add(start, await fetch({ start, end }, options));
    }
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
