// The facts of logs and raft snapshot files.
import { formatId } from "../bytes/u64.ts";
import { runInWorker } from "../bytes/worker.ts";
import type { CallOptions } from "../runtime.ts";
import type { RaftSnapshotSection, WalSection } from "./inspection.ts";
import type { InspectedWal, RaftFilesInput, RaftFilesOutput, RaftSnapshotOutcome } from "./raft-files-worker.ts";
import { confStateSection } from "./snapshot-section.ts";

export interface RaftSections {
  readonly wal: WalSection | undefined;
  /** In the order asked for. */
  readonly raftSnapshots: readonly RaftSnapshotSection[];
}

/** Reads them in a worker. Damage is in the answer. Throws FILE_FAILED. */
export async function raftSections(input: RaftFilesInput, options: CallOptions): Promise<RaftSections> {
  const { wal, raftSnapshots } = await runInWorker<RaftFilesInput, RaftFilesOutput>(new URL("./raft-files-worker", import.meta.url), input, options);
  return { wal: wal && walSection(wal), raftSnapshots: raftSnapshots.map(raftSnapshotSection) };
}

function walSection({ segments, metadata, hardState, entries, snapshot, fault, behindEnd }: InspectedWal): WalSection {
  const faulty = segments.findIndex(({ name }) => name === fault?.segment);
  return {
    segments: segments.map(({ name, sizeBytes, usedBytes, records }, index) => ({
      name,
      sizeBytes,
      ...(faulty >= 0 && index > faulty ? { usedBytes: null, records: null } : { usedBytes, records }),
    })),
    memberId: metadata === undefined ? null : formatId(metadata.memberId),
    clusterId: metadata === undefined ? null : formatId(metadata.clusterId),
    hardState: hardState === undefined ? null : { term: String(hardState.term), vote: formatId(hardState.vote), commit: String(hardState.commit) },
    entries:
      entries === undefined ? null : { firstIndex: String(entries.firstIndex), lastIndex: String(entries.lastIndex), lastTerm: String(entries.lastTerm) },
    snapshot: snapshot === undefined ? null : { index: String(snapshot.index), term: String(snapshot.term) },
    fault: fault ?? null,
    behindEnd: behindEnd ?? null,
  };
}

function raftSnapshotSection(outcome: RaftSnapshotOutcome): RaftSnapshotSection {
  if ("fault" in outcome) return outcome;
  const { index, term, confState, members } = outcome;
  return {
    index: String(index),
    term: String(term),
    confState: confStateSection(confState),
    members: members === undefined ? null : members.map(({ id, peerUrls }) => ({ id: formatId(id), peerUrls })),
    fault: null,
  };
}
