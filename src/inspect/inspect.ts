// What a file or directory is, and its facts. Reads only, and needs no lock: what a running etcd holds may be torn, and is said to be.
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename } from "node:path";
import { databaseLock } from "../bytes/file-locks.ts";
import { EtcdsafeError, FormatError } from "../errors.ts";
import { HEAD_SIZE_BYTES, snapshotKind, UnusableFileError } from "../etcd-files/check/snapshot-kind.ts";
import { parseRaftSnapshotFileName } from "../etcd-files/raft-snapshot/file-name.ts";
import { RAFT_SNAPSHOT_SIZE_BYTES_MAX } from "../etcd-files/raft-snapshot/read.ts";
import { endsWithoutRoom, WITHOUT_ROOM } from "../etcd-files/wal/behind-end.ts";
import { looksLikeWalSegment } from "../etcd-files/wal/read.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import { REPOSITORY_KEY } from "../repository/names.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { dataDirectoryLayout, inspectDataDirectory } from "./data-directory.ts";
import { foreignBuckets } from "./foreign-database.ts";
import type { Inspection } from "./inspection.ts";
import { raftSections } from "./raft-sections.ts";
import { inspectRepository } from "./repository-section.ts";
import { snapshotSection } from "./snapshot-section.ts";

export type InspectOptions = CallOptions & { readonly runtime: Runtime };

/** Says what `path` is. That it is damaged, or nothing of etcd's, is an answer. Throws FILE_FAILED when it cannot be read. */
export async function inspectPath(path: string, options: InspectOptions): Promise<Inspection> {
  const stats = await attempt(path, () => stat(path));
  if (stats.isDirectory()) return { path, ...(await inspectDirectory(path, options)) };
  if (!stats.isFile()) return { path, kind: "other", what: "neither a file nor a directory" };
  return { path, sizeBytes: stats.size, ...(await inspectFile(path, stats.size, options)) };
}

type Facts = Omit<Inspection, "path">;

async function inspectDirectory(path: string, options: InspectOptions): Promise<Facts> {
  const names = await attempt(path, () => readdir(path));
  if (names.includes(REPOSITORY_KEY)) return inspectRepository(path, options);
  const layout = await dataDirectoryLayout(path, names);
  if (layout !== undefined) return { kind: "data-directory", ...(await inspectDataDirectory(layout, options)) };
  if (names.some((name) => parseWalSegmentName(name) !== undefined)) {
    const { wal } = await raftSections({ wal: { path, isDirectory: true }, raftSnapshots: [] }, options);
    const hint = wal !== undefined && endsWithoutRoom(wal) ? { hint: `It ${WITHOUT_ROOM}.` } : {};
    return { kind: "wal-directory", what: "an etcd write-ahead log", ...hint, ...(wal === undefined ? {} : { wal }) };
  }
  if (names.includes("db")) {
    return { kind: "directory", what: "the directory snap of an etcd data directory", hint: "Inspect the data directory as a whole, or the file db in here." };
  }
  if (names.some((name) => parseRaftSnapshotFileName(name) !== undefined)) {
    const hint = "Inspect the data directory as a whole, or the .snap files in here one by one.";
    return { kind: "directory", what: "the directory snap of an etcd data directory, without its database (db)", hint };
  }
  if (names.length === 0) return { kind: "directory", what: "an empty directory" };
  return { kind: "directory", what: "a directory that holds nothing of etcd's or etcdsafe's by name", hint: `Files can be inspected one by one. ${KNOWN}` };
}

