// mvccpb.KeyValue, the value of a row of `key`, read in place: one cursor is reused for all rows, so a row costs no allocation.
// Fields (api/mvccpb/kv.proto): key=1, create_revision=2, mod_revision=3, version=4, value=5, lease=6. As generated Go code does, it takes
// fields in any order, the last of each, and skips unknown ones.
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT } from "../../proto/wire.ts";

const KEY = 1;
const CREATE_REVISION = 2;
const MOD_REVISION = 3;
const VERSION = 4;
const VALUE = 5;
const LEASE = 6;
const VARINT_SIZE_BYTES_MAX = 10;
/** A field number has 29 bits, the wire type three. */
const TAG_MAX = 2 ** 32 - 1;

export class KeyValueCursor {
  keyStart = 0;
  keyEnd = 0;
  /** Exact up to 2^53; above that rounded, as are modRevision and version. */
  createRevision = 0;
  modRevision = 0;
  version = 0;
  valueStart = 0;
  valueEnd = 0;
  hasLease = false;
  #position = 0;

  /** Reads the message in `bytes[start, end)`; positions count from the start of `bytes`. False when it is no KeyValue. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.keyStart = start;
    this.keyEnd = start;
    this.createRevision = 0;
    this.modRevision = 0;
    this.version = 0;
    this.valueStart = start;
    this.valueEnd = start;
    this.hasLease = false;
    this.#position = start;
    while (this.#position < end) {
      const tag = this.#varint(bytes, end);
      if (!(tag <= TAG_MAX)) return false;
      const wireType = tag % 8;
      const field = (tag - wireType) / 8;
      if (field === KEY || field === VALUE) {
        if (wireType !== WIRE_BYTES || !this.#readBytes(bytes, end, field)) return false;
      } else if (field >= CREATE_REVISION && field <= LEASE) {
        if (wireType !== WIRE_VARINT || !this.#readNumber(bytes, end, field)) return false;
      } else if (!(field >= 1 && this.#skip(bytes, end, wireType))) {
        return false;
      }
    }
    return true;
  }

  #readBytes(bytes: Uint8Array, end: number, field: number): boolean {
    const length = this.#varint(bytes, end);
    const start = this.#position;
    // Also false for NaN, which stands for a broken varint.
    if (!(length <= end - start)) return false;
    this.#position = start + length;
    if (field === KEY) {
      this.keyStart = start;
      this.keyEnd = start + length;
    } else {
      this.valueStart = start;
      this.valueEnd = start + length;
    }
    return true;
  }

  #readNumber(bytes: Uint8Array, end: number, field: number): boolean {
    const value = this.#varint(bytes, end);
    if (Number.isNaN(value)) return false;
    if (field === CREATE_REVISION) this.createRevision = value;
    else if (field === MOD_REVISION) this.modRevision = value;
    else if (field === VERSION) this.version = value;
    else this.hasLease = value !== 0;
    return true;
  }

  #skip(bytes: Uint8Array, end: number, wireType: number): boolean {
    let length = 0;
    if (wireType === WIRE_BYTES) length = this.#varint(bytes, end);
    else if (wireType === WIRE_VARINT) return !Number.isNaN(this.#varint(bytes, end));
    else if (wireType === WIRE_FIXED64) length = 8;
    else if (wireType === WIRE_FIXED32) length = 4;
    else return false;
    if (!(length <= end - this.#position)) return false;
    this.#position += length;
    return true;
  }

  /** NaN when it is cut short or too long. */
  #varint(bytes: Uint8Array, end: number): number {
    let position = this.#position;
    let value = 0;
    let factor = 1;
    for (const last = Math.min(end, position + VARINT_SIZE_BYTES_MAX); position < last; factor *= 128) {
      const byte = bytes[position] as number;
      position += 1;
      if (byte < 0x80) {
        // The tenth byte holds the last of 64 bits.
        if (byte > 1 && position - this.#position === VARINT_SIZE_BYTES_MAX) return Number.NaN;
        this.#position = position;
        return value + byte * factor;
      }
      value += (byte - 0x80) * factor;
    }
    return Number.NaN;
  }
}
