// What is in the way of a restore: the directories it is to write, and the member that may be there. Looked at; nothing is written.
import { type BigIntStats, existsSync } from "node:fs";
import { access, constants, lstat, readdir, readlink, realpath, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { readMounts } from "../bytes/mounts.ts";
import { EtcdsafeError } from "../errors.ts";
import { peekSnapshotFile } from "../etcd-files/check/peek-file.ts";
import type { MemberTarget } from "./plan.ts";

/** Who may use a file or directory. `mode`: four octal digits. */
export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  readonly mode: string;
}

export interface TargetFacts {
  readonly name: string;
  readonly dataDir: DirectoryFacts;
  /** Null where the WAL goes into the member's own directory. */
  readonly walDir: DirectoryFacts | null;
  /** Null where there is none. */
  readonly member: ExistingMember | null;
}

export interface DirectoryFacts {
  readonly path: string;
  /** Null: there is no such directory yet. */
  readonly access: FileAccess | null;
  readonly names: readonly string[];
  /** Why nothing can be written to this directory, or to the one that it will be made in; null where it can. */
  readonly writeFault: string | null;
  /** Of this directory, or of the one that it will be made in. */
  readonly fileSystem: { readonly device: string; readonly freeBytes: number | null };
}

export interface ExistingMember {
  /** A directory of its own file system, or a mount, cannot be renamed. */
  readonly isMount: boolean;
  /** What is mounted inside of it: it would go with the directory when that is renamed, until the next boot mounts it on what is there then. */
  readonly mounts: readonly string[];
  /** Which of it, its `snap` and its `wal` are links, and where to. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Whether its `wal` holds a segment. */
  readonly hasWal: boolean;
  /** Of what is there of it. */
  readonly access: Readonly<Partial<Record<"member" | "snap" | "wal" | "database" | "walFile" | "snapFile", FileAccess>>>;
  /** Null where there is no database. */
  readonly databaseSizeBytes: number | null;
  /** The database's; null where it has none that can be read. */
  readonly revision: string | null;
}

/** Where an entry of a target lies that an interrupted restore has moved; as if it had not, unless told otherwise. */
export type Whereabouts = (path: string) => string;

/** Throws TARGET_NOT_EMPTY where a file is in a directory's place, and the file system's errors. */
export async function targetFacts(target: MemberTarget, names: NamesIn = namesIn, whereIs: Whereabouts = (path) => path): Promise<TargetFacts> {
  const dataDir = await directoryFacts(target.dataDir, names);
  const walDir = target.walDir === undefined ? null : await directoryFacts(target.walDir, names);
  const member = dataDir.names.includes("member") ? await existingMember(dataDir.path, walDir, whereIs) : null;
  return { name: target.name, dataDir, walDir, member };
}

export type NamesIn = (directory: string) => Promise<readonly string[]>;

/** The entries of a directory, none where it is missing. Throws TARGET_NOT_EMPTY for a file, or what is said to lie in one. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      await requireNoDanglingLink(directory);
      return [];
    }
    if (code === "ENOTDIR") throw await fileInTheWay(directory);
    throw error;
  }
}

/** A directory cannot be made through a link that leads nowhere. */
async function requireNoDanglingLink(directory: string): Promise<void> {
  let place = directory;
  while (place !== dirname(place) && (await lstat(place).catch(() => undefined)) === undefined) place = dirname(place);
  const target = (await statIfThere(place)) === undefined ? await readlink(place).catch(() => undefined) : undefined;
  if (target === undefined) return;
  const why = place === directory ? `is a link to ${target}` : `cannot be made: ${place} is a link to ${target}`;
  throw new EtcdsafeError("FILE_FAILED", `${directory} ${why}, and there is nothing there`, {
    hint: "If that is on a disk of its own, mount it; else make the directory that the link leads to, or name another one. Nothing was written.",
  });
}

