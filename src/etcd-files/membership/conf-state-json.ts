// The row `confState` of the bucket `meta`: raft's configuration as JSON (`server/storage/schema/confstate.go`, etcd-formats §3.2).
import type { MemberId } from "../../bytes/u64.ts";
import { FormatError } from "../../errors.ts";
import { isUint64, jsonArray, jsonObject, parseGoJson } from "../../proto/go-json.ts";
import type { ConfState } from "../../proto/raftpb.ts";
import { inNumericOrder } from "./ids.ts";

/** 20 digits a member; a cluster has few. */
const CONF_STATE_SIZE_BYTES_MAX = 1024 * 1024;

/** For a cluster of these voters, as etcd up to 3.6 writes it; 3.7 reads the same. */
export function confStateJson(voters: readonly MemberId[]): Uint8Array {
  return Buffer.from(`{"voters":[${inNumericOrder(voters).join(",")}],"auto_leave":false}`);
}

/** Throws FormatError BBOLT_ROW_INVALID with `offset`, where the text starts in its file. */
export function parseConfStateJson(bytes: Uint8Array, offset = 0): ConfState {
  const fields = jsonObject(parseGoJson(bytes, CONF_STATE_SIZE_BYTES_MAX));
  if (fields === undefined) throw new FormatError("BBOLT_ROW_INVALID", "the row confState is not a JSON object", offset);
  const ids = (name: string): readonly MemberId[] => {
    const list = jsonArray(fields.get(name), isUint64);
    if (list === undefined) throw new FormatError("BBOLT_ROW_INVALID", `${name} in the row confState is not a list of member ids`, offset);
    return list as readonly MemberId[];
  };
  const autoLeave = fields.get("auto_leave") ?? false;
  if (typeof autoLeave !== "boolean") throw new FormatError("BBOLT_ROW_INVALID", "auto_leave in the row confState is not true or false", offset);
  return { voters: ids("voters"), learners: ids("learners"), votersOutgoing: ids("voters_outgoing"), learnersNext: ids("learners_next"), autoLeave };
}
