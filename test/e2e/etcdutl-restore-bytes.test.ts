// What `etcdutl snapshot restore` of each minor (3.4: etcdctl's) writes besides the database's keys, and what we write for the same flags, side by side.
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rowsOf } from "../../src/etcd-files/bbolt/buckets.ts";
import { openDatabase } from "../../src/etcd-files/bbolt/database.ts";
import { bufferPageSource } from "../../src/etcd-files/bbolt/page-source.ts";
import { parseAdvertisedPeerUrls, parseInitialCluster } from "../../src/etcd-files/membership/initial-cluster.ts";
import { membersBucketRows } from "../../src/etcd-files/membership/members-bucket.ts";
import { type PlannedCluster, type PlannedMember, planCluster } from "../../src/etcd-files/membership/plan-cluster.ts";
import { encodeRestoreSnapshotFile, restoreSnapshotFileName } from "../../src/etcd-files/raft-snapshot/encode.ts";
import { readRaftSnapshot } from "../../src/etcd-files/raft-snapshot/read.ts";
import { WAL_PREALLOCATED_SIZE_BYTES } from "../../src/etcd-files/wal/constants.ts";
import { encodeRestoreWal } from "../../src/etcd-files/wal/encode.ts";
import { readWalFacts } from "../../src/etcd-files/wal/facts.ts";
import { walSegmentName } from "../../src/etcd-files/wal/segment-name.ts";
import { comparableStore } from "../etcd-files/raft-snapshot/comparable-store.ts";
import { etcdutl } from "../support/etcd.ts";
import { MINORS_AT_HAND, type TestedMinor } from "../support/minors.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

/** `initialCluster` as typed; every member is restored with its own part of it as --initial-advertise-peer-urls. */
const CLUSTERS = [
  { size: "1 member, etcdutl's defaults", token: "etcd-cluster", initialCluster: "default=http://localhost:2380" },
  {
    size: "3 members with several URLs each",
    token: "new token é<&>",
    initialCluster: "m1=http://127.0.0.1:42001,m2=https://m2.example:42003,m1=http://127.0.0.1:42002,m3=http://[::1]:42005,m2=https://m2.example:42004",
  },
  {
    size: "5 members with names and URLs that JSON escapes",
    token: "",
    initialCluster: [
      "a<b>c=http://127.0.0.1:42001",
      "d&\"e'\\f=http://127.0.0.1:42002",
      "é 日本 😀=http://127.0.0.1:42003",
      "line\u2028and\u2029paragraph=http://127.0.0.1:42004",
      ' m5=unix:///run/a&b<c>"d.sock',
      ' m5=http://a<b>&"c.example:42005',
    ].join(","),
  },
] as const;

let directory: TemporaryDirectory;
let snapshotPath: string;

beforeAll(async () => {
  directory = await temporaryDirectory("etcdutl");
  snapshotPath = join(directory.path, "snapshot.db");
  await writeFile(snapshotPath, buildSnapshot());
});

afterAll(() => directory.remove());

describe.each(MINORS_AT_HAND.map((minor) => ({ minor })))("etcdutl $minor", ({ minor }) => {
  test.each(CLUSTERS)("restored files are equal to etcdutl's: $size", async ({ token, initialCluster: typed }) => {
    // A socket is a path since 3.5; 3.4 takes host:port only.
    const initialCluster = minor === "3.4" ? typed.replace(/unix:[^,]*/, "unix://a&b<c>:1") : typed;
    const cluster = planCluster(parseInitialCluster(initialCluster), token);
    for (const member of cluster.members) {
      const dataDir = await restoreWithEtcdutl(minor, { token, initialCluster, member });
      await compare(minor, cluster, member, dataDir);
      await rm(dataDir, { recursive: true }); // Each holds 64 MB of preallocated log.
    }
  });
});

async function restoreWithEtcdutl(
  minor: TestedMinor,
  { token, initialCluster, member }: { token: string; initialCluster: string; member: PlannedMember },
): Promise<string> {
  const dataDir = join(directory.path, `${minor}-${member.id}`);
  const flags = {
    name: member.name,
    "initial-cluster": initialCluster,
    "initial-cluster-token": token,
    "initial-advertise-peer-urls": member.peerUrls.join(","),
    "data-dir": dataDir,
  };
  await etcdutl(minor, ["snapshot", "restore", snapshotPath, ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])]);
  expect(parseAdvertisedPeerUrls(member.peerUrls.join(","))).toEqual(member.peerUrls);
  return dataDir;
}

async function compare(minor: TestedMinor, cluster: PlannedCluster, member: PlannedMember, dataDir: string): Promise<void> {
  const { members, clusterId } = cluster;
  const dialect = minor === "3.5" ? "3.6" : minor;
  const walName = walSegmentName({ sequence: 0n, firstIndex: 0n as never });
  const snapName = restoreSnapshotFileName(members.length);
  expect(await tree(dataDir)).toEqual({
    member: "700",
    "member/snap": "700",
    [`member/snap/${snapName}`]: (0o666 & ~process.umask()).toString(8),
    "member/snap/db": "600",
    "member/wal": "700",
    [`member/wal/${walName}`]: "600",
  });

  const theirWal = await readFile(join(dataDir, "member/wal", walName));
  const ourWal = encodeRestoreWal({ memberId: member.id, clusterId, members, dialect });
  expect(theirWal.subarray(0, ourWal.length).toString("hex")).toBe(Buffer.from(ourWal).toString("hex"));
  expect(theirWal).toHaveLength(WAL_PREALLOCATED_SIZE_BYTES);
  expect(Buffer.compare(theirWal.subarray(ourWal.length), Buffer.alloc(WAL_PREALLOCATED_SIZE_BYTES - ourWal.length))).toBe(0);
  expect(readWalFacts(join(dataDir, "member/wal"))).toMatchObject({ metadata: { memberId: member.id, clusterId }, fault: undefined });

  const theirSnap = await readFile(join(dataDir, "member/snap", snapName));
  const ourSnap = encodeRestoreSnapshotFile({ members, dialect });
  if (minor === "3.5") expect(theirSnap.toString("latin1")).toBe(Buffer.from(ourSnap).toString("latin1"));
  const [theirs, ours] = [readRaftSnapshot(theirSnap), readRaftSnapshot(ourSnap)];
  expect({ ...ours, data: comparableStore(ours.data) }).toEqual({ ...theirs, data: comparableStore(theirs.data) });

  if (minor === "3.4") return; // Its etcdctl leaves the old members in the database, which a server of 3.4 does not look at (etcd-formats §4.7).
  const database = openDatabase(bufferPageSource(await readFile(join(dataDir, "member/snap/db"))));
  expect(texts(membersBucketRows(members))).toEqual(texts(rowsOf(database, "members")));
}

/** Every file and directory below, with its mode. */
async function tree(root: string): Promise<Record<string, string>> {
  const modes: Record<string, string> = {};
  for (const path of (await readdir(root, { recursive: true })).sort()) modes[path] = ((await stat(join(root, path))).mode & 0o7777).toString(8);
  return modes;
}

function texts(rows: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>): string[][] {
  return Array.from(rows, ({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]);
}
