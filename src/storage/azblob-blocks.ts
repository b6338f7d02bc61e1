// Staged blocks: their names, which hold when their upload began, which upload it is, and their place in it; and how to be rid of them. All uploads
// to one name share one list of blocks, and nothing else tells when one began.
import { type ErrorCode, EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { AzblobClient } from "./azblob-client.ts";

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

/**
 * There is no request for it: an empty blob, committed there and removed again, makes the service forget all blocks staged at its name. Where a
 * blob exists it is left alone, and so are the blocks, which are gone within a week.
 */
export async function discardBlocks(
  client: AzblobClient,
  { name, what }: { readonly name: string; readonly what: string },
  options: CallOptions,
): Promise<void> {
  const conditions = { ifNoneMatch: "*" };
  const written = await client
    .tried(what, (container, call) => container.getBlockBlobClient(name).commitBlockList([], { conditions, ...call }), options)
    .catch((error: unknown) => undefinedWhere("STORAGE_CONFLICT", error));
  if (written?.etag === undefined) return;
  const own = { ifMatch: written.etag };
  await client
    .tried(what, (container, call) => container.getBlobClient(name).delete({ conditions: own, ...call }), options)
    .catch((error: unknown) => undefinedWhere("STORAGE_NOT_FOUND", error));
}

function undefinedWhere(code: ErrorCode, error: unknown): undefined {
  if (error instanceof EtcdsafeError && error.code === code) return undefined;
  throw error;
}