async function directoryFacts(path: string, names: NamesIn): Promise<DirectoryFacts> {
  const entries = await names(path);
  const stats = await statIfThere(path);
  let existing = path;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  const { dev } = await stat(existing, { bigint: true });
  const free = await statfs(existing).catch(() => undefined); // Some network file systems do not tell.
  const writeFault = await access(existing, constants.W_OK | constants.X_OK).then(
    () => null,
    (error: Error) => error.message,
  );
  return {
    path,
    access: stats === undefined ? null : accessOf(stats),
    names: entries,
    writeFault,
    fileSystem: { device: dev.toString(), freeBytes: free === undefined ? null : free.bavail * free.bsize },
  };
}

async function existingMember(dataDir: string, walDir: DirectoryFacts | null, whereIs: Whereabouts): Promise<ExistingMember> {
  const path = whereIs(join(dataDir, "member"));
  const [snap, wal] = [join(path, "snap"), walDir?.path ?? join(path, "wal")];
  const walNames = walDir?.names ?? (await namesIfThere(wal));
  const segment = walNames.find((name) => name.endsWith(".wal"));
  const raftSnapshot = (await namesIfThere(snap)).find((name) => name.endsWith(".snap"));
  const places = {
    member: path,
    snap,
    wal,
    database: join(snap, "db"),
    walFile: segment && whereIs(join(wal, segment)),
    snapFile: raftSnapshot && join(snap, raftSnapshot),
  };
  const found: Partial<Record<keyof typeof places, FileAccess>> = {};
  for (const [kind, place] of Object.entries(places)) {
    const stats = place === undefined ? undefined : await statIfThere(place);
    // What is no directory says nothing of who may use one.
    if (stats !== undefined && stats.isDirectory() === DIRECTORIES.has(kind)) found[kind as keyof typeof places] = accessOf(stats);
  }
  const database = await statIfThere(places.database);
  const place = join(await realpath(dirname(path)), basename(path));
  const mounts = (await readMounts()).map(({ point }) => point);
  const [{ dev }, parent] = await Promise.all([lstat(path, { bigint: true }), stat(dataDir, { bigint: true })]);
  return {
    isMount: dev !== parent.dev || mounts.includes(place),
    mounts: mounts.filter((point) => point.startsWith(`${place}/`)).map((point) => join(path, relative(place, point))),
    links: (await Promise.all([path, snap, join(path, "wal")].map(linkAt))).flat(),
    hasWal: segment !== undefined,
    access: found,
    databaseSizeBytes: database === undefined ? null : Number(database.size),
    revision: database?.isFile() ? revisionOf(places.database) : null,
  };
}

const DIRECTORIES: ReadonlySet<string> = new Set(["member", "snap", "wal"]);

async function linkAt(path: string): Promise<ExistingMember["links"]> {
  return readlink(path).then(
    (target) => [{ path, target: resolve(dirname(path), target) }],
    () => [],
  );
}

/** Null for a database that cannot be read: what is replaced may well be damaged. */
function revisionOf(path: string): string | null {
  try {
    return peekSnapshotFile(path).revision.toString();
  } catch {
    return null;
  }
}

function accessOf({ uid, gid, mode }: BigIntStats): FileAccess {
  return { uid: Number(uid), gid: Number(gid), mode: (Number(mode) & 0o7777).toString(8).padStart(4, "0") };
}

async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  return stat(path, { bigint: true }).catch(() => undefined);
}

async function namesIfThere(directory: string): Promise<string[]> {
  return readdir(directory).then(
    (names) => names.sort(),
    () => [],
  );
}

/** `directory` is a file, or is said to lie in one, at whatever depth. */
async function fileInTheWay(directory: string): Promise<EtcdsafeError> {
  let file = directory;
  while (file !== dirname(file) && (await statIfThere(file)) === undefined) file = dirname(file);
  const why = file === directory ? "is a file, not a directory" : `cannot be made: ${file} is a file, not a directory`;
  return new EtcdsafeError("TARGET_NOT_EMPTY", `${directory} ${why}`);
}
