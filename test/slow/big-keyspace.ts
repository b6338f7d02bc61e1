// Keyspaces of millions of keys as the rows etcd would hold, written to a snapshot without ever being in memory, and what must be found in them.
import { crc32c } from "../../src/bytes/crc32c.ts";
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { writeSnapshot } from "../support/snapshots.ts";

export interface BigKeyspace {
  readonly keys: number;
  readonly valueSizeBytes: number;
  /** So many keys are changed again after all are written, each at a revision of its own: every tenth is deleted, the others are overwritten. */
  readonly changedKeys: number;
  /** Whether everything before those changes is compacted. */
  readonly compacted: boolean;
}

export interface WrittenKeyspace {
  readonly sizeBytes: number;
  readonly revision: number;
  readonly liveKeys: number;
  /** -1 for none. */
  readonly compactRevision: number;
  /** What a member answers to HashKV at `revision`, by etcd-formats §5.1: worked out here from what was written, row by row. */
  readonly hash: number;
}

const FIRST_REVISION = 2;
const KEY_PREFIX = "/registry/things/namespace/";
const KEY_DIGITS = 9;
/** Rows are hashed when so many bytes have come together. */
const HASHED_AT_ONCE_BYTES = 1024 * 1024;

export function writeBigSnapshot(path: string, keyspace: BigKeyspace): WrittenKeyspace {
  const { keys, changedKeys, compacted } = keyspace;
  const hash = new RowHash();
  const compactRevision = compacted ? FIRST_REVISION + keys - 1 : -1;
  const sizeBytes = writeSnapshot(path, { rows: rowsOf(keyspace, hash), ...(compacted ? { compactRevision } : {}) });
  const liveKeys = keys - Math.floor(changedKeys / 10);
  return { sizeBytes, revision: FIRST_REVISION + keys + changedKeys - 1, liveKeys, compactRevision, hash: hash.finish() };
}

function* rowsOf({ keys, valueSizeBytes, changedKeys, compacted }: BigKeyspace, hash: RowHash): Generator<Row> {
  const encoder = new RowEncoder(valueSizeBytes);
  for (let index = 0; index < keys; index++) {
    const row = encoder.put(index, FIRST_REVISION + index, FIRST_REVISION + index, 1);
    // A row up to the compaction no longer counts once its key was changed after it.
    if (!compacted || index >= changedKeys) hash.add(row);
    yield row;
  }
  for (let index = 0; index < changedKeys; index++) {
    const revision = FIRST_REVISION + keys + index;
    const row = index % 10 === 9 ? encoder.tombstone(index, revision) : encoder.put(index, FIRST_REVISION + index, revision, 2);
    hash.add(row);
    yield row;
  }
}

/** Lays rows out in memory that is used again for the next one. */
class RowEncoder {
  readonly #key = Buffer.from(`\0\0\0\0\0\0\0\0_\0\0\0\0\0\0\0\0t`, "latin1");
  readonly #value: Buffer;
  readonly #valueSizeBytes: number;
  readonly #userKeySizeBytes = KEY_PREFIX.length + KEY_DIGITS;
  /** Where in `#value` the next byte goes. */
  #end = 0;

  constructor(valueSizeBytes: number) {
    this.#valueSizeBytes = valueSizeBytes;
    this.#value = Buffer.alloc(valueSizeBytes + 128, "v");
    this.#value[0] = 0x0a; // Field 1, the user's key.
    this.#value[1] = this.#userKeySizeBytes;
    this.#value.write(KEY_PREFIX, 2, "latin1");
  }

  put(index: number, createRevision: number, modRevision: number, version: number): Row {
    this.#userKey(index);
    this.#varint(0x10, createRevision);
    this.#varint(0x18, modRevision);
    this.#varint(0x20, version);
    this.#varint(0x2a, this.#valueSizeBytes);
    // The value's own bytes are there from before, except for what a longer row wrote over them: digits and varints, which do as well.
    return { key: this.#revision(modRevision, 17), value: this.#value.subarray(0, this.#end + this.#valueSizeBytes) };
  }

  tombstone(index: number, modRevision: number): Row {
    this.#userKey(index);
    return { key: this.#revision(modRevision, 18), value: this.#value.subarray(0, this.#end) };
  }

  #revision(main: number, sizeBytes: 17 | 18): Uint8Array {
    this.#key.writeUInt32BE(main, 4);
    return this.#key.subarray(0, sizeBytes);
  }

  #userKey(index: number): void {
    const start = 2 + KEY_PREFIX.length;
    let rest = index;
    for (let digit = KEY_DIGITS - 1; digit >= 0; digit--) {
      this.#value[start + digit] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#end = start + KEY_DIGITS;
  }

  #varint(tag: number, value: number): void {
    this.#value[this.#end++] = tag;
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) this.#value[this.#end++] = (rest & 0x7f) | 0x80;
    this.#value[this.#end++] = rest;
  }
}

/** crc32c over the bucket's name and rows. */
class RowHash {
  readonly #bytes = Buffer.alloc(HASHED_AT_ONCE_BYTES);
  #sizeBytes = 0;
  #crc: number = crc32c(Buffer.from("key"));

  add({ key, value }: Row): void {
    if (this.#sizeBytes + key.length + value.length > this.#bytes.length) this.#flush();
    this.#bytes.set(key, this.#sizeBytes);
    this.#bytes.set(value, this.#sizeBytes + key.length);
    this.#sizeBytes += key.length + value.length;
  }

  finish(): number {
    this.#flush();
    return this.#crc;
  }

  #flush(): void {
    this.#crc = crc32c(this.#bytes.subarray(0, this.#sizeBytes), this.#crc);
    this.#sizeBytes = 0;
  }
}
