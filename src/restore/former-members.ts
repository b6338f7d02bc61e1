// The members of a cluster that is being replaced, as its database knows them: who may still be alive, and where.
import { formatId } from "../bytes/u64.ts";
import { rowsOf } from "../etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { parseMemberJson } from "../etcd-files/membership/member-json.ts";
import { BUCKETS } from "../etcd-files/mvcc/buckets.ts";
import type { WalMetadata } from "../proto/walpb.ts";

export interface FormerMember {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** Empty for one that never started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

/** Where it may answer. */
export function urlsOf({ peerUrls, clientUrls }: FormerMember): string[] {
  return [...peerUrls, ...clientUrls];
}

/** Told of a log that is not of one of the members in the database beside it: its member was removed, and may lack all that came later. */
export function strangersLog(memberId: string): string {
  return `is that of member ${memberId}, which is not among the members in the database beside it: it was removed from the cluster, which may have gone on without it, or the two do not belong together`;
}

/** 16 hexadecimal digits; null where it is one of the members in the database, or nothing tells. */
export function strangerOf(metadata: WalMetadata | null | undefined, memberIds: readonly string[]): string | null {
  if (metadata === null || metadata === undefined || memberIds.length === 0) return null;
  const id = formatId(metadata.memberId);
  return memberIds.includes(id) ? null : id;
}

/** None where the file cannot be read: who only wants to warn of them does not say what else is wrong with it. */
export function formerMembersIn(databasePath: string): FormerMember[] {
  try {
    const source = openFilePageSource(databasePath);
    try {
      const members = [...rowsOf(openDatabase(source), BUCKETS.members)].map(({ value }) => parseMemberJson(value));
      return members.map(({ id, name, peerUrls, clientUrls }) => ({ id: formatId(id), name, peerUrls, clientUrls }));
    } finally {
      source.close();
    }
  } catch {
    return [];
  }
}