async function inspectFile(path: string, sizeBytes: number, options: InspectOptions): Promise<Facts> {
  const head = await readHead(path);
  const name = basename(path);
  const { verdict, what, hint } = snapshotKind(head, sizeBytes);
  // A damaged one is known by its name, unless it is plainly something else.
  const mayBeWal = parseWalSegmentName(name) !== undefined && (verdict === "maybe" || verdict === "zeros");
  if (looksLikeWalSegment(head) || mayBeWal) {
    const { wal } = await raftSections({ wal: { path, isDirectory: false }, raftSnapshots: [] }, options);
    return {
      kind: "wal-file",
      what: "a file of an etcd write-ahead log",
      hint: "Inspect its directory to see the log as a whole.",
      ...(wal === undefined ? {} : { wal }),
    };
  }
  if (head[0] === SNAP_FIRST_BYTE && sizeBytes <= RAFT_SNAPSHOT_SIZE_BYTES_MAX) {
    const [raftSnapshot] = (await raftSections({ raftSnapshots: [path] }, options)).raftSnapshots;
    if (raftSnapshot !== undefined && (raftSnapshot.fault === null || name.endsWith(".snap"))) {
      return {
        kind: "raft-snapshot",
        what: "an etcd raft snapshot file",
        hint: "It holds the members, and no keys: those are in the database, snap/db.",
        raftSnapshot,
      };
    }
  }
  if (verdict === "maybe" || verdict === "zeros") return inspectDatabase(path, head, options);
  const named = nameHint(name);
  if (verdict === "text") {
    // Many a text file was never meant to be anything else.
    const isAnswer = named === "" && (name.endsWith(".db") || !what.startsWith("a text file that"));
    const meant = isAnswer ? "If it was to be a snapshot, whatever fetched it stored an answer instead. " : named;
    return { kind: "other", what, hint: `${meant}${KNOWN}` };
  }
  return { kind: verdict, what, hint: `${named}${hint ?? (verdict === "empty" ? "Look at whatever was meant to fill it." : KNOWN)}` };
}

const KNOWN =
  "etcdsafe inspects snapshots, databases (member/snap/db), write-ahead logs (member/wal), raft snapshots (.snap), data directories and its repositories.";

/** What the name promises and the content is not. */
function nameHint(name: string): string {
  if (parseWalSegmentName(name) !== undefined) return "By its name it would be a file of an etcd write-ahead log. ";
  return parseRaftSnapshotFileName(name) === undefined ? "" : "By its name it would be an etcd raft snapshot. ";
}

async function inspectDatabase(path: string, head: Uint8Array, options: InspectOptions): Promise<Facts> {
  const inUse = await databaseLock(path, options);
  try {
    const snapshot = await snapshotSection(path, options);
    const foreign = snapshot.revision === undefined ? foreignBuckets(path) : undefined;
    if (foreign !== undefined) {
      if (foreign.length === 0) return { kind: "other", what: "an empty bbolt database: it has no buckets" };
      return { kind: "other", what: `a bbolt database, but not one of etcd's: its buckets are ${foreign.join(", ")}` };
    }
    const damaged = snapshot.hash === "differs" || snapshot.revision === undefined ? ", damaged" : "";
    if (snapshot.hash === "absent") return { kind: "database", what: `an etcd database without a hash at its end${damaged}`, inUse, snapshot };
    return { kind: "snapshot", what: `an etcd snapshot${damaged}`, inUse, snapshot };
  } catch (error) {
    if (!(error instanceof UnusableFileError)) throw error;
    const { code, what, hint, cause } = error;
    if (code === "SNAPSHOT_TRUNCATED") return { kind: "truncated-snapshot", what, hint, inUse };
    const named = nameHint(basename(path));
    if (code === "SNAPSHOT_DAMAGED" || head.every((byte) => byte === 0)) return { kind: "other", what, hint: `${named}${hint}` };
    const why = cause instanceof FormatError ? `As a database it fails: ${cause.what}. ` : "";
    return { kind: "other", what: "nothing that etcdsafe knows", hint: `${named}It begins with the bytes ${hexOf(head.subarray(0, 8))}. ${why}${KNOWN}` };
  }
}

/** snappb's first field, the checksum: field 1, a varint. */
const SNAP_FIRST_BYTE = 0x08;

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

async function readHead(path: string): Promise<Uint8Array> {
  return attempt(path, async () => {
    const file: FileHandle = await open(path, "r");
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_SIZE_BYTES), 0, HEAD_SIZE_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  });
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new EtcdsafeError("FILE_FAILED", `cannot look at ${path}: ${(cause as Error).message}`, { cause });
  }
}
