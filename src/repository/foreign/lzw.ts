// Decodes LZW as Go's compress/lzw writes it with LSB order and 8-bit literals, which is what Gardener's etcdbrctl stores under names that end in .Z.
// It has no header, and is not what compress(1) writes.
import type { ByteStream } from "../../bytes/stream.ts";
import { FormatError } from "../../errors.ts";

/** compress/lzw/reader.go: codes below are the bytes themselves. */
const CLEAR = 256;
const END = 257;
/** compress/lzw/reader.go maxWidth. */
const WIDTH_MAX = 12;
const CODES_MAX: number = 2 ** WIDTH_MAX;
const WIDTH_MIN = 9;
const NONE = -1;
const OUTPUT_SIZE_BYTES = 64 * 1024;

/**
 * Memory is a table of 4,096 codes and the chunk that is being filled, whatever the input. `name` is for messages. Throws OBJECT_CORRUPT for a code that
 * cannot be, and OBJECT_TRUNCATED where the code that ends the data never comes; what follows that code is not looked at, as in Go.
 */
export async function* decodeLzw(name: string, source: ByteStream): AsyncGenerator<Uint8Array> {
  const decoder = new LzwDecoder(name);
  for await (const chunk of source) {
    yield* decoder.decode(chunk);
    if (decoder.isEnded) break;
  }
  if (!decoder.isEnded) throw new FormatError("OBJECT_TRUNCATED", `${name} ends before the code that ends LZW data`, decoder.readBytes);
  const rest = decoder.rest();
  if (rest.length > 0) yield rest;
}

class LzwDecoder {
  isEnded = false;
  readBytes = 0;
  readonly #name: string;
  /** What a code stands for: what `prefix` stands for, and then the byte `suffix`. */
  readonly #prefix = new Uint16Array(CODES_MAX);
  readonly #suffix = new Uint8Array(CODES_MAX);
  readonly #expanded = new Uint8Array(CODES_MAX);
  #output = Buffer.allocUnsafeSlow(OUTPUT_SIZE_BYTES);
  #filled = 0;
  #bits = 0;
  #bitCount = 0;
  #width = WIDTH_MIN;
  /** The next code to be defined; or 4,095 again when all are. */
  #next = END;
  #last = NONE;

  constructor(name: string) {
    this.#name = name;
  }

  /** Yields chunks that nobody writes to any more. */
  *decode(chunk: Uint8Array): Generator<Uint8Array> {
    for (const byte of chunk) {
      this.readBytes++;
      this.#bits |= byte << this.#bitCount;
      this.#bitCount += 8;
      if (this.#bitCount < this.#width) continue;
      const code = this.#bits & ((1 << this.#width) - 1);
      this.#bits >>>= this.#width;
      this.#bitCount -= this.#width;
      if (code === END) {
        this.isEnded = true;
        return;
      }
      if (code === CLEAR) this.#clear();
      else this.#expand(code);
      if (this.#filled + CODES_MAX > OUTPUT_SIZE_BYTES) yield this.#flush();
    }
  }

  rest(): Uint8Array {
    return this.#output.subarray(0, this.#filled);
  }

  #flush(): Uint8Array {
    const full = this.rest();
    this.#output = Buffer.allocUnsafeSlow(OUTPUT_SIZE_BYTES);
    this.#filled = 0;
    return full;
  }

  #clear(): void {
    this.#width = WIDTH_MIN;
    this.#next = END;
    this.#last = NONE;
  }

  #expand(code: number): void {
    if (code > this.#next) throw new FormatError("OBJECT_CORRUPT", `${this.#name} has an LZW code that is not defined yet`, this.readBytes);
    // The code that is being defined right now: the last one's expansion, and its first byte again.
    const isOwn = code === this.#next && this.#last !== NONE;
    let at = CODES_MAX;
    if (isOwn) at--;
    let each = isOwn ? this.#last : code;
    while (each > END) {
      this.#expanded[--at] = this.#suffix[each]!;
      each = this.#prefix[each]!;
    }
    this.#expanded[--at] = each;
    if (isOwn) this.#expanded[CODES_MAX - 1] = each;
    this.#output.set(this.#expanded.subarray(at), this.#filled);
    this.#filled += CODES_MAX - at;
    if (this.#last !== NONE) {
      this.#suffix[this.#next] = each;
      this.#prefix[this.#next] = this.#last;
    }
    this.#define(code);
  }

  #define(code: number): void {
    this.#last = code;
    this.#next++;
    if (this.#next < 1 << this.#width) return;
    if (this.#width < WIDTH_MAX) this.#width++;
    else {
      this.#last = NONE; // The table is full: nothing is defined until it is cleared.
      this.#next--;
    }
  }
}
