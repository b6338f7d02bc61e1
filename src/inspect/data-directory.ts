// An etcd data directory: its database, its log, its raft snapshots, and what lies beside them.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { databaseLock } from "../bytes/file-locks.ts";
import { EtcdsafeError } from "../errors.ts";
import { UnusableFileError } from "../etcd-files/check/snapshot-kind.ts";
import { parseRaftSnapshotFileName } from "../etcd-files/raft-snapshot/file-name.ts";
import { parseWalSegmentName } from "../etcd-files/wal/segment-name.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { DataDirectorySection, Inspection, SnapshotSection } from "./inspection.ts";
import { leftoverText } from "./leftovers.ts";
import { type FitFinding, fitFindings, unappliedEntries } from "./member-fit.ts";
import { raftSections } from "./raft-sections.ts";
import { snapshotSection } from "./snapshot-section.ts";

/** Where things are, as far as they are there. */
export interface DataDirectoryLayout {
  readonly path: string;
  readonly memberDirectory: string | null;
}

/** What findings call the database: they are shown below the directory's path. */
const DATABASE = "snap/db";
const STAGE = /^member\.etcdsafe-/;

/** A directory with `member` in it, or that one itself; undefined for any other. `names` are its entries. */
export async function dataDirectoryLayout(path: string, names: readonly string[]): Promise<DataDirectoryLayout | undefined> {
  if (names.includes("member") && (await kindOf(join(path, "member"))) === "directory") return { path, memberDirectory: join(path, "member") };
  if (names.includes("snap") || names.includes("wal")) return { path, memberDirectory: path };
  return names.some((name) => STAGE.test(name)) ? { path, memberDirectory: null } : undefined;
}

/** Reads and checks all of it, and changes nothing. Damage is in the answer. Throws FILE_FAILED. */
export async function inspectDataDirectory(
  { path, memberDirectory }: DataDirectoryLayout,
  options: CallOptions & { readonly runtime: Pick<Runtime, "progress"> },
): Promise<Omit<Inspection, "path" | "kind">> {
  const [snap, wal] = memberDirectory === null ? [undefined, undefined] : [join(memberDirectory, "snap"), join(memberDirectory, "wal")];
  const [snapNames, walNames] = [await namesIn(snap), await namesIn(wal)];
  const databasePath = snap !== undefined && snapNames.includes("db") ? join(snap, "db") : undefined;
  const inUse = databasePath === undefined ? undefined : await databaseLock(databasePath, options);
  // The database first: what it says was applied, the log of a running etcd holds then.
  const database = databasePath === undefined ? { findings: [error(`there is no database (${DATABASE}) here`)] } : await readDatabase(databasePath, options);
  const names = snapNames.filter((name) => parseRaftSnapshotFileName(name) !== undefined).sort();
  const hasWal = wal !== undefined && walNames.some((name) => parseWalSegmentName(name) !== undefined);
  const read = await raftSections(
    { ...(hasWal ? { wal: { path: wal, isDirectory: true } } : {}), raftSnapshots: names.map((name) => join(snap!, name)) },
    options,
  );
  const raftSnapshots = await Promise.all(
    read.raftSnapshots.map(async (section, index) => ({ name: names[index]!, sizeBytes: (await sizeOf(join(snap!, names[index]!))) ?? 0, ...section })),
  );
  const leftovers = [
    ...(await leftoversIn(path, "data", path)),
    ...(memberDirectory === null ? [] : await leftoversIn(memberDirectory, "member", path)),
    ...(snap === undefined ? [] : await leftoversIn(snap, "snap", path)),
    ...(wal === undefined ? [] : await leftoversIn(wal, "wal", path)),
  ];
  const otherWalFiles = walNames.filter((name) => name.endsWith(".wal") && parseWalSegmentName(name) === undefined);
  const files = { snapshot: database.snapshot, wal: read.wal, otherWalFiles, raftSnapshots, receivedDatabases: receivedDatabases(snapNames) };
  const memberId = read.wal?.memberId ?? null;
  const dataDirectory: DataDirectorySection = {
    memberDirectory,
    memberId,
    memberName: database.snapshot?.members?.find(({ id }) => id === memberId)?.name ?? null,
    clusterId: read.wal?.clusterId ?? null,
    unappliedEntries: unappliedEntries(files)?.toString() ?? null,
    raftSnapshots,
    leftovers,
    findings: memberDirectory === null ? [] : [...database.findings, ...fitFindings(files)],
  };
  return {
    what: memberDirectory === null ? "an etcd data directory without a member: a restore did not finish" : "an etcd data directory",
    ...(inUse === undefined ? {} : { inUse }),
    ...(database.snapshot === undefined ? {} : { snapshot: database.snapshot }),
    ...(read.wal === undefined ? {} : { wal: read.wal }),
    dataDirectory,
  };
}

interface ReadDatabase {
  readonly snapshot?: SnapshotSection;
  readonly findings: readonly FitFinding[];
}

async function readDatabase(path: string, options: CallOptions & { readonly runtime: Pick<Runtime, "progress"> }): Promise<ReadDatabase> {
  const kind = await kindOf(path);
  if (kind !== "file") return { findings: [error(`${DATABASE} is ${kind === "directory" ? "a directory" : "no regular file"}, where the database should be`)] };
  try {
    const snapshot = await snapshotSection(path, options);
    const errors = snapshot.findings.filter(({ severity }) => severity === "error").length;
    return { snapshot, findings: errors === 0 ? [] : [error(`${DATABASE} is damaged: ${errors} error${errors === 1 ? "" : "s"}, listed below`)] };
  } catch (failure) {
    if (!(failure instanceof UnusableFileError)) throw failure;
    return { findings: [error(`${DATABASE} is ${failure.what}`)] };
  }
}

/** Of whatever a link leads to. */
async function kindOf(path: string): Promise<"file" | "directory" | "other"> {
  const stats = await stat(path).catch(() => undefined); // Opening it will say why.
  return stats === undefined || stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
}

async function leftoversIn(directory: string, place: Parameters<typeof leftoverText>[0], root: string): Promise<DataDirectorySection["leftovers"]> {
  const leftovers: { path: string; what: string; sizeBytes: number | null }[] = [];
  for (const name of await namesIn(directory)) {
    const what = leftoverText(place, name);
    const path = join(directory, name);
    if (what !== undefined) leftovers.push({ path: path.slice(root.length).replace(/^\/+/, ""), what, sizeBytes: await sizeOf(path) });
  }
  return leftovers;
}

/** `server/etcdserver/api/snap/db.go` dbFilePath. */
function receivedDatabases(names: readonly string[]): bigint[] {
  return names.flatMap((name) => {
    const [, index] = /^([0-9a-f]{16})\.snap\.db$/.exec(name) ?? [];
    return index === undefined ? [] : [BigInt(`0x${index}`)];
  });
}

/** None for a directory that is not there. */
async function namesIn(directory: string | undefined): Promise<string[]> {
  if (directory === undefined) return [];
  try {
    return (await readdir(directory)).sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT" || (cause as NodeJS.ErrnoException).code === "ENOTDIR") return [];
    throw new EtcdsafeError("FILE_FAILED", `cannot list ${directory}: ${(cause as Error).message}`, { cause });
  }
}

/** Null for a directory. */
async function sizeOf(path: string): Promise<number | null> {
  const stats = await stat(path).catch(() => undefined); // etcd may have removed it since it was listed.
  return stats?.isFile() ? stats.size : null;
}

function error(text: string): FitFinding {
  return { severity: "error", text };
}
