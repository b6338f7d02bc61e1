// HashKV as a live member answers it (server/storage/mvcc/hash.go, etcd-formats §5.1): which hashes can be computed from a file, and what
// each needs to know. The rows themselves are gone through in key-rows.ts.
//
// A row counts for revision R and compaction revision C when its main ≤ R, unless main ≤ C and it is not what a compaction at R would keep
// of its key: the newest row ≤ R, and no tombstone. (If nothing at all would be kept, all of them count, so the answer
// depends on which ones a member has already deleted. A tombstone at exactly C never counts.) So a row ≤ C is left out when it is a tombstone, or its key has a newer row ≤ R. Rows of one key follow each other by version:
// the row after a put is a put of a version above 1, or a tombstone. Only keys with such rows need to be known.
// Of the rows up to the last finished compaction F the file holds at most one per key, so only such rows after F need to be known.
import { crc32c } from "../../bytes/crc32c.ts";
import { combineCrc32c } from "../../bytes/crc32c-combine.ts";
import { BUCKETS } from "./buckets.ts";

export interface HashKvRequest {
  /** 0: the file's own revision. */
  readonly revision: bigint;
  /** As the member has it, -1 for none. Absent: the file's own. */
  readonly compactRevision?: bigint;
}

/** Either the hash, or why it cannot be computed from this file. Revisions are those it is for; -1 where there is no compaction. */
export type HashKvResult =
  | { readonly revision: bigint; readonly compactRevision: bigint; readonly hash: number }
  | { readonly revision: bigint; readonly compactRevision: bigint; readonly notComparable: string };

/** What a file says of its own compactions; NONE where it says nothing. */
export interface CompactionState {
  readonly finished: number;
  readonly scheduled: number;
}

/** A store that was never compacted has this compaction revision (kvstore.go). */
export const NONE = -1;
/** Each takes a bit of a number, for each row of a leaf, and there is one for the checksum of all rows. */
const TASKS_MAX = 30;

/** One hash to compute, of `revision` and `compactRevision`. */
export interface HashTask {
  readonly revision: number;
  readonly compactRevision: number;
  /** Bit of `HashPlan.revisions` that says which rows are superseded at this revision. */
  readonly bit: number;
}

export interface HashPlan {
  /** What a server starts with from this file. */
  readonly fileRevision: number;
  /** Of each request, in their order, either the task or the reason against it. */
  readonly answers: readonly { readonly revision: bigint; readonly compactRevision: bigint; readonly task: HashTask | string }[];
  /** Without repetitions. */
  readonly tasks: readonly HashTask[];
  /** For which revisions it must be known whether a row is superseded. */
  readonly revisions: readonly number[];
  /** max(F, scheduled): rows up to it may have been removed. */
  readonly compacted: number;
  /** F, or 0: no key has two rows up to it. */
  readonly unique: number;
  /** Rows up to it may be left out of a hash; NONE when no row is. */
  readonly filtered: number;
  /** Bit of `compacted` in `revisions` when a scheduled compaction is not finished, else undefined: which rows it would leave. */
  readonly unfinishedBit: number | undefined;
}

/** `fileRevision` is the revision that a server starts with from this file. */
export function planHashes(requests: readonly HashKvRequest[], fileRevision: number, { finished, scheduled }: CompactionState): HashPlan {
  const compacted = Math.max(finished, scheduled);
  const tasks: HashTask[] = [];
  const revisions: number[] = [];
  const bitOf = (revision: number): number => {
    if (!revisions.includes(revision)) revisions.push(revision);
    return revisions.indexOf(revision);
  };
  const unfinishedBit = scheduled > finished ? bitOf(scheduled) : undefined;
  const answers = requests.map((request) => {
    const revision = request.revision === 0n ? BigInt(fileRevision) : request.revision;
    // -1 and 0 both mean that nothing is compacted: there is no revision 0.
    const compactRevision = request.compactRevision === undefined ? BigInt(compacted) : request.compactRevision <= 0n ? BigInt(NONE) : request.compactRevision;
    const reason = whyNot(revision, compactRevision, fileRevision, compacted);
    if (reason !== undefined) return { revision, compactRevision, task: reason };
    const known = tasks.find((task) => BigInt(task.revision) === revision && BigInt(task.compactRevision) === compactRevision);
    if (known !== undefined) return { revision, compactRevision, task: known };
    if (tasks.length === TASKS_MAX) return { revision, compactRevision, task: `more than ${TASKS_MAX} hashes at once` };
    const bit = compactRevision === BigInt(NONE) ? 0 : bitOf(Number(revision));
    const task = { revision: Number(revision), compactRevision: Number(compactRevision), bit };
    tasks.push(task);
    return { revision, compactRevision, task };
  });
  const filtered = Math.max(unfinishedBit === undefined ? NONE : compacted, ...tasks.map((task) => task.compactRevision));
  return { fileRevision, answers, tasks, revisions, compacted, unique: Math.max(0, finished), filtered, unfinishedBit };
}

function whyNot(revision: bigint, compactRevision: bigint, fileRevision: number, compacted: number): string | undefined {
  if (revision < 1n || revision > BigInt(fileRevision)) return `revision ${revision} is not in the file, whose revision is ${fileRevision}`;
  if (compactRevision > revision) return `revision ${revision} is compacted away at ${compactRevision}`;
  if (compactRevision < BigInt(compacted))
    return `the file is compacted at ${compacted}, and the hash to compare was taken before that, over rows that are gone`;
  return undefined;
}

/** The hash from the checksum of the rows that count: it begins with the bucket's name. */
export function hashKvOf(rowsCrc: number, rowsSizeBytes: number): number {
  return combineCrc32c(crc32c(Buffer.from(BUCKETS.key)), rowsCrc, rowsSizeBytes);
}
