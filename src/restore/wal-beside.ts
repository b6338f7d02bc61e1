// A member's database without its log: what was written last is in the log alone, where etcd would take it from (etcd-formats §9.2). Pure.
import { EtcdsafeError } from "../errors.ts";
import { WITHOUT_ROOM } from "../etcd-files/wal/behind-end.ts";
import { type GatheredEvidence, NO_EVIDENCE } from "./evidence.ts";
import { strangersLog } from "./former-members.ts";
import type { SourceFacts } from "./source.ts";

/** A log that lies beside the source as in a data directory. Plain JSON, part of the plan; raft indexes are decimal strings. */
export interface WalBeside {
  readonly directory: string;
  /** The last entry that is in the database. */
  readonly consistentIndex: string;
  /** The last entry of the log, as far as it can be read. */
  readonly lastIndex: string;
  /** How many of its entries the database lacks, of those that change data. */
  readonly missingEntries: number;
  /** Whether its last file ends with its last record, as a copy that was cut off there does: it may have gone on. */
  readonly endsWithoutRoom: boolean;
  /** Why it can be read no further, or cannot be all; null where it can be read to its end, or to a write that never completed, and reaches the database's last entry. */
  readonly damage: string | null;
  /** Whose log it is, 16 hexadecimal digits, where that is not one of the members in the database; null where it is, or nothing tells. */
  readonly strangerId: string | null;
}

/** Throws WAL_NOT_APPLIED where a restore of `location` alone would lose what its log holds. */
export function requireWalApplied(location: string, wal: WalBeside): void {
  const { directory, consistentIndex, lastIndex, missingEntries: missing, endsWithoutRoom, damage } = wal;
  if (damage !== null) {
    throw new EtcdsafeError(
      "WAL_NOT_APPLIED",
      `${location} ends with raft entry ${consistentIndex}, and the log beside it, ${directory}, is damaged after entry ${lastIndex} (${damage}): how much of it would be lost nobody can tell`,
      { hint: "If it is a copy, copy it again; save from another member; or give --ignore-wal to restore what the database holds. Nothing was written." },
    );
  }
  if (missing === 0) return;
  throw new EtcdsafeError(
    "WAL_NOT_APPLIED",
    `${location} ends with raft entry ${consistentIndex}, but the log beside it, ${directory}, goes on to entry ${lastIndex}: ${endsWithoutRoom ? "at least " : ""}${missing} entr${missing === 1 ? "y" : "ies"} would be lost`,
  );
}

/** How far the member went, by the entries of its log that `source` lacks: each makes one revision at most. */
export function walEvidence({ revision }: Pick<SourceFacts, "revision">, wal: WalBeside | null): GatheredEvidence {
  if (wal === null || wal.missingEntries === 0) return NO_EVIDENCE;
  const upTo = (BigInt(revision) + BigInt(wal.missingEntries)).toString();
  return { ...NO_EVIDENCE, found: [{ kind: "data-directory", where: wal.directory, revision: upTo, isUpperBound: true, at: null }] };
}

/** What to know of a source without a hash, which is no snapshot but a copy of a member's database. */
export function walWarnings(wal: WalBeside | null): string[] {
  if (wal === null) return ["No log (wal) lies beside the source: if it is a copy of a member's database, changes that only the log held are missing."];
  if (wal.damage !== null) return [`The log in ${wal.directory} is damaged, and ignored (--ignore-wal): what only it held is lost.`];
  const missing = wal.missingEntries;
  return [
    ...(wal.strangerId === null ? [] : [`The log in ${wal.directory} ${strangersLog(wal.strangerId)}.`]),
    ...(missing === 0 ? [] : [`The log in ${wal.directory} holds ${missing} more entr${missing === 1 ? "y" : "ies"}, which are lost (--ignore-wal).`]),
    ...(wal.endsWithoutRoom ? [`${wal.directory} ${WITHOUT_ROOM}.`] : []),
  ];
}
