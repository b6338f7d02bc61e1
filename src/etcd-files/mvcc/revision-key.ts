// Keys of the bucket `key`: main int64 BE, `_`, sub int64 BE, and `t` for a tombstone (server/storage/mvcc/revision.go, etcd-formats §3.1).

/** revBytesLen. */
export const REVISION_KEY_SIZE_BYTES = 17;
/** markedRevBytesLen. */
export const TOMBSTONE_KEY_SIZE_BYTES = 18;
export const SEPARATOR_OFFSET = 8;
export const SEPARATOR = 0x5f;
export const SUB_OFFSET = 9;
export const TOMBSTONE_OFFSET = 17;
export const TOMBSTONE_MARK = 0x74;

export interface RevisionKey {
  readonly main: bigint;
  readonly sub: bigint;
  readonly tombstone: boolean;
}

export function encodeRevisionKey(main: bigint, sub: bigint, tombstone = false): Uint8Array {
  const key = new Uint8Array(tombstone ? TOMBSTONE_KEY_SIZE_BYTES : REVISION_KEY_SIZE_BYTES);
  const view = new DataView(key.buffer);
  view.setBigInt64(0, main);
  key[SEPARATOR_OFFSET] = SEPARATOR;
  view.setBigInt64(SUB_OFFSET, sub);
  if (tombstone) key[TOMBSTONE_OFFSET] = TOMBSTONE_MARK;
  return key;
}

/** Undefined for anything else than a revision key. */
export function parseRevisionKey(key: Uint8Array): RevisionKey | undefined {
  const tombstone = key.length === TOMBSTONE_KEY_SIZE_BYTES && key[TOMBSTONE_OFFSET] === TOMBSTONE_MARK;
  if ((key.length !== REVISION_KEY_SIZE_BYTES && !tombstone) || key[SEPARATOR_OFFSET] !== SEPARATOR) return undefined;
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const main = view.getBigInt64(0);
  const sub = view.getBigInt64(SUB_OFFSET);
  return main < 0n || sub < 0n ? undefined : { main, sub, tombstone };
}
