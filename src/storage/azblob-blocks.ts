// Names of staged blocks: when their upload began, which upload they are of, and their place in it. All uploads to one name share one list of blocks
// there, and nothing else tells when one began.

/** Milliseconds since 1970 (48 bits), the upload's id (64), the block's number (32): all ids of one blob must be equally long. */
const ID_SIZE_BYTES = 18;
const MARK_START = 6;
const NUMBER_START = 14;

export interface BlockOwner {
  readonly startedAt: Date;
  /** 16 hexadecimal digits. */
  readonly id: string;
}

export function blockId({ startedAt, id }: BlockOwner, index: number): string {
  const bytes = Buffer.alloc(ID_SIZE_BYTES);
  bytes.writeUIntBE(startedAt.getTime(), 0, MARK_START);
  bytes.write(id, MARK_START, NUMBER_START - MARK_START, "hex");
  bytes.writeUInt32BE(index, NUMBER_START);
  return bytes.toString("base64");
}

/** Undefined: a block of some other program. */
export function ownerOfBlock(block: string): BlockOwner | undefined {
  const bytes = Buffer.from(block, "base64");
  if (bytes.length !== ID_SIZE_BYTES) return undefined;
  return { startedAt: new Date(bytes.readUIntBE(0, MARK_START)), id: bytes.toString("hex", MARK_START, NUMBER_START) };
}
