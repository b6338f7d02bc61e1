// Member JSON: a member as the bucket `members` and the WAL hold it (`server/etcdserver/api/membership/member.go`, etcd-formats §3.5).
import type { MemberId } from "../../bytes/u64.ts";
import { FormatError } from "../../errors.ts";
import { goJsonString, goJsonStrings, isString, isUint64, jsonArray, jsonObject, parseGoJson } from "../../proto/go-json.ts";

export interface Member {
  readonly id: MemberId;
  /** Empty until the member has started for the first time, unless it was there from the cluster's start. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** Empty until the member has started for the first time. */
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

/** A member takes a few hundred bytes. */
const MEMBER_JSON_SIZE_BYTES_MAX = 1024 * 1024;

/** Byte for byte what json.Marshal makes of etcd's Member. */
export function encodeMemberJson(member: Member): string {
  const learner = member.isLearner ? `,"isLearner":true` : "";
  const name = member.name === "" ? "" : `,"name":${goJsonString(member.name)}`;
  const clientUrls = member.clientUrls.length === 0 ? "" : `,"clientURLs":${goJsonStrings(member.clientUrls)}`;
  return `{"id":${member.id},"peerURLs":${goJsonStrings(member.peerUrls)}${learner}${name}${clientUrls}}`;
}

/** Reads what any etcd wrote; fields it does not know are left out. Throws FormatError BBOLT_ROW_INVALID with `offset`, where the text starts in its file. */
export function parseMemberJson(bytes: Uint8Array, offset = 0): Member {
  const fields = jsonObject(parseGoJson(bytes, MEMBER_JSON_SIZE_BYTES_MAX));
  if (fields === undefined) throw new FormatError("BBOLT_ROW_INVALID", "a member's row is not a JSON object", offset);
  const id = fields.get("id");
  const name = fields.get("name") ?? "";
  const isLearner = fields.get("isLearner") ?? false;
  const peerUrls = jsonArray(fields.get("peerURLs"), isString);
  const clientUrls = jsonArray(fields.get("clientURLs"), isString);
  if (!isUint64(id) || typeof name !== "string" || typeof isLearner !== "boolean" || peerUrls === undefined || clientUrls === undefined) {
    throw new FormatError("BBOLT_ROW_INVALID", "a member's row lacks its id, or holds a field of the wrong type", offset);
  }
  return { id: id as MemberId, name, peerUrls, clientUrls, isLearner };
}
