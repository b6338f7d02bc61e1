// The members of a cluster that is being replaced, as its database knows them: who may still be alive, and where.
import { formatId } from "../bytes/u64.ts";
import { rowsOf } from "../etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { parseMemberJson } from "../etcd-files/membership/member-json.ts";
import { BUCKETS } from "../etcd-files/mvcc/buckets.ts";

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
