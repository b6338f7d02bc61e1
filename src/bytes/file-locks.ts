// Whether somebody holds a lock on a file. Node has no flock(2), so the program of that name tries for one, and Linux's own list of locks is read.
// Neither knows everything: the list leaves out the flock(2) locks of other PID namespaces, though not the OFD locks there (kernel `fs/locks.c`
// locks_translate_pid), and a try of flock(2) says nothing of OFD and POSIX locks. Locks of other hosts show where the file system passes them on.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, open, readFile, realpath, stat } from "node:fs/promises";
import type { CallOptions } from "../runtime.ts";
import { type Mount, readMounts } from "./mounts.ts";

export interface FileLock {
  /** Null where it cannot be found out. A lock that only keeps writers away does not count. */
  readonly locked: boolean | null;
  /** Null where nobody is known to hold one: Linux names holders of flock(2) and POSIX locks in this PID namespace. */
  readonly processId: number | null;
}

const UNKNOWN: FileLock = { locked: null, processId: null };
/** A try of flock(2) that does not wait; only a machine that hardly runs, or a file server that does not answer, needs longer. */
const TRY_LIMIT_MS = 3_000;

/**
 * The lock that bbolt holds on a database as long as it is open for writing (bbolt `bolt_unix.go` flock). Found whoever holds it, other containers and the
 * host included, where the program flock is installed; without that, it is found in this PID namespace, and otherwise unknown.
 */
export async function databaseLock(path: string, options: CallOptions): Promise<FileLock> {
  const [listed, isFree] = await Promise.all([listedLock(path), canFlock(path, options)]);
  if (listed.locked) return listed;
  return isFree === undefined ? UNKNOWN : { locked: !isFree, processId: null };
}

/**
 * A lock in Linux's own list: of OFD locks, as etcd holds on the newest files of its WAL (`client/pkg/fileutil/lock_linux.go`), all; of other kinds those
 * whose holders are of this PID namespace. Unknown off Linux.
 */
export async function listedLock(path: string): Promise<FileLock> {
  const [locks, stats] = await Promise.all([readFile("/proc/locks", "utf8").catch(() => undefined), stat(path, { bigint: true }).catch(() => undefined)]);
  if (locks === undefined || stats === undefined) return UNKNOWN;
  return lockHolder(locks, { inode: stats.ino, devices: [deviceName(stats.dev), ...(await mountedDevice(path))] });
}

/** Who has an exclusive lock on a file, by the lines of /proc/locks (`man 5 proc_locks`): `1: FLOCK  ADVISORY  WRITE 23980 fe:00:9979056 0 EOF`. */
export function lockHolder(locks: string, file: { readonly inode: bigint; readonly devices: readonly string[] }): FileLock {
  for (const line of locks.split("\n")) {
    const [, processId, device, inode] = /^\d+:\s+(?:FLOCK|OFDLCK|POSIX)\s+\S+\s+WRITE\s+(-?\d+)\s+([0-9a-f]+:[0-9a-f]+):(\d+)\s/.exec(line) ?? [];
    if (device === undefined || inode !== String(file.inode) || !file.devices.includes(device)) continue;
    return { locked: true, processId: Number(processId) > 0 ? Number(processId) : null };
  }
  return { locked: false, processId: null };
}

/** As /proc/locks writes it: glibc's `major` and `minor` of stat's number, in hexadecimal digits. */
export function deviceName(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return [major, minor].map((number) => number.toString(16).padStart(2, "0")).join(":");
}

/** What the kernel calls the file system's device; stat tells another number for the subvolumes of btrfs. */
async function mountedDevice(path: string): Promise<string[]> {
  try {
    const device = deviceOfMount(await readMounts(), await realpath(path));
    return device === undefined ? [] : [device];
  } catch {
    return [];
  }
}

/** The device of the mount that `path` lies in, in the digits of /proc/locks. */
export function deviceOfMount(mounts: readonly Mount[], path: string): string | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const { point } = mount;
    const isAbove = path === point || path.startsWith(point === "/" ? point : `${point}/`);
    if (isAbove && point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found?.device
    .split(":")
    .map((number) => Number(number).toString(16).padStart(2, "0"))
    .join(":");
}

/**
 * Whether a shared lock can be had: not while somebody holds an exclusive one. Tried on a descriptor, which both util-linux and busybox take, and nothing
 * is created. Undefined without the program, and where the file system has no such locks.
 */
async function canFlock(path: string, { signal }: CallOptions): Promise<boolean | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined); // A pipe would make it wait otherwise.
  if (file === undefined) return undefined;
  try {
    const child = spawn("flock", ["-s", "-n", "3"], {
      stdio: ["ignore", "ignore", "pipe", file.fd],
      signal: AbortSignal.any([signal, AbortSignal.timeout(TRY_LIMIT_MS)]),
    });
    let complaint = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    const [code] = await once(child, "close");
    // Both say nothing when the lock is taken; every other failure they explain.
    return code === 0 ? true : code === 1 && complaint === "" ? false : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  } finally {
    await file.close();
  }
}
