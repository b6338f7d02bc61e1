// Reads how far a member's database and log go, in a thread of its own (bytes/worker.ts): a segment of a log takes up to a second.
import { statSync } from "node:fs";
import { join } from "node:path";
import type { WorkerContext } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import { lostBehindEnd } from "../etcd-files/wal/behind-end.ts";
import { cancellable } from "../etcd-files/wal/cancellable-segment.ts";
import { type FileSegment, fileSegments } from "../etcd-files/wal/directory.ts";
import { walFacts } from "../etcd-files/wal/facts.ts";
import { formerMembersIn } from "./former-members.ts";
import type { MemberFiles } from "./member-revision.ts";

export interface MemberPlaces {
  readonly memberDir: string;
  /** Where its log may be, the likeliest first. */
  readonly walDirs: readonly string[];
}

export function run({ memberDir, walDirs }: MemberPlaces, context: WorkerContext): MemberFiles {
  return { database: readDatabase(join(memberDir, "snap", "db")), log: readLog(walDirs, context) };
}

function readDatabase(path: string): MemberFiles["database"] {
  return attempt(path, () => {
    const at = statSync(path).mtime.toISOString();
    const { revision, consistentIndex } = peekSnapshotFile(path);
    return { path, revision, consistentIndex, memberIds: formerMembersIn(path).map(({ id }) => id), at };
  });
}

/** Where the log ends is in its last segment, whose name says where the one before it ended. */
function readLog(walDirs: readonly string[], context: WorkerContext): MemberFiles["log"] {
  for (const path of walDirs) {
    const log = attempt(path, () => {
      statSync(path);
      const last = fileSegments(path).at(-1);
      return last === undefined ? null : endOfLog(path, cancellable(last, context));
    });
    if (log !== null) return log;
  }
  return null;
}

function endOfLog(path: string, last: FileSegment): MemberFiles["log"] {
  const read = walFacts([last]);
  const { metadata, fault, segments, ...facts } = read;
  const before = last.firstIndex - 1n;
  const lastIndex = before > facts.lastIndex ? before : facts.lastIndex;
  // Each has its first records before it has its name (`server/storage/wal/wal.go` Create and cut).
  const isEmpty = segments.some(({ records }) => records === 0);
  const early = fault?.kind === "corrupt" || (isEmpty && fault !== undefined) ? fault.text : isEmpty ? "its last file holds no record" : undefined;
  const corruption = early ?? lostBehindEnd([last], read) ?? null;
  const commit = facts.hardState?.commit ?? 0n;
  return { path, lastIndex, commit, metadata: metadata ?? null, corruption, at: statSync(join(path, last.name)).mtime.toISOString() };
}

/** Null for what is not there; that it may not be looked at is something else. */
function attempt<T>(path: string, read: () => T): T | { readonly path: string; readonly fault: string } | null {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    if (error instanceof EtcdsafeError || (error instanceof Error && "syscall" in error)) return { path, fault: error.message };
    throw error;
  }
}
