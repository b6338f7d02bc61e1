// Whether an etcd has a database open: bbolt holds a lock on the file as long as it does (bbolt `bolt_unix.go` flock). Linux tells who holds
// locks; elsewhere, and about processes of other containers, nothing is known.
import { readFile, stat } from "node:fs/promises";
import type { DatabaseUse } from "./inspection.ts";

export async function databaseUse(path: string): Promise<DatabaseUse> {
  const locks = await readFile("/proc/locks", "utf8").catch(() => undefined);
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return locks === undefined || stats === undefined ? { locked: null, processId: null } : lockHolder(locks, stats.ino);
}

/** `man 5 proc_locks`: `1: FLOCK  ADVISORY  WRITE 23980 fe:00:9979056 0 EOF`. Devices are not compared: some file systems show another than stat does. */
export function lockHolder(locks: string, inode: bigint): DatabaseUse {
  for (const line of locks.split("\n")) {
    const [, processId, found] = /^\d+:\s+FLOCK\s+ADVISORY\s+WRITE\s+(-?\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line) ?? [];
    if (found === String(inode)) return { locked: true, processId: Number(processId) > 0 ? Number(processId) : null };
  }
  return { locked: false, processId: null };
}
