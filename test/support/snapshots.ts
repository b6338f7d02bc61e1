// Whole etcd snapshot images for tests: the ten buckets as a server of 3.6 leaves them, with whatever a test wants to differ.
import { createHash } from "node:crypto";
import type { Row } from "../../src/etcd-files/bbolt/page-builder.ts";
import { createPageFile } from "../../src/etcd-files/bbolt/page-file.ts";
import { writeDatabase } from "../../src/etcd-files/bbolt/writer.ts";
import { ProtoWriter } from "../../src/proto/wire.ts";
import { memoryPageFile } from "./memory-page-file.ts";
import { leaseRow, memberRow, revisionKey, sortedByKey, type TestLease, type TestMember, text, u64 } from "./rows.ts";

export interface SnapshotOptions {
  /** 4096. */
  readonly pageSizeBytes?: number;
  /** Rows of `key`, in order. None. */
  readonly rows?: Iterable<Row>;
  /** One member, `SNAPSHOT_MEMBER`. */
  readonly members?: readonly TestMember[];
  readonly leases?: readonly TestLease[];
  /** finishedCompactRev, and scheduledCompactRev unless that is given. */
  readonly compactRevision?: number;
  readonly scheduledCompactRevision?: number;
  readonly consistentIndex?: number;
  readonly term?: number;
  /** What `meta` says of the voters; the members that are no learners. */
  readonly confState?: string;
  /** "3.6.0"; null writes none, as 3.5 does not. */
  readonly storageVersion?: string | null;
  /** "3.6.0"; null writes none. */
  readonly clusterVersion?: string | null;
  readonly alarms?: readonly { readonly memberId: bigint; readonly alarm: 1 | 2 }[];
  readonly users?: readonly { readonly name: string; readonly password?: Uint8Array; readonly roles: readonly string[] }[];
  readonly roles?: readonly string[];
  readonly authEnabled?: boolean;
  /** Replaces or adds whole buckets; null leaves one out. */
  readonly buckets?: Readonly<Record<string, readonly Row[] | null>>;
  /** Whether the SHA-256 follows the image, as in a file of `etcdctl snapshot save`. True. */
  readonly trailer?: boolean;
}

export const SNAPSHOT_MEMBER: TestMember = {
  id: 0x8e9e05c52164694dn,
  name: "default",
  peerURLs: ["http://localhost:2380"],
  clientURLs: ["http://localhost:2379"],
};

/** A snapshot in memory. */
export function buildSnapshot(options: SnapshotOptions = {}): Uint8Array {
  const file = memoryPageFile();
  writeDatabase(file, snapshotBuckets(options), { pageSizeBytes: options.pageSizeBytes ?? 4096 });
  return options.trailer === false ? file.bytes() : withTrailer(file.bytes());
}

/** The same as a new file, for snapshots that are too big for memory. Gives its size in bytes, trailer included. */
export function writeSnapshot(path: string, options: SnapshotOptions = {}): number {
  const file = createPageFile(path);
  try {
    const { sizeBytes } = writeDatabase(file, snapshotBuckets(options), { pageSizeBytes: options.pageSizeBytes ?? 4096 });
    if (options.trailer === false) return sizeBytes;
    const hash = createHash("sha256");
    for (let offset = 0; offset < sizeBytes; offset += 1024 * 1024) hash.update(file.read(offset, Math.min(1024 * 1024, sizeBytes - offset)));
    file.write(sizeBytes, hash.digest());
    return file.sizeBytes;
  } finally {
    file.close();
  }
}

export function withTrailer(image: Uint8Array): Uint8Array {
  return Buffer.concat([image, createHash("sha256").update(image).digest()]);
}

/** The buckets that `buildSnapshot` writes, in order of names. */
export function snapshotBuckets(options: SnapshotOptions = {}): { readonly name: Uint8Array; readonly rows: Iterable<Row> }[] {
  const members = options.members ?? [SNAPSHOT_MEMBER];
  const { clusterVersion = "3.6.0" } = options;
  const buckets: Record<string, Iterable<Row> | null> = {
    alarm: sortedByKey((options.alarms ?? []).map(({ memberId, alarm }) => row(new ProtoWriter().varint(1, memberId).varint(2, alarm).finish(), text("")))),
    auth: [row("authEnabled", Uint8Array.of(options.authEnabled ? 1 : 0)), row("authRevision", u64(1))],
    authRoles: sortedByKey((options.roles ?? []).map((name) => row(name, new ProtoWriter().string(1, name).finish()))),
    authUsers: sortedByKey((options.users ?? []).map(userRow)),
    cluster: clusterVersion === null ? [] : [row("clusterVersion", text(clusterVersion)), row("downgrade", text(`{"target-version":"","enabled":false}`))],
    key: options.rows ?? [],
    lease: sortedByKey((options.leases ?? []).map(leaseRow)),
    members: sortedByKey(members.map(memberRow)),
    members_removed: [],
    meta: metaRows(options, members),
    ...options.buckets,
  };
  return Object.entries(buckets)
    .flatMap(([name, rows]) => (rows === null ? [] : [{ name: text(name), rows }]))
    .sort((a, b) => Buffer.compare(a.name, b.name));
}

function metaRows(options: SnapshotOptions, members: readonly TestMember[]): Row[] {
  const { compactRevision, scheduledCompactRevision = compactRevision, storageVersion = "3.6.0" } = options;
  const voters = members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
  const learners = members.filter(({ isLearner }) => isLearner).map(({ id }) => id);
  const confState = `{"voters":[${voters.join(",")}]${learners.length > 0 ? `,"learners":[${learners.join(",")}]` : ""},"auto_leave":false}`;
  const rows = [
    row("confState", text(options.confState ?? confState)),
    row("consistent_index", u64(options.consistentIndex ?? 1000)),
    row("term", u64(options.term ?? 2)),
  ];
  if (compactRevision !== undefined) rows.push(row("finishedCompactRev", revisionKey(compactRevision)));
  if (scheduledCompactRevision !== undefined) rows.push(row("scheduledCompactRev", revisionKey(scheduledCompactRevision)));
  if (storageVersion !== null) rows.push(row("storageVersion", text(storageVersion)));
  return sortedByKey(rows);
}

function userRow({ name, password = text("$2a$10$hash"), roles }: NonNullable<SnapshotOptions["users"]>[number]): Row {
  const writer = new ProtoWriter().string(1, name).bytes(2, password);
  for (const role of roles) writer.string(3, role);
  return row(name, writer.finish());
}

function row(key: string | Uint8Array, value: Uint8Array): Row {
  return { key: typeof key === "string" ? text(key) : key, value };
}
