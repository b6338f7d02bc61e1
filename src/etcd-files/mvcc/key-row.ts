// One row of `key`, read in place by a cursor that is reused for all of them (etcd-formats §3.1; §2.8, 7).
import type { Page } from "../bbolt/page.ts";
import { KeyValueCursor } from "./key-value.ts";
import {
  REVISION_KEY_SIZE_BYTES,
  SEPARATOR,
  SEPARATOR_OFFSET,
  SUB_OFFSET,
  TOMBSTONE_KEY_SIZE_BYTES,
  TOMBSTONE_MARK,
  TOMBSTONE_OFFSET,
} from "./revision-key.ts";

const TWO_32 = 2 ** 32;
/** The upper word of a 64-bit number that a double holds exactly is below this. etcd's revisions never come near. */
const UPPER_WORD_MAX = 2 ** 21;

export class KeyRowCursor {
  readonly keyValue: KeyValueCursor = new KeyValueCursor();
  /** Positions in the page's bytes: the row's key and value lie in [start, end). */
  start = 0;
  end = 0;
  main = 0;
  sub = 0;
  tombstone = false;
  /** The row that --bump-revision writes: a put with an empty value, hence of the empty key. */
  marker = false;

  /** Reads row `index` of a checked leaf, or says what is wrong with it. */
  read(page: Page, index: number): string | undefined {
    const { bytes, view } = page;
    const start = page.keyStart(index);
    const size = page.keySize(index);
    const valueStart = start + size;
    this.start = start;
    this.end = valueStart + page.valueSize(index);
    this.tombstone = size === TOMBSTONE_KEY_SIZE_BYTES;
    if (size !== REVISION_KEY_SIZE_BYTES && !this.tombstone) return `a key of ${size} bytes is no revision`;
    if (bytes[start + SEPARATOR_OFFSET] !== SEPARATOR || (this.tombstone && bytes[start + TOMBSTONE_OFFSET] !== TOMBSTONE_MARK)) {
      return "a key that is no revision";
    }
    const mainUpper = view.getUint32(start);
    const subUpper = view.getUint32(start + SUB_OFFSET);
    if (mainUpper >= UPPER_WORD_MAX || subUpper >= UPPER_WORD_MAX) return "a revision beyond 2^53, or below 0";
    this.main = mainUpper * TWO_32 + view.getUint32(start + 4);
    this.sub = subUpper * TWO_32 + view.getUint32(start + SUB_OFFSET + 4);
    this.marker = this.end === valueStart && !this.tombstone;
    const { keyValue } = this;
    if (!keyValue.read(bytes, valueStart, this.end)) return `the value of revision ${this.main} is no KeyValue`;
    if (!this.tombstone && !this.marker && keyValue.modRevision !== this.main) {
      return `the value of revision ${this.main} says that it was written at revision ${keyValue.modRevision}`;
    }
    return undefined;
  }
}
