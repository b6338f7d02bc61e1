// What is mounted where, by Linux's own list (`man 5 proc_pid_mountinfo`): `36 35 98:0 /root /mount/point options …`.
import { readFile } from "node:fs/promises";

export interface Mount {
  /** Where it is mounted, without links on the way. */
  readonly point: string;
  /** What the kernel calls its device: `8:1`; stat tells another number for the subvolumes of btrfs. */
  readonly device: string;
}

/** Those that this process sees, as they follow each other; none off Linux. */
export async function readMounts(): Promise<Mount[]> {
  return parseMounts(await readFile("/proc/self/mountinfo", "utf8").catch(() => ""));
}

export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [, , device, , escaped] = line.split(" ");
    if (device === undefined || escaped === undefined) return [];
    return [{ device, point: escaped.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))) }];
  });
}
