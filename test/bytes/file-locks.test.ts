import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databaseLock, deviceName, deviceOfMount, lockHolder } from "../../src/bytes/file-locks.ts";
import { parseMounts } from "../../src/bytes/mounts.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LOCKS = `1: OFDLCK ADVISORY  WRITE -1 fe:00:9979063 0 EOF
2: FLOCK  ADVISORY  WRITE 23980 fe:00:9979056 0 EOF
2: -> FLOCK  ADVISORY  WRITE 24000 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 0 00:2f:4242 0 EOF
4: FLOCK  ADVISORY  READ  55 fe:00:88 0 EOF
5: POSIX  ADVISORY  WRITE 3548 08:01:99 0 EOF
`;
const signal = new AbortController().signal;

test("the list of locks: the holder is found by the file's device and inode", () => {
  expect(lockHolder(LOCKS, { inode: 9979056n, devices: ["fe:00"] })).toEqual({ locked: true, processId: 23980 });
  expect(lockHolder(LOCKS, { inode: 99n, devices: ["00:31", "08:01"] })).toEqual({ locked: true, processId: 3548 });
});

test("the list of locks: who is in another PID namespace, or holds an OFD lock, has no number", () => {
  expect(lockHolder(LOCKS, { inode: 4242n, devices: ["00:2f"] })).toEqual({ locked: true, processId: null });
  expect(lockHolder(LOCKS, { inode: 9979063n, devices: ["fe:00"] })).toEqual({ locked: true, processId: null });
});

test("the list of locks: waiters, readers, other files, and files of the same number on other devices do not count", () => {
  for (const inode of [77n, 88n, 9056n, 99n]) expect(lockHolder(LOCKS, { inode, devices: ["fe:00"] })).toEqual({ locked: false, processId: null });
});

test("device numbers are written as the kernel writes them", () => {
  expect(deviceName(65024n)).toBe("fe:00");
  expect(deviceName(0x811n)).toBe("08:11"); // /dev/sdb1
  expect(deviceName(0x1010302n)).toBe("103:1002"); // makedev(0x103, 0x1002)
});

test("the device of a mount is that of the deepest one around the path, the newest of several at one place", () => {
  const mountinfo = [
    "22 1 254:0 / / rw - ext4 a rw",
    "30 22 0:42 /s /var/my\\040data rw - btrfs b rw",
    "31 22 8:17 / /var rw - ext4 c rw",
    "32 31 8:33 / /var rw - ext4 d rw",
  ].join("\n");
  const mounts = parseMounts(mountinfo);
  expect(deviceOfMount(mounts, "/var/my data/member/snap/db")).toBe("00:2a");
  expect(deviceOfMount(mounts, "/var/my database")).toBe("08:21");
  expect(deviceOfMount(mounts, "/variable")).toBe("fe:00");
});

test("a database is locked as long as somebody holds flock(2) on it exclusively, and not by who only reads", async () => {
  await using directory = await temporaryDirectory("locks");
  const path = join(directory.path, "db");
  await writeFile(path, "");
  expect(await databaseLock(path, { signal })).toEqual({ locked: false, processId: null });
  for (const [kind, locked] of [
    ["-x", true],
    ["-s", false],
  ] as const) {
    const holder = spawn("flock", [kind, path, "sh", "-c", "echo held; cat"], { stdio: ["pipe", "pipe", "ignore"] });
    await once(holder.stdout, "data");
    expect(await databaseLock(path, { signal })).toMatchObject({ locked });
    holder.stdin.end();
    await once(holder, "close");
  }
  expect(await databaseLock(path, { signal })).toEqual({ locked: false, processId: null });
});

test("without the program flock, what nobody is seen to lock may be locked all the same", async () => {
  await using directory = await temporaryDirectory("locks");
  const path = join(directory.path, "db");
  await writeFile(path, "");
  const { PATH } = process.env;
  try {
    process.env["PATH"] = directory.path;
    expect(await databaseLock(path, { signal })).toEqual({ locked: null, processId: null });
  } finally {
    process.env["PATH"] = PATH;
  }
});
