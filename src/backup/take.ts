// One snapshot of one member, received and checked: what may then be stored, and what is known about it.
import { allOrNothing } from "../bytes/all-or-nothing.ts";
import type { Spool } from "../bytes/spool.ts";
import type { Revision } from "../bytes/u64.ts";
import { linearizableRevision, serializableRevision } from "../cluster/revision.ts";
import { openSnapshot } from "../cluster/snapshot-stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { openDatabase } from "../etcd-files/bbolt/database.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { walkSnapshotFile } from "../etcd-files/check/check-file.ts";
import type { SnapshotFacts } from "../etcd-files/check/facts.ts";
import { peekSnapshot, type SnapshotPeek } from "../etcd-files/check/peek.ts";
import { newestRowsAt } from "../etcd-files/mvcc/newest-rows.ts";
import { type Answers, type Asking, askAgain, askMembers, type Comparison, compareWithMembers, hashesToCompute, notCompared } from "./comparison.ts";
import { checkSpoolHash, receiveSnapshot } from "./receive.ts";

export interface TakeOptions extends Omit<Asking, "which"> {
  readonly which: Asking["which"] | "none";
  /** Why members are not asked, where `which` is none. */
  readonly whyNone: string;
  readonly stallLimitMs: number;
  /** How far the serving member's clock is ahead of ours, where another than ours tells; null where that is not known. */
  readonly memberClockMs: number | null;
  /** Tells in which phase a failure happened. */
  onPhase(phase: SavePhase): void;
}

export type SavePhase = "connect" | "stream" | "check" | "upload" | "manifest";

/** A snapshot in the spool, not checked yet. */
export interface ReceivedSnapshot {
  readonly spool: Spool;
  readonly rawSizeBytes: number;
  readonly peek: SnapshotPeek;
  readonly answers: Answers | undefined;
  /** Read through the member before the stream. */
  readonly revisionBefore: Revision;
  readonly quorumSeen: boolean;
}

export interface CheckedSnapshot {
  readonly facts: SnapshotFacts;
  readonly comparison: Comparison;
  /** What the check found that does not make the snapshot bad. */
  readonly warnings: readonly string[];
  /** What it holds of the rows that a snapshot at this revision names as its newest. As long as the spool is open. */
  newestRowsAt(revision: Revision): readonly string[];
}

/** The revision that the snapshot must reach: read linearizably, so that a member cut off from its cluster is found out. */
export async function revisionBefore({ clients, selection, serving, signal }: TakeOptions): Promise<Revision> {
  const client = clients.at(serving.endpoint);
  const read = selection.quorum ? linearizableRevision : serializableRevision;
  return (await read(client, { signal })).revision;
}

/** Streams into the spool, and meanwhile asks the members. Throws ETCD_* errors, SPOOL_NO_SPACE, ETCD_MEMBER_STALE, and SNAPSHOT_* where it is plain already that this is no good. */
export async function receive(spool: Spool, options: TakeOptions): Promise<ReceivedSnapshot> {
  const { clients, serving, which } = options;
  options.onPhase("connect");
  const before = await revisionBefore(options);
  await using stream = await openSnapshot(clients.at(serving.endpoint), options);
  options.onPhase("stream");
  // A member behind a connection that stands still would be waited for long after the stream was given up.
  const stop = new AbortController();
  const asking = which === "none" ? undefined : { ...options, which, signal: AbortSignal.any([options.signal, stop.signal]) };
  const receiving = receiveSnapshot(stream, spool, options).catch((error: unknown) => {
    stop.abort(error);
    throw error;
  });
  const [rawSizeBytes, first] = await allOrNothing(receiving, asking === undefined ? Promise.resolve(undefined) : askMembers(before, asking));
  const peek = await peekSpool(spool, rawSizeBytes, before, options);
  const answers = asking === undefined || first === undefined ? undefined : await askAgain(first, peek, asking);
  return { spool, rawSizeBytes, peek, answers, revisionBefore: before, quorumSeen: options.selection.quorum };
}

/** Size, structure, rows and HashKV; the hash is left to who reads all bytes. Throws SNAPSHOT_DAMAGED: what etcd sent is not to be stored then. */
export async function check({ spool, answers, rawSizeBytes }: ReceivedSnapshot, options: TakeOptions): Promise<CheckedSnapshot> {
  const { runtime, serving, which, whyNone } = options;
  options.onPhase("check");
  runtime.progress({ step: "check", doneBytes: 0, totalBytes: rawSizeBytes });
  const report = await walkSnapshotFile(spool.path, {
    signal: options.signal,
    hashes: hashesToCompute(answers),
    onProgress: (doneBytes, totalBytes) => runtime.progress({ step: "check", doneBytes, totalBytes }),
  });
  runtime.progress({ step: "check", doneBytes: rawSizeBytes, totalBytes: rawSizeBytes, done: true });
  const errors = report.findings.filter(({ severity }) => severity === "error");
  if (report.facts === undefined || errors.length > 0) {
    await checkSpoolHash(spool, rawSizeBytes, options); // A byte that changed on the way is not the member's fault.
    const [first] = errors;
    throw new EtcdsafeError(
      "SNAPSHOT_DAMAGED",
      `${serving.endpoint} sent a damaged database: ${first?.text ?? "its rows cannot be read"}, at byte ${first?.offset ?? 0}`,
      {
        hint: "The member's own file is damaged, or the bytes changed before they were hashed. Nothing was published; save from another member, and replace this one.",
      },
    );
  }
  const { facts } = report;
  const comparison = answers === undefined || which === "none" ? notCompared(whyNone) : compareWithMembers(answers, facts.hashes, { ...options, which });
  const warnings = report.findings.map(({ text, offset }) => `${text} (at byte ${offset})`);
  return { facts, comparison, warnings, newestRowsAt: (revision) => newestRowsOf(spool, revision) };
}

function newestRowsOf({ path }: Spool, revision: Revision): readonly string[] {
  const source = openFilePageSource(path);
  try {
    return newestRowsAt(openDatabase(source), Number(revision));
  } finally {
    source.close();
  }
}

/** What the snapshot says of itself, unless the member lags behind or sent no database; a changed byte is not taken for either. */
async function peekSpool(spool: Spool, rawSizeBytes: number, before: Revision, { serving, signal }: TakeOptions): Promise<SnapshotPeek> {
  const source = openFilePageSource(spool.path);
  try {
    const peek = peekSnapshot(`the snapshot from ${serving.endpoint}`, source);
    if (peek.revision >= before) return peek;
    const message = `${serving.endpoint} sent a snapshot at revision ${peek.revision}, though its cluster was at ${before} before`;
    throw new EtcdsafeError("ETCD_MEMBER_STALE", message);
  } catch (error) {
    await checkSpoolHash(spool, rawSizeBytes, { signal });
    throw error;
  } finally {
    source.close();
  }
}
