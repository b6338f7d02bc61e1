// Whether database, log and raft snapshots of one member fit together, as etcd will find when it starts from them
// (`server/etcdserver/bootstrap.go`, `server/storage/backend.go` RecoverSnapshotBackend; etcd-formats §4.9, §9). Pure.
import type { RaftIndex, RaftTerm } from "../bytes/u64.ts";
import { raftSnapshotFileName } from "../etcd-files/raft-snapshot/file-name.ts";
import { endsWithoutRoom, mayHaveGoneOn, WITHOUT_ROOM } from "../etcd-files/wal/behind-end.ts";
import type { DataDirectorySection, SnapshotSection, WalSection } from "./inspection.ts";

export interface MemberFiles {
  readonly snapshot: SnapshotSection | undefined;
  readonly wal: WalSection | undefined;
  /** Files of the log's directory that end in .wal and have no name that etcd gives. */
  readonly otherWalFiles: readonly string[];
  /** Oldest first. */
  readonly raftSnapshots: DataDirectorySection["raftSnapshots"];
  /** Raft indexes of databases that were received from the leader (`….snap.db`). */
  readonly receivedDatabases: readonly bigint[];
}

export type FitFinding = DataDirectorySection["findings"][number];

export function fitFindings(files: MemberFiles): FitFinding[] {
  return [...walFindings(files), ...logPositionFindings(files), ...raftSnapshotFindings(files)];
}

/** How many entries of the log are not in the database; null where either is not known. */
export function unappliedEntries({ snapshot, wal }: MemberFiles): bigint | null {
  if (snapshot?.consistentIndex === undefined || wal?.entries == null || wal.fault?.kind === "corrupt") return null;
  const count = BigInt(wal.entries.lastIndex) - BigInt(snapshot.consistentIndex);
  return count < 0n ? 0n : count;
}

function walFindings({ wal, otherWalFiles, snapshot }: MemberFiles): FitFinding[] {
  if (wal === undefined) {
    // `wal.go` Exist and readWALNames: any such file makes a log, and only the names that etcd gives are read. (checked on 3.6 and 3.7)
    const [other] = otherWalFiles;
    if (other !== undefined) return [error(`the log has only files of other names than etcd gives (${other}): etcd will refuse to start`)];
    return [
      warning(
        "there is no log (wal) here: etcd was started with --wal-dir, and the log is there, or it is lost. Without its log the member starts as an empty one",
      ),
    ];
  }
  const findings: FitFinding[] = [];
  const { fault, segments, behindEnd } = wal;
  if (behindEnd !== null) findings.push(warning(`the log ${mayHaveGoneOn(segments.at(-1)?.name ?? "", behindEnd)}`));
  else if (fault !== null) {
    const where = `${fault.segment}${fault.offset === null ? "" : `, byte ${fault.offset}`}: ${fault.text}`;
    if (fault.kind === "torn") findings.push(warning(`the log's last write is torn, which etcd repairs when it starts: ${where}`));
    else findings.push(error(`the log is corrupt, and etcd will refuse to start: ${where}`));
  }
  // (checked on 3.6 and 3.7)
  if (segments.length > 0 && segments.every(({ records }) => records === 0) && fault?.kind !== "corrupt")
    findings.push(error("the log holds no records: etcd will refuse to start"));
  if (endsWithoutRoom(wal)) findings.push(warning(`the log ${WITHOUT_ROOM}`));
  if (wal.memberId !== null && snapshot?.members?.length && !snapshot.members.some(({ id }) => id === wal.memberId)) {
    findings.push(warning(`the log is that of member ${wal.memberId}, which is not among the members in the database`));
  }
  return findings;
}

function logPositionFindings({ snapshot, wal }: MemberFiles): FitFinding[] {
  // Where a corrupt log ends, and what it goes on from, nobody can tell: it was read up to the damage only.
  if (wal?.entries == null || wal.fault?.kind === "corrupt") return [];
  const [first, last] = [BigInt(wal.entries.firstIndex), BigInt(wal.entries.lastIndex)];
  const commit = BigInt(wal.hardState?.commit ?? 0);
  const findings: FitFinding[] = [];
  if (commit > last) findings.push(error(`entry ${commit} is known to be committed, but the log ends with entry ${last}: its newest part is lost`));
  if (snapshot?.consistentIndex === undefined) return findings;
  const applied = BigInt(snapshot.consistentIndex);
  if (applied > last) findings.push(error(`the database holds entry ${applied}, but the log ends with entry ${last}: its newest part is lost`));
  if (applied + 1n < first) findings.push(error(`the database ends with entry ${applied}, and the log begins with entry ${first}: what is between is lost`));
  return findings;
}

function raftSnapshotFindings({ snapshot, wal, raftSnapshots, receivedDatabases }: MemberFiles): FitFinding[] {
  const findings: FitFinding[] = [];
  const readable = raftSnapshots.filter(({ fault }) => fault === null);
  const newest = readable.at(-1);
  const wanted = wal?.fault?.kind === "corrupt" ? null : wal?.snapshot;
  const isMissing = wanted != null && BigInt(wanted.index) > 0n && !readable.some(({ index, term }) => index === wanted.index && term === wanted.term);
  const wantedName = wanted == null ? "" : raftSnapshotFileName({ index: BigInt(wanted.index) as RaftIndex, term: BigInt(wanted.term) as RaftTerm });
  const firstEntriesAreGone = newest === undefined && BigInt(wal?.entries?.firstIndex ?? 1) > 1n;
  for (const { name, fault } of raftSnapshots) {
    if (fault === null) continue;
    const text = `${name} cannot be read (${fault.offset === null ? "" : `byte ${fault.offset}: `}${fault.text})`;
    if (isMissing && name === wantedName && firstEntriesAreGone) findings.push(error(`${text}, nor any before it: an etcd before 3.7 will refuse to start`));
    else findings.push(warning(`${text}; an etcd before 3.7 renames it to .broken and ${newest === undefined ? "starts without it" : "takes another one"}`));
  }
  if (isMissing && !raftSnapshots.some(({ name, fault }) => fault !== null && name === wantedName)) {
    const text = `the log goes on from the raft snapshot at entry ${wanted.index}, whose file ${wantedName} is missing`;
    findings.push(firstEntriesAreGone ? error(`${text}, as is any before it: an etcd before 3.7 will refuse to start`) : warning(text));
  }
  if (newest?.index === undefined || snapshot?.consistentIndex === undefined || BigInt(newest.index) <= BigInt(snapshot.consistentIndex)) return findings;
  const behind = `the database ends with entry ${snapshot.consistentIndex}, before the raft snapshot ${newest.name}`;
  if (receivedDatabases.includes(BigInt(newest.index)))
    findings.push(warning(`${behind}; etcd replaces it by the one it received from the leader when it starts`));
  else findings.push(error(`${behind}, and the database that belongs to it is missing: etcd will refuse to start`));
  return findings;
}

function warning(text: string): FitFinding {
  return { severity: "warning", text };
}

function error(text: string): FitFinding {
  return { severity: "error", text };
}
