// What `inspect` found, for people: the kind first, then the facts of each section, and below them what is wrong.

import { mayHaveGoneOn } from "../etcd-files/wal/behind-end.ts";
import type {
  DatabaseUse,
  DataDirectorySection,
  Inspection,
  RaftSnapshotSection,
  RepositorySection,
  SnapshotSection,
  WalFaultSection,
  WalSection,
} from "../inspect/inspection.ts";
import { formatSize } from "./format.ts";
import { facts, table } from "./output.ts";
import { printableLine } from "./printable.ts";

/** More than these nobody reads; JSON has all. */
const FINDINGS_SHOWN = 50;

export function inspectionText({ path, kind, what, sizeBytes, hint, inUse, snapshot, wal, raftSnapshot, dataDirectory, repository }: Inspection): string {
  return paragraphs([
    `${printableLine(path)}: ${printableLine(what)}${sizeBytes === undefined || kind === "truncated-snapshot" ? "" : `, ${formatSize(sizeBytes)}`}\n${hint === undefined ? "" : `${printableLine(hint)}\n`}`,
    useText(inUse),
    dataDirectory === undefined ? "" : directoryText(dataDirectory),
    snapshot === undefined ? "" : snapshotText(snapshot),
    wal === undefined ? "" : walText(wal, dataDirectory !== undefined),
    raftSnapshot === undefined ? "" : raftSnapshotText(raftSnapshot),
    repository === undefined ? "" : repositoryText(repository),
  ]);
}

function useText(inUse: DatabaseUse | undefined): string {
  if (inUse === undefined || inUse.locked === false) return "";
  if (inUse.locked === null) return "Whether an etcd has it open cannot be told on this system; if one has, what was read may be torn.\n";
  return `An etcd has it open${inUse.processId === null ? "" : ` (process ${inUse.processId})`}: what was read may be torn.\n`;
}

function snapshotText(snapshot: SnapshotSection): string {
  const { members = [], keysByPrefix = [], findings } = snapshot;
  const about = facts([
    [
      "hash at the end",
      { matches: "right", differs: "DIFFERS from that of the bytes before it", absent: "none, as in a copy of member/snap/db" }[snapshot.hash],
    ],
    ["SHA-256", snapshot.sha256],
    ["etcdutl's hash", snapshot.statusHash?.toString(16)],
    ["database", snapshot.databaseSizeBytes === undefined ? null : `${formatSize(snapshot.databaseSizeBytes)}, pages of ${snapshot.pageSizeBytes} bytes`],
    ["the rest", snapshot.revision === undefined ? "not told: what a damaged database says of itself means nothing" : null],
    ["revision", snapshot.revision],
    ["compacted up to", compactionText(snapshot)],
    ["HashKV", snapshot.hashKv == null ? null : `${snapshot.hashKv.hash} at revision ${snapshot.hashKv.revision}`],
    ["raft", snapshot.consistentIndex === undefined ? null : `index ${snapshot.consistentIndex}${snapshot.term == null ? "" : `, term ${snapshot.term}`}`],
    ["storage version", snapshot.storageVersion === null ? "none, as before etcd 3.6" : snapshot.storageVersion],
    ["cluster version", snapshot.clusterVersion],
    ["downgrade", snapshot.downgrade?.enabled ? `to ${snapshot.downgrade.targetVersion}` : null],
    ["keys", snapshot.keys],
    ["revisions kept", snapshot.revisions === undefined ? null : `${snapshot.revisions}, ${snapshot.tombstones ?? 0} of them deletions`],
    ["leases", snapshot.leases],
    ["users, roles", snapshot.users === undefined ? null : `${snapshot.users}, ${snapshot.roles}`],
    ["authentication", snapshot.authEnabled === undefined ? null : snapshot.authEnabled ? "on" : "off"],
    ["alarms", snapshot.alarms?.map(({ alarm, memberId }) => `${alarm} of ${memberId}`).join(", ")],
  ]);
  const memberTable = table(members, [
    { title: "member", of: ({ name }) => name },
    { title: "id", of: ({ id }) => id },
    { title: "peer URLs", of: ({ peerUrls }) => peerUrls.join(",") },
    { title: "client URLs", of: ({ clientUrls }) => clientUrls.join(",") },
    { title: "role", of: ({ isLearner }) => (isLearner ? "learner" : "voter") },
  ]);
  const prefixTable = table(keysByPrefix, [
    { title: "keys", align: "right", of: ({ keys }) => String(keys) },
    { title: "below", of: ({ prefix }) => (prefix === "" ? "(no /)" : prefix) },
  ]);
  const lines = findings.map(({ severity, offset, text }) => `${severity}: byte ${offset}: ${printableLine(text)}\n`);
  return paragraphs([about, members.length === 0 ? "" : memberTable, keysByPrefix.length === 0 ? "" : prefixTable, shortened(lines)]);
}

function compactionText({ compactRevision, scheduledCompactRevision }: SnapshotSection): string | undefined {
  if (compactRevision === undefined) return undefined;
  const finished = compactRevision === "-1" ? "nothing yet" : compactRevision;
  const isUnfinished = scheduledCompactRevision !== undefined && scheduledCompactRevision !== "-1" && scheduledCompactRevision !== compactRevision;
  return isUnfinished ? `${finished}, and an unfinished compaction up to ${scheduledCompactRevision}` : finished;
}

