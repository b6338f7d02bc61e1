// SHA-256 of a snapshot while it streams by: its last 32 bytes are not data but the hash etcd computed over the rest (etcd-formats §1.1).
import { createHash } from "node:crypto";

/** etcdutl/snapshot/v3_snapshot.go: the size of the appended hash. */
export const TRAILER_SIZE_BYTES = 32;
/** etcdutl/snapshot/v3_snapshot.go hasChecksum: a database is whole sectors, the hash comes on top. */
const SECTOR_SIZE_BYTES = 512;

/** Whether so many bytes are whole sectors and a hash, as every snapshot is. */
export function hasTrailer(sizeBytes: number): boolean {
  return sizeBytes % SECTOR_SIZE_BYTES === TRAILER_SIZE_BYTES;
}

/** Whether so many bytes are whole sectors, as a database is without a hash. */
export function isWholeSectors(sizeBytes: number): boolean {
  return sizeBytes % SECTOR_SIZE_BYTES === 0;
}

export interface TrailingHashResult {
  /** SHA-256 of all but the last 32 bytes, hexadecimal. */
  readonly dataSha256: string;
  /** The last 32 bytes, hexadecimal: equal to dataSha256 in a whole snapshot. */
  readonly trailer: string;
  readonly dataSizeBytes: number;
  /** SHA-256 of everything, trailer included, hexadecimal: what `sha256sum` prints for the file. */
  readonly rawSha256: string;
  readonly rawSizeBytes: number;
}

/** Feeds on chunks of any size; holds back only the last 32 bytes. */
export class TrailingHash {
  readonly #hash = createHash("sha256");
  #held: Uint8Array = new Uint8Array(0);
  #rawSizeBytes = 0;

  update(chunk: Uint8Array): void {
    this.#rawSizeBytes += chunk.length;
    if (chunk.length >= TRAILER_SIZE_BYTES) {
      this.#hash.update(this.#held);
      this.#hash.update(chunk.subarray(0, chunk.length - TRAILER_SIZE_BYTES));
      this.#held = Uint8Array.prototype.slice.call(chunk, chunk.length - TRAILER_SIZE_BYTES);
      return;
    }
    const joined = Buffer.concat([this.#held, chunk]);
    const surplus = Math.max(0, joined.length - TRAILER_SIZE_BYTES);
    this.#hash.update(joined.subarray(0, surplus));
    this.#held = joined.subarray(surplus);
  }

  /** May be called again. */
  finish(): TrailingHashResult {
    const raw = this.#hash.copy().update(this.#held);
    return {
      dataSha256: this.#hash.copy().digest("hex"),
      trailer: Buffer.from(this.#held).toString("hex"),
      dataSizeBytes: this.#rawSizeBytes - this.#held.length,
      rawSha256: raw.digest("hex"),
      rawSizeBytes: this.#rawSizeBytes,
    };
  }
}
