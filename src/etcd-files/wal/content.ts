// What a record of the log says, once its checksum is known to be right.
import { FormatError } from "../../errors.ts";
import { decodeEntry, decodeHardState, type Entry, type HardState } from "../../proto/raftpb.ts";
import { decodeWalMetadata, decodeWalSnapshot, type WalMetadata, type WalSnapshot } from "../../proto/walpb.ts";
import { RECORD_CRC, RECORD_ENTRY, RECORD_METADATA, RECORD_SNAPSHOT, RECORD_STATE } from "./constants.ts";
import type { WalRecord } from "./read.ts";

export type RecordContent =
  | { readonly kind: "metadata"; readonly metadata: WalMetadata }
  /** May take the place of an earlier entry with the same index, and of all after that (etcd-formats §9.2). */
  | { readonly kind: "entry"; readonly entry: Entry }
  /** The last one counts. */
  | { readonly kind: "state"; readonly hardState: HardState }
  | { readonly kind: "crc" }
  | { readonly kind: "snapshot"; readonly snapshot: WalSnapshot };

/** Throws FormatError: PROTO_INVALID, or WAL_CORRUPT for a type that no etcd writes. */
export function recordContent({ type, data, dataOffset, offset }: WalRecord): RecordContent {
  switch (type) {
    case RECORD_METADATA:
      return { kind: "metadata", metadata: decodeWalMetadata(data, dataOffset) };
    case RECORD_ENTRY:
      return { kind: "entry", entry: decodeEntry(data, dataOffset) };
    case RECORD_STATE:
      return { kind: "state", hardState: decodeHardState(data, dataOffset) };
    case RECORD_CRC:
      return { kind: "crc" };
    case RECORD_SNAPSHOT:
      return { kind: "snapshot", snapshot: decodeWalSnapshot(data, dataOffset) };
    default:
      throw new FormatError("WAL_CORRUPT", `a record has the unknown type ${type}`, offset);
  }
}
