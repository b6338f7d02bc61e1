// Locks that a running etcd holds in a directory that is to be written: the one sign that cannot be mistaken.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { databaseLock, type FileLock, listedLock } from "../bytes/file-locks.ts";
import type { CallOptions } from "../runtime.ts";

export interface SeenLocks {
  readonly dataDir: string;
  /** The database and the files of the WAL that are there. */
  readonly files: readonly SeenLock[];
}

export interface SeenLock extends FileLock {
  readonly path: string;
  /** What the holder is called, e.g. etcd; null where that is not known. */
  readonly program: string | null;
}

interface Target {
  readonly dataDir: string;
  readonly walDir: string | null;
}

/** etcd locks the files of its WAL from the last raft snapshot on, and the ones it has ready for what comes (`server/storage/wal/file_pipeline.go`). */
const WAL_FILE = /\.(wal|tmp)$/;

export async function seeLocks({ dataDir, walDir }: Target, options: CallOptions): Promise<SeenLocks> {
  const database = join(dataDir, "member", "snap", "db");
  const looks = (await namesIn(join(dataDir, "member", "snap"))).includes("db") ? [seen(database, databaseLock(database, options))] : [];
  for (const directory of [join(dataDir, "member", "wal"), ...(walDir === null ? [] : [walDir])]) {
    const names = (await namesIn(directory)).filter((name) => WAL_FILE.test(name));
    looks.push(...names.map((name) => seen(join(directory, name), listedLock(join(directory, name)))));
  }
  return { dataDir, files: await Promise.all(looks) };
}

async function seen(path: string, look: Promise<FileLock>): Promise<SeenLock> {
  const lock = await look;
  const comm = lock.processId === null ? undefined : await readFile(`/proc/${lock.processId}/comm`, "utf8").catch(() => undefined);
  return { path, ...lock, program: comm?.trim() ?? null };
}

/** None of what cannot be listed: writing there will say why. */
function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
