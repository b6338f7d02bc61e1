// A storage whose large objects are fetched in several ranges at once, and handed on in order. Backends go on by themselves where a connection drops,
// each within its range; what they cannot see is that ranges are of different versions, so the object is looked up before them, and again at the end.
import { release } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ObjectInfo, ReadOptions, Storage } from "./storage.ts";
import { wrapped } from "./wrapped.ts";

export const PART_SIZE_BYTES: number = 4 * 1024 * 1024;
/** Being fetched, or in the reader's hands: what a read holds in memory at most. */
const PARTS_HELD_MAX = 4;
/** Most documents are shorter than this, and need no buffer of a part's size. */
const FIRST_BUFFER_SIZE_BYTES = 64 * 1024;

export function parallelReads(inner: Storage): Storage {
  return wrapped(inner, { read: (key, options) => new ParallelRead(inner, key, options).stream() });
}

class ParallelRead {
  readonly #inner: Storage;
  readonly #key: string;
  readonly #start: number;
  readonly #end: number;
  readonly #signal: AbortSignal;
  /** Ends the parts under way when the reader wants no more. */
  readonly #stop = new AbortController();
  readonly #free: Buffer[] = [];

  constructor(inner: Storage, key: string, { range, signal }: ReadOptions) {
    this.#inner = inner;
    this.#key = key;
    this.#start = range?.start ?? 0;
    this.#end = range?.end ?? Infinity;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    try {
      // Of a read to an object's end, whatever size that has, the first part tells whether there is more: a document takes one request.
      const isKnownToBeLong = this.#end !== Infinity && this.#end - this.#start > PART_SIZE_BYTES;
      const known = isKnownToBeLong ? await this.#stat() : undefined;
      if (known !== undefined) return yield* this.#parts(this.#start, known);
      const first = await this.#part(this.#start, Math.min(this.#end, this.#start + PART_SIZE_BYTES));
      if (first.length < PART_SIZE_BYTES || this.#start + first.length >= this.#end) {
        if (first.length > 0) yield first;
        return;
      }
      const present = await this.#stat();
      if (present === undefined) throw this.#changed("removed");
      this.#free.push(Buffer.from(first.buffer));
      yield* this.#parts(this.#start, present); // Of which version the first one was nobody knows.
    } finally {
      this.#stop.abort();
      for (const buffer of this.#free) release(buffer);
    }
  }

  /** From `at` on to the end, several being fetched at a time. */
  async *#parts(at: number, { sizeBytes, version }: ObjectInfo): AsyncGenerator<Uint8Array> {
    const end = Math.min(this.#end, sizeBytes);
    const underWay: Promise<Buffer>[] = [];
    for (let next = at; next < end || underWay.length > 0; ) {
      for (; next < end && underWay.length < PARTS_HELD_MAX; next += PART_SIZE_BYTES) {
        const part = this.#part(next, Math.min(end, next + PART_SIZE_BYTES), true);
        part.catch(() => undefined); // Reported when its turn comes, unless nobody reads that far.
        underWay.push(part);
      }
      const part = await underWay[0]!;
      yield part;
      void underWay.shift();
      if (part.buffer.byteLength === PART_SIZE_BYTES) this.#free.push(Buffer.from(part.buffer)); // Unless the reader gave its memory back.
    }
    const present = await this.#stat();
    if (present?.version !== version) throw this.#changed(present === undefined ? "removed" : "overwritten");
  }

  async #part(start: number, end: number, isWhole = false): Promise<Buffer> {
    let buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(isWhole ? PART_SIZE_BYTES : Math.min(end - start, FIRST_BUFFER_SIZE_BYTES));
    let filledBytes = 0;
    for await (const chunk of this.#inner.read(this.#key, { signal: this.#signal, range: { start, end } })) {
      const neededBytes = filledBytes + chunk.length;
      if (neededBytes > end - start)
        throw new EtcdsafeError("OBJECT_CORRUPT", `${this.#inner.location} sent more than the ${end - start} bytes of ${this.#key} that were asked for`);
      if (neededBytes > buffer.length) buffer = grown(buffer, filledBytes, neededBytes);
      buffer.set(chunk, filledBytes);
      filledBytes = neededBytes;
    }
    if (isWhole && filledBytes < end - start)
      throw new EtcdsafeError("OBJECT_TRUNCATED", `${this.#inner.location} sent ${filledBytes} of ${end - start} bytes of ${this.#key}`);
    return buffer.subarray(0, filledBytes);
  }

  #stat(): Promise<ObjectInfo | undefined> {
    return this.#inner.stat(this.#key, { signal: this.#signal });
  }

  #changed(how: string): EtcdsafeError {
    return new EtcdsafeError("STORAGE_CONFLICT", `${this.#key} in ${this.#inner.location} was ${how} while it was read`);
  }
}

function grown(buffer: Buffer, filledBytes: number, neededBytes: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.min(PART_SIZE_BYTES, neededBytes * 4));
  buffer.copy(larger, 0, 0, filledBytes);
  return larger;
}