/** The findings of a data directory tell the fault already. */
function walText({ segments, memberId, clusterId, hardState, entries, snapshot, fault, behindEnd }: WalSection, isFaultTold: boolean): string {
  const about = facts([
    [fault?.kind ?? "", fault === null || isFaultTold ? null : walFaultText(fault, behindEnd)],
    ["the log", behindEnd === null || isFaultTold ? null : mayHaveGoneOn(segments.at(-1)?.name ?? "", behindEnd)],
    ["read", fault?.kind === "corrupt" ? "up to the damage: the log may hold more than what follows" : null],
    ["log of member", memberId],
    ["in cluster", clusterId],
    ["term, vote, commit", hardState === null ? null : `${hardState.term}, ${hardState.vote}, ${hardState.commit}`],
    ["entries", entries === null ? "none" : `${entries.firstIndex} to ${entries.lastIndex}, the last of term ${entries.lastTerm}`],
    ["raft snapshot", snapshot === null ? null : `index ${snapshot.index}, term ${snapshot.term}`],
  ]);
  const segmentTable = table(segments, [
    { title: "segment", of: ({ name }) => name },
    { title: "records", align: "right", of: ({ records }) => (records === null ? "not read" : String(records)) },
    { title: "used", align: "right", of: ({ usedBytes }) => (usedBytes === null ? "" : formatSize(usedBytes)) },
    { title: "size", align: "right", of: ({ sizeBytes }) => formatSize(sizeBytes) },
  ]);
  return paragraphs([about, segmentTable]);
}

function walFaultText({ kind, segment, offset, text }: WalFaultSection, behindEnd: string | null): string {
  const place = offset === null ? segment : `${segment}, byte ${offset}`;
  if (behindEnd !== null) return `${place}: ${text}`;
  return `${place}: ${text} (etcd ${kind === "torn" ? "repairs this when it starts" : "refuses to start from it"})`;
}

function raftSnapshotText({ index, term, confState, members, fault }: RaftSnapshotSection): string {
  if (fault !== null) return facts([["fault", `${fault.offset === null ? "" : `byte ${fault.offset}: `}${fault.text}`]]);
  return facts([
    ["raft", `index ${index}, term ${term}`],
    ["voters", confState?.voters.join(", ")],
    ["learners", confState?.learners.join(", ")],
    ["v2 store", members === null ? "unreadable: etcd before 3.7 refuses to start from it" : null],
    ["members", members?.map(({ id, peerUrls }) => `${id} (${peerUrls.join(",")})`).join(", ")],
  ]);
}

function directoryText({
  memberDirectory,
  memberId,
  memberName,
  clusterId,
  unappliedEntries,
  raftSnapshots,
  leftovers,
  findings,
}: DataDirectorySection): string {
  const about = facts([
    ["member", [memberId, memberName].filter((part) => part !== null).join(" ")],
    ["cluster", clusterId],
    ["directory", memberDirectory ?? "none yet: etcd never started, or a restore did not finish"],
    [
      "only in the log",
      unappliedEntries === null || unappliedEntries === "0"
        ? null
        : `${unappliedEntries} ${unappliedEntries === "1" ? "entry" : "entries"}; a copy of the database alone lacks ${unappliedEntries === "1" ? "it" : "them"}`,
    ],
  ]);
  const snapshotTable = table(raftSnapshots, [
    { title: "raft snapshot", of: ({ name }) => name },
    { title: "index", align: "right", of: ({ index }) => index ?? "" },
    { title: "term", align: "right", of: ({ term }) => term ?? "" },
    { title: "size", align: "right", of: ({ sizeBytes }) => formatSize(sizeBytes) },
    { title: "state", of: ({ fault }) => (fault === null ? "good" : "cannot be read") },
  ]);
  const leftoverTable = table(leftovers, [
    { title: "left over", of: ({ path }) => path },
    { title: "size", align: "right", of: ({ sizeBytes }) => (sizeBytes === null ? "" : formatSize(sizeBytes)) },
    { title: "what it is", of: ({ what }) => what },
  ]);
  return paragraphs([
    about,
    shortened(findings.map(({ severity, text }) => `${severity}: ${printableLine(text)}\n`)),
    raftSnapshots.length === 0 ? "" : snapshotTable,
    leftovers.length === 0 ? "" : leftoverTable,
  ]);
}

function repositoryText({ id, createdAt, clusters }: RepositorySection): string {
  return facts([
    ["repository", id],
    ["created", createdAt],
    ...clusters.map(({ name, backups }) => ["cluster", `${name}: ${backups} backup${backups === 1 ? "" : "s"}`] as const),
  ]);
}

function shortened(lines: readonly string[]): string {
  const more = lines.length > FINDINGS_SHOWN ? `… and ${lines.length - FINDINGS_SHOWN} more\n` : "";
  return `${lines.slice(0, FINDINGS_SHOWN).join("")}${more}`;
}

function paragraphs(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n");
}
