// Reads a log and raft snapshot files in a thread of its own (bytes/worker.ts): some seconds for a full log.
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { WorkerContext } from "../bytes/worker.ts";
import { EtcdsafeError, FormatError, hasCode } from "../errors.ts";
import { openFilePageSource } from "../etcd-files/bbolt/file-page-source.ts";
import { RAFT_SNAPSHOT_SIZE_BYTES_MAX, type RaftSnapshotFacts, raftSnapshotFacts } from "../etcd-files/raft-snapshot/read.ts";
import { lostBehindEnd } from "../etcd-files/wal/behind-end.ts";
import { cancellable } from "../etcd-files/wal/cancellable-segment.ts";
import { fileSegments } from "../etcd-files/wal/directory.ts";
import { type WalFacts, walFacts } from "../etcd-files/wal/facts.ts";
import type { SegmentSource } from "../etcd-files/wal/read.ts";
import { parseWalSegmentName, type SegmentName } from "../etcd-files/wal/segment-name.ts";
import type { RaftSnapshotFault } from "./inspection.ts";

export interface RaftFilesInput {
  /** A directory of segments, or one of them. */
  readonly wal?: { readonly path: string; readonly isDirectory: boolean };
  readonly raftSnapshots: readonly string[];
}

/** With why it may have gone on after its end, as lostBehindEnd says it. */
export type InspectedWal = WalFacts & { readonly behindEnd: string | undefined };

export interface RaftFilesOutput {
  readonly wal: InspectedWal | undefined;
  /** In the order asked for. */
  readonly raftSnapshots: readonly RaftSnapshotOutcome[];
}

export type RaftSnapshotOutcome = RaftSnapshotFacts | { readonly fault: RaftSnapshotFault };

/** Throws FILE_FAILED. */
export function run({ wal, raftSnapshots }: RaftFilesInput, context: WorkerContext): RaftFilesOutput {
  const log = wal && (wal.isDirectory ? walOfDirectory(wal.path, context) : walOfFile(wal.path, context));
  return { wal: log, raftSnapshots: raftSnapshots.map(readOne) };
}

function walOfDirectory(path: string, context: WorkerContext): InspectedWal {
  return inspected(fileSegments(path).map((segment) => cancellable(segment, context)));
}

/** A segment alone: what came before it is taken from its first record. */
function walOfFile(path: string, context: WorkerContext): InspectedWal {
  const source = openFilePageSource(path);
  try {
    const name = basename(path);
    const { sequence, firstIndex } = parseWalSegmentName(name) ?? { sequence: 0n, firstIndex: 0n as SegmentName["firstIndex"] };
    const { sizeBytes } = source;
    return inspected([cancellable({ name, sequence, firstIndex, sizeBytes, read: source.read }, context)]);
  } finally {
    source.close();
  }
}

function inspected(segments: readonly (SegmentSource & SegmentName)[]): InspectedWal {
  const read = walFacts(segments);
  return { ...read, behindEnd: lostBehindEnd(segments, read) };
}

function readOne(path: string): RaftSnapshotOutcome {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return { fault: { offset: null, text: "it is no regular file" } }; // A pipe would be waited for.
    const { size } = stats;
    if (size > RAFT_SNAPSHOT_SIZE_BYTES_MAX) return { fault: { offset: null, text: `the file has ${size} bytes, more than a .snap file may have` } };
    return raftSnapshotFacts(readFileSync(path));
  } catch (error) {
    if (error instanceof FormatError) return { fault: { offset: error.offset, text: error.what } };
    if (hasCode(error, "RAFT_SNAPSHOT_INVALID")) return { fault: { offset: null, text: error.message } };
    if (error instanceof Error && "syscall" in error) throw new EtcdsafeError("FILE_FAILED", `cannot read ${path}: ${error.message}`, { cause: error });
    throw error;
  }
}
