// How far a member's files show that its cluster went. Pure; member-revision-worker.ts reads them.
import type { WalMetadata } from "../proto/walpb.ts";
import { type Evidence, type GatheredEvidence, NO_EVIDENCE } from "./evidence.ts";
import { strangerOf, strangersLog } from "./former-members.ts";

/** What lies in one member's directory. */
export interface MemberFiles {
  /** Null where there is none. */
  readonly database: MemberDatabase | { readonly path: string; readonly fault: string } | null;
  /** Null where there is none. */
  readonly log: MemberLog | { readonly path: string; readonly fault: string } | null;
}

export interface MemberDatabase {
  readonly path: string;
  readonly revision: bigint;
  /** Raft index of the last entry that it holds. */
  readonly consistentIndex: bigint;
  /** 16 hexadecimal digits each; none where they cannot be read. */
  readonly memberIds: readonly string[];
  /** When it was last written to, RFC 3339. */
  readonly at: string;
}

export interface MemberLog {
  readonly path: string;
  /** Raft index of the last entry in it, or of one after which none can be read. */
  readonly lastIndex: bigint;
  /** How far it says that entries are committed; 0n where it does not say. */
  readonly commit: bigint;
  /** Whose it is; null where it does not say. */
  readonly metadata: WalMetadata | null;
  /** Why there may be more entries than could be read; null where there are not. */
  readonly corruption: string | null;
  /** When it was last written to, RFC 3339. */
  readonly at: string;
}

/**
 * `directory` is the member's, for messages. A member without a database and without a log shows nothing, and needs no warning; neither does one without a
 * log where that is counted by itself.
 */
export function memberEvidence(directory: string, { database, log }: MemberFiles, kind: "data-directory" | "given", isLogElsewhere = false): GatheredEvidence {
  if (database === null) {
    const warnings = log === null ? [] : [`${directory} has a log, but no database: ${NOT_COUNTED}`];
    return { ...NO_EVIDENCE, warnings };
  }
  if ("fault" in database) return { ...NO_EVIDENCE, warnings: [`${database.path} cannot be read (${database.fault}): ${NOT_COUNTED}`] };
  const found: Evidence[] = [{ kind, where: database.path, revision: database.revision.toString(), isUpperBound: false, at: database.at }];
  const warnings: string[] = [];
  if (log === null && isLogElsewhere) return { ...NO_EVIDENCE, found };
  if (log === null) warnings.push(`${directory} has no log: what etcd had not brought from there into the database is not counted.`);
  else if ("fault" in log) warnings.push(`${log.path} cannot be read (${log.fault}): what etcd had not brought from there into the database is not counted.`);
  else {
    // An entry makes one revision at most: a transaction is one entry, and a revoked lease deletes all its keys in one.
    const unapplied = log.lastIndex - database.consistentIndex;
    const revision = database.revision + unapplied;
    if (unapplied > 0n) found.push({ kind, where: log.path, revision: revision.toString(), isUpperBound: true, at: log.at });
    const end = `${log.path} ends with entry ${log.lastIndex}, before entry ${database.consistentIndex}, which ${database.path} holds`;
    if (unapplied < 0n) warnings.push(`${end}: it has lost its end, or is not that member's; entries that it has lost are not counted.`);
    const stranger = strangerOf(log.metadata, database.memberIds);
    if (stranger !== null) warnings.push(`${log.path} ${strangersLog(stranger)}; what it does not hold is not counted.`);
    if (log.corruption !== null) warnings.push(`${log.path} is damaged (${log.corruption}): entries that lie behind the damage are not counted.`);
  }
  return { ...NO_EVIDENCE, found, warnings };
}

const NOT_COUNTED = "revisions that only that member shows are not counted.";
