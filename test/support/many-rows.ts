// Millions of rows of `key` for big files: buffers are used again and again, so memory and time are those of what is tested.
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { revisionKey } from "./rows.ts";

export interface ManyRowsOptions {
  /** How many different keys are put, round and round; as many as there are rows. */
  readonly keys?: number;
  /** 2. */
  readonly firstRevision?: number;
  /** 100. */
  readonly valueSizeBytes?: number;
}

const PREFIX = Buffer.from("/registry/pods/namespace/");
const DIGITS = 10;

/** `count` puts, one per revision, as etcd would hold them. The one object that is yielded is valid until the next one. */
export function* manyRows(count: number, { keys = count, firstRevision = 2, valueSizeBytes = 100 }: ManyRowsOptions = {}): Generator<Row> {
  const key = Buffer.from(revisionKey(0));
  const bytes = Buffer.alloc(PREFIX.length + DIGITS + valueSizeBytes + 64, 0x78);
  bytes.set([0x0a, PREFIX.length + DIGITS]);
  bytes.set(PREFIX, 2);
  const headSizeBytes = 2 + PREFIX.length + DIGITS;
  const row = { key, value: bytes.subarray(0, 0) };
  for (let index = 0; index < count; index++) {
    const modRevision = firstRevision + index;
    const number = index % keys;
    key.writeUInt32BE(Math.floor(modRevision / 2 ** 32), 0);
    key.writeUInt32BE(modRevision % 2 ** 32, 4);
    for (let digit = 1, rest = number; digit <= DIGITS; digit++, rest = Math.floor(rest / 10)) bytes[headSizeBytes - digit] = 0x30 + (rest % 10);
    let end = field(bytes, headSizeBytes, 0x10, firstRevision + number);
    end = field(bytes, end, 0x18, modRevision);
    end = field(bytes, end, 0x20, Math.floor(index / keys) + 1);
    if (valueSizeBytes > 0) end = field(bytes, end, 0x2a, valueSizeBytes) + valueSizeBytes;
    // The value is whatever follows: x's, with a few bytes of earlier rows where a number was longer.
    if (end !== row.value.length) row.value = bytes.subarray(0, end);
    yield row;
  }
}

/** Writes a tag and a varint, and gives where they end. */
function field(bytes: Buffer, start: number, tag: number, value: number): number {
  bytes[start] = tag;
  let at = start + 1;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}
