// Whether a process that an upload marker names has ended, as far as this host can tell.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Author, ProcessIdentity } from "../repository/repository.ts";

/** Of this process. Undefined where the operating system does not say, or /proc is another PID namespace's. */
export function processIdentity(): ProcessIdentity | undefined {
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return undefined;
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { bootId, pidNamespace: readlinkSync("/proc/self/ns/pid"), startTicks: startTicksOf(process.pid) };
  } catch {
    return undefined;
  }
}

/**
 * True only where that process ran under this kernel and in this PID namespace, so that it could be seen, and is not: other hosts and containers may have the
 * same name, and the same process ids.
 */
export function isProcessGone({ pid, process: theirs }: Author["writer"]): boolean {
  const ours = theirs && processIdentity();
  if (theirs === undefined || ours === undefined || theirs.bootId !== ours.bootId || theirs.pidNamespace !== ours.pidNamespace) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  try {
    return startTicksOf(pid) !== theirs.startTicks || isZombie(pid); // Another one has its id by now, or its parent has not asked yet how it ended.
  } catch {
    return false;
  }
}

/** Whether all of its threads have ended: the first may be a zombie while another still writes. */
function isZombie(pid: number): boolean {
  return statField(pid, 3) === "Z" && readdirSync(`/proc/${pid}/task`).length <= 1;
}

/** Clock ticks after boot. */
function startTicksOf(pid: number): string {
  return statField(pid, 22);
}

/** Of proc_pid_stat(5), counted as there. Only the second, in parentheses, may hold anything. */
function statField(pid: number, number: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3]!;
}
