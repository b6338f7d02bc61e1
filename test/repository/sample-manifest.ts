// A manifest that is valid as it is, for tests to change.
import type { NewLineageState } from "../../src/repository/lineage.ts";
import type { LineageSample, Manifest } from "../../src/repository/manifest.ts";

const SAMPLE_SHA256 = "ab".repeat(32);

export function sampleManifest(changes: Partial<Manifest> = {}): Manifest {
  const createdAt = changes.createdAt ?? "2026-11-21T09:30:00.000Z";
  const revision = changes.revision ?? "12345";
  const time = createdAt.slice(0, 19).replaceAll(/[-:]/g, "");
  return {
    format: 1,
    requires: [],
    tool: { name: "etcdsafe", version: "0.0.0" },
    id: `${time}Z-${revision.padStart(19, "0")}-aaaaaa`,
    cluster: "default",
    clusterId: "cdf818194e3a8c32",
    timeline: "aaaabbbbcccc",
    timelineBegan: null,
    createdAt,
    publishedAt: createdAt,
    clockOffsets: { storeMs: null, memberMs: null },
    origin: { kind: "member" },
    state: "proven",
    stateWhy: "3 of 3 members agree",
    checked: ["trailing-sha256", "size", "structure", "mvcc", "hashkv"],
    warnings: [],
    servingMember: { id: "8e9e05c52164694d", name: "m1", endpoint: "http://127.0.0.1:2379", isLeader: true, etcdVersion: "3.6.16" },
    quorumSeen: true,
    comparison: { asked: "none", why: "a test", revision: null, members: [] },
    revision,
    compactRevision: "-1",
    raftIndex: "100",
    raftTerm: "2",
    storageVersion: "3.6.0",
    clusterVersion: "3.6.0",
    authEnabled: false,
    alarms: [],
    members: null,
    kubeSystemUid: null,
    snapshot: { dataSizeBytes: 4096, dataSha256: SAMPLE_SHA256, trailer: true, pageSizeBytes: 4096, statusHash: 1 },
    objects: [
      {
        role: "snapshot",
        name: "snapshot.db.zst",
        codec: ["zstd-seekable"],
        storedSizeBytes: 100,
        storedSha256: SAMPLE_SHA256,
        rawSizeBytes: 4128,
        rawSha256: SAMPLE_SHA256,
        encryption: null,
        storeVersion: null,
      },
    ],
    counts: null,
    hashKv: null,
    lineageSample: null,
    tags: {},
    ...changes,
  };
}

/** What stands for the content of the row at each revision. */
export type SampleRows = Readonly<Record<number, number>>;

/** A sample of every row of a keyspace at `revision`. */
function sampleOf(rows: SampleRows, revision: number): LineageSample {
  return { threshold: "f".repeat(16), rows: entriesOf(rows), newest: newestOf(rows, revision) };
}

/** What a new snapshot of these rows answers. */
export function lineageOf(rows: SampleRows, revision: number, compactRevision: string | null = "-1"): NewLineageState {
  return {
    revision: String(revision),
    compactRevision,
    finishedCompactRevision: compactRevision ?? String(revision),
    lineageSample: sampleOf(rows, revision),
    newestRowsAt: (older) => newestOf(rows, Number(older)),
  };
}

function newestOf(rows: SampleRows, revision: number): string[] {
  return entriesOf(Object.fromEntries(Object.entries(rows).filter(([each]) => Number(each) > revision - 256 && Number(each) <= revision)));
}

function entriesOf(rows: SampleRows): string[] {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return Object.entries(rows).map(([revision, content]) => `${revision}:${hex(Number(revision))}${hex(content)}`);
}
