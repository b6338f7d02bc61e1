// Maintenance/Snapshot's answers (etcd-formats §1.1) read as they arrive: gRPC frames of SnapshotResponse messages, cut anywhere. The database's
// bytes come out as views into what arrived; only the few bytes around them are looked at one by one.
import { FormatError } from "../errors.ts";
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT } from "./wire.ts";

/** gRPC over HTTP/2: one byte "compressed?", then the message's length, 4 bytes big-endian. */
const FRAME_PREFIX_SIZE_BYTES = 5;
/** rpc.proto, SnapshotResponse. */
const FIELD_REMAINING_BYTES = 2;
const FIELD_BLOB = 3;
const FIELD_VERSION = 4;
/** `3.6.0`, with room for what may follow one day; longer ones are not read. */
const VERSION_SIZE_BYTES_MAX = 64;

/** 128 to the power of ten bytes, the longest a varint can be. */
const VARINT_SCALE_MAX = 2 ** 70;

const PREFIX = 0;
const TAG = 1;
const NUMBER = 2;
const LENGTH = 3;
const BLOB = 4;
const VERSION = 5;
const SKIP = 6;

/** Feeds on the call's bytes. Throws FormatError PROTO_INVALID for what is not a stream of SnapshotResponse. */
export class SnapshotReader {
  /** Size of the database as the first message tells it, without the hash; undefined before that. */
  databaseSizeBytes: number | undefined;
  /** Bytes of the database, and in the end of the hash, so far. */
  blobBytes = 0;
  /** Storage version, e.g. `3.6.0`; absent before etcd 3.6. */
  storageVersion: string | undefined;
  /** Whether everything fed so far ended with a whole message. */
  whole = true;
  readonly #onBlob: (slice: Uint8Array) => void;
  #state = PREFIX;
  /** Bytes of the prefix, blob, version or unknown field still to come. */
  #left = FRAME_PREFIX_SIZE_BYTES;
  #messageLeft = 0;
  #field = 0;
  #wireType = 0;
  #value = 0;
  #scale = 1;
  #version = "";
  #messageRemaining = 0;
  #offset = 0;

  constructor(onBlob: (slice: Uint8Array) => void) {
    this.#onBlob = onBlob;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at += this.#state >= BLOB ? this.#run(chunk, at) : this.#byte(chunk[at]!);
    this.whole = this.#state === PREFIX && this.#left === FRAME_PREFIX_SIZE_BYTES;
  }

  /** Many bytes of one field. */
  #run(chunk: Uint8Array, at: number): number {
    const sizeBytes = Math.min(this.#left, chunk.length - at);
    if (this.#state === BLOB) {
      this.blobBytes += sizeBytes;
      this.#onBlob(chunk.subarray(at, at + sizeBytes));
    }
    if (this.#state === VERSION) for (let index = at; index < at + sizeBytes; index++) this.#version += String.fromCharCode(chunk[index]!);
    this.#left -= sizeBytes;
    this.#advance(sizeBytes);
    if (this.#left === 0) this.#endField();
    return sizeBytes;
  }

  #byte(byte: number): number {
    if (this.#state === PREFIX) {
      if (this.#left === FRAME_PREFIX_SIZE_BYTES && byte !== 0) throw this.#error("a compressed message, which was not asked for");
      if (this.#left < FRAME_PREFIX_SIZE_BYTES) this.#messageLeft = this.#messageLeft * 256 + byte;
      this.#left -= 1;
      this.#offset += 1;
      if (this.#left === 0) this.#startMessage();
      return 1;
    }
    this.#value += (byte & 0x7f) * this.#scale;
    this.#scale *= 128;
    if (this.#value > Number.MAX_SAFE_INTEGER || this.#scale > VARINT_SCALE_MAX) throw this.#error("a number beyond 2^53");
    this.#advance(1);
    if (byte < 0x80) this.#endNumber();
    return 1;
  }

  #startMessage(): void {
    this.#messageRemaining = 0;
    this.#startField();
  }

  #startField(): void {
    if (this.#messageLeft === 0) this.#endMessage();
    else this.#startNumber(TAG);
  }

  #endMessage(): void {
    this.databaseSizeBytes ??= this.blobBytes + this.#messageRemaining;
    this.#state = PREFIX;
    this.#left = FRAME_PREFIX_SIZE_BYTES;
  }

  #startNumber(state: number): void {
    this.#state = state;
    this.#value = 0;
    this.#scale = 1;
  }

  #endNumber(): void {
    const value = this.#value;
    if (this.#state === TAG) {
      this.#field = Math.floor(value / 8);
      this.#wireType = value % 8;
      if (this.#wireType === WIRE_VARINT) this.#startNumber(NUMBER);
      else if (this.#wireType === WIRE_BYTES) this.#startNumber(LENGTH);
      else if (this.#wireType === WIRE_FIXED64) this.#startRun(SKIP, 8);
      else if (this.#wireType === WIRE_FIXED32) this.#startRun(SKIP, 4);
      else throw this.#error(`unknown wire type ${this.#wireType}`);
    } else if (this.#state === NUMBER) {
      if (this.#field === FIELD_REMAINING_BYTES) this.#messageRemaining = value;
      this.#startField();
    } else if (this.#field === FIELD_BLOB) this.#startRun(BLOB, value);
    else if (this.#field === FIELD_VERSION && value <= VERSION_SIZE_BYTES_MAX) this.#startRun(VERSION, value);
    else this.#startRun(SKIP, value);
  }

  #startRun(state: number, sizeBytes: number): void {
    if (sizeBytes > this.#messageLeft) throw this.#error("a field longer than its message");
    this.#state = state;
    this.#left = sizeBytes;
    this.#version = "";
    if (sizeBytes === 0) this.#endField();
  }

  #endField(): void {
    if (this.#state === VERSION) this.storageVersion = this.#version;
    this.#startField();
  }

  /** Counts bytes that belong to the message. */
  #advance(sizeBytes: number): void {
    if (sizeBytes > this.#messageLeft) throw this.#error("a message that ends inside a number");
    this.#messageLeft -= sizeBytes;
    this.#offset += sizeBytes;
  }

  #error(what: string): FormatError {
    return new FormatError("PROTO_INVALID", `the snapshot stream holds ${what}`, this.#offset);
  }
}
