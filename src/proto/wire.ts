// The protobuf wire format, as much of it as etcd's messages use: varints, length-delimited fields, and skipping what is unknown.
// Hand-written, because the hot messages (32 KiB snapshot chunks, key-values) are sliced out without a copy and read without an object each.
import { FormatError } from "../errors.ts";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

const TEXT = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads one message field by field: `while (reader.next()) switch (reader.field) …`. Throws FormatError PROTO_INVALID, with offsets counted from `baseOffset`. */
export class ProtoReader {
  field = 0;
  wireType = 0;
  #position = 0;
  readonly #bytes: Uint8Array;
  readonly #baseOffset: number;

  constructor(bytes: Uint8Array, baseOffset = 0) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
  }

  /** Moves to the next field; false at the end of the message. Every field must then be read or skipped. */
  next(): boolean {
    if (this.#position >= this.#bytes.length) return false;
    const tag = this.#varint();
    const field = Number(tag >> 3n);
    if (tag > 0xffff_ffffn || field === 0) throw this.#error("field number out of range");
    this.field = field;
    this.wireType = Number(tag & 7n);
    return true;
  }

  /** A uint64 field. */
  uint64(): bigint {
    this.#expect(WIRE_VARINT);
    return this.#varint();
  }

  /** An int64 field: negative numbers are ten-byte varints. */
  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  /** A uint32, enum or small count. */
  uint32(): number {
    return Number(BigInt.asUintN(32, this.uint64()));
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  /** A bytes or message field, as a view into the message: copy what outlives it. */
  bytes(): Uint8Array {
    this.#expect(WIRE_BYTES);
    return this.#take(this.#length());
  }

  string(): string {
    return TEXT.decode(this.bytes());
  }

  /** A message field with the file offset it starts at, as a reader of its own takes them. */
  message(): [bytes: Uint8Array, baseOffset: number] {
    const bytes = this.bytes();
    return [bytes, this.offset - bytes.length];
  }

  /** A packed repeated uint64. */
  packedUint64(): bigint[] {
    const packed = new ProtoReader(...this.message());
    const values: bigint[] = [];
    while (packed.#position < packed.#bytes.length) values.push(packed.#varint());
    return values;
  }

  /** The file offset of the next byte to be read: for messages inside messages. */
  get offset(): number {
    return this.#baseOffset + this.#position;
  }

  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.#varint();
        return;
      case WIRE_FIXED64:
        this.#take(8);
        return;
      case WIRE_BYTES:
        this.#take(this.#length());
        return;
      case WIRE_FIXED32:
        this.#take(4);
        return;
      default:
        throw this.#error(`unknown wire type ${this.wireType}`);
    }
  }

  #length(): number {
    const length = this.#varint();
    if (length > BigInt(this.#bytes.length - this.#position)) throw this.#error("field is longer than its message");
    return Number(length);
  }

  #take(sizeBytes: number): Uint8Array {
    const end = this.#position + sizeBytes;
    if (end > this.#bytes.length) throw this.#error("field is longer than its message");
    const taken = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return taken;
  }

  #varint(): bigint {
    let low = 0;
    // Most varints are tags, lengths and small numbers: up to four bytes fit a number without sign trouble.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff_ffff_ffffn) throw this.#error("varint exceeds 64 bits");
        return value;
      }
    }
    throw this.#error("varint exceeds ten bytes");
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw this.#error("message ends inside a number");
    this.#position += 1;
    return byte;
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) throw this.#error(`field ${this.field} has wire type ${this.wireType} instead of ${wireType}`);
  }

  #error(what: string): FormatError {
    return new FormatError("PROTO_INVALID", what, this.offset);
  }
}

/** Writes one message. Fields appear in the order of the calls; nothing is left out, so callers decide which zeros to write. */
export class ProtoWriter {
  readonly #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  /** Tags and numbers since the last piece. */
  #small: number[] = [];

  varint(field: number, value: bigint | number): this {
    this.#tag(field, WIRE_VARINT);
    this.#varint(BigInt.asUintN(64, BigInt(value)));
    return this;
  }

  /** Keeps a reference to `value` until `finish`. */
  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, WIRE_BYTES);
    this.#varint(BigInt(value.length));
    this.#flush();
    this.#append(value);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  finish(): Uint8Array {
    this.#flush();
    const message = new Uint8Array(this.#sizeBytes);
    let position = 0;
    for (const piece of this.#pieces) {
      message.set(piece, position);
      position += piece.length;
    }
    return message;
  }

  #tag(field: number, wireType: number): void {
    this.#varint((BigInt(field) << 3n) | BigInt(wireType));
  }

  #varint(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.#small.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#small.push(Number(rest));
  }

  #flush(): void {
    this.#append(Uint8Array.from(this.#small));
    this.#small = [];
  }

  #append(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#sizeBytes += piece.length;
  }
}
