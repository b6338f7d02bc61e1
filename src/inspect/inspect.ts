// What a file or directory is, and its facts. Reads only, takes no lock, and needs none: what a running etcd holds may be torn, and is said to be.
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename } from "node:path";
import { EtcdsafeError, FormatError } from "../errors.ts";
import { HEAD_SIZE_BYTES, snapshotKind } from "../etcd-files/check/snapshot-kind.ts";
import { RAFT_SNAPSHOT_SIZE_BYTES_MAX } from "../etcd-files/raft-snapshot/read.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import { REPOSITORY_KEY } from "../repository/names.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { dataDirectoryLayout, inspectDataDirectory } from "./data-directory.ts";
import { databaseUse } from "./database-use.ts";
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
  const layout = dataDirectoryLayout(path, names);
  if (layout !== undefined) return { kind: "data-directory", ...(await inspectDataDirectory(layout, options)) };
  if (names.some((name) => parseWalSegmentName(name) !== undefined)) {
    const { wal } = await raftSections({ wal: { path, isDirectory: true }, raftSnapshots: [] }, options);
    return { kind: "wal-directory", what: "an etcd write-ahead log", ...(wal === undefined ? {} : { wal }) };
  }
  if (names.includes("db")) {
    return { kind: "directory", what: "the directory snap of an etcd data directory", hint: "Inspect the data directory as a whole, or the file db in here." };
  }
  return { kind: "directory", what: names.length === 0 ? "an empty directory" : "a directory that holds nothing of etcd's or etcdsafe's by name" };
}

async function inspectFile(path: string, sizeBytes: number, options: InspectOptions): Promise<Facts> {
  const head = await readHead(path);
  const name = basename(path);
  if (looksLikeWal(head) || parseWalSegmentName(name) !== undefined) {
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
  const { verdict, what, hint } = snapshotKind(head, sizeBytes);
  if (verdict === "maybe") return inspectDatabase(path, options);
  return { kind: verdict, what, ...(hint === undefined ? {} : { hint }) };
}

async function inspectDatabase(path: string, options: InspectOptions): Promise<Facts> {
  const inUse = await databaseUse(path);
  try {
    const snapshot = await snapshotSection(path, options);
    const foreign = snapshot.revision === undefined ? foreignBuckets(path) : undefined;
    if (foreign !== undefined) return { kind: "other", what: `a bbolt database, but not one of etcd's: its buckets are ${foreign.join(", ") || "none"}` };
    const damaged = snapshot.hash === "differs" || snapshot.revision === undefined ? ", damaged" : "";
    if (snapshot.hash === "absent") return { kind: "database", what: `an etcd database without a hash at its end${damaged}`, inUse, snapshot };
    return { kind: "snapshot", what: `an etcd snapshot${damaged}`, inUse, snapshot };
  } catch (error) {
    if (!(error instanceof EtcdsafeError)) throw error;
    const { code, message, hint } = error;
    if (code === "SNAPSHOT_TRUNCATED") return { kind: "truncated-snapshot", what: message.replace(`${path} is `, ""), hint, inUse };
    if (code === "SNAPSHOT_NOT_A_DATABASE") {
      const why = error.cause instanceof FormatError ? { hint: `As a database it fails: ${error.cause.what}.` } : {};
      return { kind: "other", what: "nothing that etcdsafe knows", ...why };
    }
    throw error;
  }
}

/** snappb's first field, the checksum: field 1, a varint. */
const SNAP_FIRST_BYTE = 0x08;

/** Every file of a log begins with a record of type 4 (crc): its length is 4 to 8 bytes, padded to 8 (etcd-formats §9.1). */
function looksLikeWal(head: Uint8Array): boolean {
  const [length = 0, ...rest] = head.subarray(0, 8);
  const padding = length === 8 ? 0 : 0x80 | (8 - length);
  if (head.length < 16 || length < 4 || length > 8 || rest.at(-1) !== padding || rest.slice(0, -1).some((byte) => byte !== 0)) return false;
  return head[8] === 0x08 && head[9] === 4 && head[10] === 0x10;
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
